"""Runs tasks of type `notebook` in a worker process."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import nbformat

from hardpoint.plugin_api import FunctionContext, Inputs, Outputs, PermanentSystemError, Reference
from hardpoint_notebook import parameters, recorded, report
from hardpoint_notebook.config import NotebookConfig
from hardpoint_notebook.document import read_document
from hardpoint_notebook.execution import Executed, Run, execute
from hardpoint_notebook.inside import FOLDER_VARIABLE
from hardpoint_notebook.kernel import find_kernel

CELL_IDS_SINCE = 5
ADDED_OUTPUTS = {"notebook", "html"}


class NotebookHandler:
    """Executes a copy of the archived notebook in the attempt's scratch folder."""

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """Run the cells, keep the executed notebook and its HTML page, return what was recorded.

        Raises:
            UserError: A cell failed, the kernel is missing, or the outputs are not what the task declares.
        """
        config = msgspec.convert(context.spec.config, NotebookConfig)
        source = locate(context, config.notebook)
        executed = execute(_prepare(context, config, source, inputs))
        kept = _keep(context, config, source, executed)
        if executed.failure is not None:
            raise executed.failure
        added = {name: kept[name] for name in ADDED_OUTPUTS if getattr(config, f"with_{name}")}
        declared = [each for each in context.spec.interface.outputs if each.name not in added]
        exchange = context.scratch_dir / "exchange"
        outputs = recorded.read_recorded(declared, exchange, context.values, config.notebook)
        return outputs | {name: msgspec.to_builtins(reference) for name, reference in added.items()}


def locate(context: FunctionContext, notebook: str) -> Path:
    """Where the notebook lies: beside the file that defines the task, in the archive or an installed package.

    Raises:
        PermanentSystemError: The archive does not hold it.
    """
    file, _, _ = context.spec.name.rpartition(":")
    place = PurePosixPath(file).parent / notebook
    installed = [Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")]
    for root in (context.code_dir, *installed):
        if (root / place).is_file():
            return root / place
    raise PermanentSystemError(
        f"The code archive holds no notebook `{place}`",
        hint="Submit the workflow again, so that its files are archived anew",
    )


def _prepare(context: FunctionContext, config: NotebookConfig, source: Path, inputs: Inputs) -> Run:
    document = _parse(source)
    name = config.kernel or document.metadata.get("kernelspec", {}).get("name") or "python3"
    spec = find_kernel(name, config.notebook)
    report.check_template(config.html_template, config.notebook)
    values = parameters.decode_inputs(context.spec.interface, inputs, context.values)
    plain, others = parameters.split(values, spec.language, config.notebook)
    exchange = context.scratch_dir / "exchange"
    for folder in (exchange, context.scratch_dir / "work"):
        folder.mkdir()
    parameters.write_inputs(others, exchange)
    parameters.insert_reader(document, others)
    declared = [v for v in context.spec.interface.outputs if not getattr(config, f"with_{v.name}", False)]
    recorded.write_declared(declared, exchange, config.notebook)
    return Run(
        document=document,
        label=config.notebook,
        kernel=name,
        language=spec.language,
        parameters=plain,
        environment=_environment(context, source, exchange),
        folder=context.scratch_dir,
        cell_timeout_s=config.cell_timeout_s,
        progress=context.progress,
    )


def _parse(source: Path) -> Any:
    document = nbformat.v4.reads(json.dumps(read_document(source)))  # type: ignore[no-untyped-call]
    if document.get("nbformat_minor", 0) < CELL_IDS_SINCE:
        document = nbformat.v4.upgrade(document)  # type: ignore[no-untyped-call]
    for number, cell in enumerate(document.cells, 1):
        # Cells are added on the way; the author counts those that the file has.
        cell.metadata["hardpoint_cell"] = number
    return document


def _environment(context: FunctionContext, source: Path, exchange: Path) -> dict[str, str]:
    # The worker's own entries for the archive come first: pickled classes are named after them.
    archived = [entry for entry in sys.path if Path(entry).is_relative_to(context.code_dir)]
    importable = [*archived, str(source.parent), str(context.code_dir), os.environ.get("PYTHONPATH", "")]
    return {
        FOLDER_VARIABLE: str(exchange),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, importable))),
        # Without it, start-up scripts in somebody's home would take part in the run.
        "IPYTHONDIR": str(context.scratch_dir / "ipython"),
    }


def _keep(
    context: FunctionContext, config: NotebookConfig, source: Path, executed: Executed
) -> dict[str, Reference]:
    """Put the executed notebook and its page into the store, and attach both to the attempt."""
    notebook = context.scratch_dir / source.name
    nbformat.write(executed.document, notebook)  # type: ignore[no-untyped-call]
    page = notebook.with_suffix(".html")
    report.write_html(
        executed.document,
        page,
        template=config.html_template,
        show_code=config.show_code,
        title=source.stem,
    )
    kept = {
        "notebook": context.store.put_file(notebook, name=notebook.name),
        "html": context.store.put_file(page, name=page.name),
    }
    context.artifact("Executed notebook", kept["notebook"])
    context.artifact("Report", kept["html"])
    return kept
