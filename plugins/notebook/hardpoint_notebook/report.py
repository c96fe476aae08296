"""An executed notebook as one HTML file that needs no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hardpoint.plugin_api import UserError

FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\s](?:[^$\n]*[^$\s])?\$(?!\d)|\\\(|\\\[|\\begin\{", re.DOTALL)
SCRIPT = re.compile(r"\brequire(?:js)?\s*[.(\[]|\bdefine\s*\(")
DIAGRAM = re.compile(r"^```\s*mermaid", re.MULTILINE)


def check_template(template: str, notebook: str) -> None:
    """Refuse a template that is not installed, before the notebook runs for nothing.

    Raises:
        UserError: There is none of that name.
    """
    from nbconvert.exporters import HTMLExporter

    try:
        exporter: Any = HTMLExporter(template_name=template)  # type: ignore[no-untyped-call]
        exporter.get_template_names()
    except ValueError:
        raise UserError(
            f"There is no nbconvert template `{template}` for the page of `{notebook}`",
            hint="`lab`, `classic` and `basic` are always there; set `html_template` of the `NotebookTask`",
        ) from None


def write_html(document: Any, target: Path, *, template: str, show_code: bool, title: str) -> None:
    """Render `document` into `target`.

    The page holds its styles and images. Scripts for formulas, diagrams and `require` are linked from a
    content network only if the notebook has such.

    """
    from nbconvert.exporters import HTMLExporter

    exporter: Any = HTMLExporter(template_name=template)  # type: ignore[no-untyped-call]
    exporter.exclude_input = not show_code
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = not show_code
    exporter.embed_images = True
    exporter.raw_template = _template(template, document)
    # Plots come without a description; nbconvert would warn about each.
    exporter.log.setLevel("ERROR")
    page, _resources = exporter.from_notebook_node(document, {"metadata": {"name": title}})
    target.write_text(page, encoding="utf-8")


def _template(base: str, document: Any) -> str:
    prose = "\n".join(cell.source for cell in document.cells if cell.cell_type == "markdown")
    outputs = "\n".join(_rich_outputs(document))
    needed = {
        "html_head_js_mathjax": bool(FORMULA.search(prose)) or "text/latex" in outputs,
        "html_head_js_requirejs": bool(SCRIPT.search(outputs)),
        "html_head_js_mermaidjs": bool(DIAGRAM.search(prose)) or "text/vnd.mermaid" in outputs,
    }
    left_out = [f"{{% block {name} %}}{{% endblock %}}" for name, wanted in needed.items() if not wanted]
    return f"{{% extends '{base}/index.html.j2' %}}" + "".join(left_out)


def _rich_outputs(document: Any) -> list[str]:
    """Kinds and texts of outputs that may bring formulas or scripts."""
    found = []
    for cell in document.cells:
        for output in cell.get("outputs", []):
            for kind, content in output.get("data", {}).items():
                found.append(kind)
                if kind in ("text/html", "application/javascript"):
                    found.append(content if isinstance(content, str) else "".join(content))
    return found
