"""Notebook files: read, check and digest them with nothing but the standard library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hardpoint.plugin_api import UsageError

FORMAT_MAJOR = 4


def read_document(path: Path) -> dict[str, Any]:
    """The parsed notebook at `path`.

    Raises:
        UsageError: There is no such file, or it is not a notebook of format 4.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"No notebook `{path.name}` in `{path.parent}`", hint=_nearby(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Notebook `{path}` cannot be read: {error}") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"Notebook `{path}` is not valid JSON: {error}",
            hint="Open and save it in Jupyter; after a merge conflict, look for `<<<<<<<` in the file",
        ) from None
    if not isinstance(document, dict) or "nbformat" not in document:
        raise UsageError(f"`{path}` is JSON, but not a notebook", hint="Give the path of an `.ipynb` file")
    if document["nbformat"] != FORMAT_MAJOR or not isinstance(document.get("cells"), list):
        raise UsageError(
            f"Notebook `{path}` has format {document['nbformat']}, not {FORMAT_MAJOR}",
            hint=f"Convert it with `jupyter nbconvert --to notebook --inplace {path.name}`",
        )
    return document


def source_of(cell: dict[str, Any]) -> str:
    """The text of a cell; on disk it is often a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def digest(document: dict[str, Any], files: Iterable[Path] = ()) -> str:
    """What defines a notebook: the kinds and sources of its cells, and the contents of `files`.

    Outputs, execution counts and metadata do not take part: running a notebook must not forget its results.

    >>> cell = {"cell_type": "code", "source": ["x = 1"], "execution_count": 7}
    >>> digest({"cells": [cell]}) == digest({"cells": [{"cell_type": "code", "source": "x = 1"}]})
    True
    """
    sha = hashlib.sha256()
    cells = [[cell.get("cell_type", ""), source_of(cell)] for cell in document["cells"]]
    sha.update(json.dumps(cells, ensure_ascii=False).encode())
    for file in sorted(files):
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


def _nearby(path: Path) -> str:
    present = sorted(each.name for each in path.parent.glob("*.ipynb"))
    close = get_close_matches(path.stem, [name.removesuffix(".ipynb") for name in present], n=1)
    if close:
        return f"Did you mean `{close[0]}.ipynb`?"
    if present:
        return "Notebooks there: " + ", ".join(f"`{name}`" for name in present)
    return "The path is relative to the folder of the file that defines the task"
