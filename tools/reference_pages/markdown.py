"""What every page of the reference is put together with."""

from __future__ import annotations

from collections.abc import Sequence

NOTE = "<!-- Written by `make docs` from the code; change the docstrings instead. -->"


def page(parts: Sequence[str]) -> str:
    """Paragraphs, headings, tables and blocks, one below the other."""
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a `|` in a cell does not end it. No rows, no table."""
    if not rows:
        return ""
    cells = [headings, ["---"] * len(headings), *([each.replace("|", "\\|") for each in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def plain(annotation: object) -> str:
    """Annotations are text already (postponed evaluation); only their quotes have to go."""
    return str(annotation).replace("'", "")


def one_line(text: str) -> str:
    """A text of several lines in one."""
    return text.replace("\n", " ")


def paragraphs(doc: str) -> str:
    """A docstring's text with each paragraph in one line."""
    return "\n\n".join(one_line(each) for each in doc.split("\n\n"))
