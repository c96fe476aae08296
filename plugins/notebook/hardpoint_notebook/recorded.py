"""Outputs on their way out of a notebook: what is declared, what was recorded, whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.plugin_api import UserError, Values, Variable, Wire
from hardpoint_notebook import exchange
from hardpoint_notebook.inside import DECLARED, RECORDED


def write_declared(outputs: Sequence[Variable], folder: Path, notebook: str) -> None:
    """Tell `record` what it may be given."""
    declared = {variable.name: _declaration(variable) for variable in outputs}
    exchange.write_json(folder / DECLARED, {"notebook": notebook, "outputs": declared})


def read_recorded(
    outputs: Sequence[Variable], folder: Path, values: Values, notebook: str
) -> dict[str, Wire]:
    """Wire values of the outputs that the notebook recorded.

    Raises:
        UserError: One is missing, or is not what the task declares.
    """
    path = folder / RECORDED
    recorded = exchange.read_json(path) if path.exists() else {}
    missing = [variable for variable in outputs if variable.name not in recorded]
    if missing:
        raise _missing(missing, recorded, notebook)
    return {each.name: _encoded(each, recorded[each.name], values, notebook) for each in outputs}


def _declaration(variable: Variable) -> dict[str, Any]:
    pickled = b'"type":"pickled"' in msgspec.json.encode(variable.type)
    return {"type": str(variable.type), "pickled": pickled}


def _encoded(variable: Variable, recorded: dict[str, Any], values: Values, notebook: str) -> Wire:
    try:
        return values.encode(variable.type, exchange.unpack(recorded["value"]))
    except UserError as error:
        raise UserError(
            f"Output `{variable.name}` of `{notebook}` is declared `{variable.type}`, "
            f"but the notebook recorded `{recorded['class']}`: {recorded['shown']}",
            hint=f"{error.message}; record another value, or change `outputs` of the `NotebookTask`",
        ) from error


def _missing(missing: Sequence[Variable], recorded: dict[str, Any], notebook: str) -> UserError:
    several = "s" if len(missing) > 1 else ""
    listed = ", ".join(f"`{variable.name}: {variable.type}`" for variable in missing)
    found = ", ".join(f"`{name}`" for name in recorded) or "nothing"
    call = ", ".join(f"{variable.name}=…" for variable in missing)
    return UserError(
        f"`{notebook}` ended without its output{several} {listed}; it recorded {found}",
        hint=f"Add to a cell: `from hardpoint_notebook import record; record({call})`",
    )
