"""Inputs on their way into a notebook: plain ones as code, the others through a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardpoint.plugin_api import Interface, UserError, Values, Wire
from hardpoint_notebook import exchange
from hardpoint_notebook.inside import INPUTS

LONGEST_LITERAL = 1000
"""Characters; a longer value would drown the notebook it is written into."""

CELL_TAG = "hardpoint-inputs"


def decode_inputs(interface: Interface, inputs: Mapping[str, Wire], values: Values) -> dict[str, Any]:
    """Natural Python values of the inputs, defaults included."""
    decoded = {}
    for variable in interface.inputs:
        wire = inputs.get(variable.name, variable.default)
        decoded[variable.name] = values.decode(variable.type, wire)
    return decoded


def split(
    values: Mapping[str, Any], language: str = "python", notebook: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those that papermill can write as code, and the others.

    Raises:
        UserError: There are others, and the kernel is another language's, which cannot read them.

    >>> split({"n": 3, "where": Path("x"), "names": ["a"]})[0]
    {'n': 3, 'names': ['a']}
    """
    is_python = language.lower() == "python"
    plain = {
        name: value
        for name, value in values.items()
        if _is_plain(value) and (not is_python or len(repr(value)) <= LONGEST_LITERAL)
    }
    others = {name: value for name, value in values.items() if name not in plain}
    if others and not is_python:
        names = ", ".join(f"`{name}`" for name in others)
        raise UserError(
            f"Inputs {names} of `{notebook}` cannot be handed to a kernel for {language}",
            hint="Such a kernel takes numbers, text, and lists and dicts of them",
        )
    return plain, others


def write_inputs(others: Mapping[str, Any], folder: Path) -> None:
    """Put the inputs that are no plain code where `read_input` finds them."""
    packed = {name: exchange.pack(value, folder, allow_pickle=True) for name, value in others.items()}
    exchange.write_json(folder / INPUTS, packed)


def insert_reader(document: Any, others: Mapping[str, Any]) -> None:
    """Add the cell that sets those variables, where papermill adds its own: after the parameters cell."""
    from nbformat.v4 import new_code_cell

    document.cells = [cell for cell in document.cells if CELL_TAG not in _tags(cell)]
    if not others:
        return
    lines = [f'{name} = read_input("{name}")' for name in others]
    source = "\n".join(["# Inputs", "from hardpoint_notebook import read_input", "", *lines])
    tagged = [index for index, cell in enumerate(document.cells) if "parameters" in _tags(cell)]
    at = tagged[0] + 1 if tagged else 0
    cell = new_code_cell(source, metadata={"tags": [CELL_TAG]})  # type: ignore[no-untyped-call]
    document.cells.insert(at, cell)


def _tags(cell: Any) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def _is_plain(value: Any) -> bool:
    if value is None or type(value) in (bool, int, float, str):
        return True
    if type(value) is list:
        return all(map(_is_plain, value))
    return type(value) is dict and all(type(key) is str and _is_plain(item) for key, item in value.items())
