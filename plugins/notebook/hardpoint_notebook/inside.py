"""The half that notebooks import: `record` their outputs, read their inputs.

Outside of a workflow, in an ordinary Jupyter session, `record` does nothing, so that a notebook can be
worked on by hand.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hardpoint.plugin_api import UsageError
from hardpoint_notebook import exchange

FOLDER_VARIABLE = "HARDPOINT_NOTEBOOK_FOLDER"
"""Set for the kernel: the folder that it and the worker exchange values through."""

DECLARED, INPUTS, RECORDED = "declared.json", "inputs.json", "recorded.json"


def record(**outputs: Any) -> None:
    """Give the notebook's outputs, each under the name that the task declares; the last one counts.

    Args:
        outputs: Plain values, dates, paths of files, arrays, tables, or dataclasses of them.

    Raises:
        UsageError: An output is not declared, or its value has no portable form.

    >>> record(accuracy=0.97)  # in an ordinary session: nothing happens
    """
    folder = _folder()
    if folder is None:
        return
    declared = exchange.read_json(folder / DECLARED)
    path = folder / RECORDED
    recorded = exchange.read_json(path) if path.exists() else {}
    for name, value in outputs.items():
        if name not in declared["outputs"]:
            raise _undeclared(name, declared)
        recorded[name] = _recorded(value, declared["outputs"][name], folder)
    exchange.write_json(path, recorded)


def read_input(name: str) -> Any:
    """The value of an input that is no plain JSON; the cell that sets the inputs calls it.

    Raises:
        UsageError: This is not a run of the notebook in a workflow.
    """
    folder = _folder()
    if folder is None:
        raise UsageError(
            f"Input `{name}` is only there while a workflow runs the notebook",
            hint="To work by hand, set the variable in the cell tagged `parameters`",
        )
    return exchange.unpack(exchange.read_json(folder / INPUTS)[name])


def _folder() -> Path | None:
    value = os.environ.get(FOLDER_VARIABLE)
    return Path(value) if value else None


def _recorded(value: Any, declared: dict[str, Any], folder: Path) -> dict[str, Any]:
    label = type(value).__name__
    if declared["type"] in ("File", "Directory") and isinstance(value, str):
        # A relative path means the kernel's folder, which the worker does not stand in.
        value = Path(value)
    packed = exchange.pack(value, folder, allow_pickle=declared["pickled"])
    return {"value": packed, "class": label, "shown": _shortened(repr(value))}


def _shortened(text: str, limit: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _undeclared(name: str, declared: dict[str, Any]) -> UsageError:
    known = {key: value["type"] for key, value in declared["outputs"].items()}
    listed = ", ".join(f"`{key}: {kind}`" for key, kind in known.items()) or "no outputs"
    close = get_close_matches(name, known, n=1)
    return UsageError(
        f"`record` was given `{name}`, but the task of `{declared['notebook']}` declares {listed}",
        hint=f"Did you mean `{close[0]}`?"
        if close
        else f'Add `"{name}": …` to `outputs` of its `NotebookTask`',
    )
