"""Real values into a run and out of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.core.face import Face
from hardpoint.core.traced import Authored
from hardpoint.plugin_api import HardpointError, Store, UsageError, Wire


class InputError(UsageError):
    """The inputs of a run do not fit its workflow.

    Args:
        workflow: Its name.
        problems: One sentence each.
        hint: What it takes.
    """

    def __init__(self, workflow: str, problems: Sequence[str], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        shown = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"Workflow `{workflow}` cannot start with these inputs{shown}", hint=hint)


def encode_inputs(face: Face, values: Mapping[str, Any], store: Store) -> dict[str, Wire]:
    """See `Workflow.encode_inputs`."""
    problems = [_unknown(name, face) for name in values if name not in face.inputs]
    wires: dict[str, Wire] = {}
    for variable in face.interface.inputs:
        name, codec = variable.name, face.inputs[variable.name].codec
        if name not in values or codec is None:
            if variable.required:
                problems.append(f"`{name}`, a `{variable.type}`, is missing")
            else:
                wires[name] = variable.default
            continue
        try:
            wires[name] = codec.encode(values[name], store)
        except HardpointError as error:
            problems.append(f"`{name}`: {error.message}")
    if problems:
        raise InputError(face.name, problems, hint=f"It is `{face.name}{face.interface}`")
    return wires


def _unknown(name: str, face: Face) -> str:
    close = did_you_mean(name, face.inputs)
    return f"`{name}` is no input of it" + (f". {close}" if close else "")


def decode_outputs(authored: Authored, wires: Mapping[str, Wire], store: Store) -> Any:
    """See `Workflow.decode_outputs`."""
    face = authored.face
    values = {
        name: slot.codec.decode(wires[name], store)
        for name, slot in face.outputs.items()
        if slot.codec is not None
    }
    if not face.outputs:
        return None
    if face.single:
        return next(iter(values.values()))
    assert authored.output_class is not None
    return authored.output_class(**values)


def plain_inputs(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, as Python itself would match them; raises the `TypeError` it would raise."""
    bound = inspect.signature(fn).bind(*args, **kwargs)
    return dict(bound.arguments)
