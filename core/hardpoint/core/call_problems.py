"""What can be wrong with one call in the body of a workflow, as errors."""

from __future__ import annotations

from hardpoint.core.compile_errors import (
    CompileError,
    DoublyBoundInputError,
    ForeignPromiseError,
    OverrideError,
    Place,
    UnboundInputError,
    UnknownInputError,
    UnsupportedAnnotationError,
    did_you_mean,
    listed,
)
from hardpoint.core.face import Face
from hardpoint.core.map_checks import missing_hint
from hardpoint.core.traced import TracedNode


def annotation_problems(face: Face, place: Place) -> list[CompileError]:
    """The face of a task or workflow has annotations or defaults that do not work."""
    return [UnsupportedAnnotationError(each.text, place, hint=each.hint) for each in face.problems]


def unknown_input(face: Face, name: str, place: Place) -> CompileError:
    """An input that the callee does not have."""
    text = f"{_node(place)} is given `{name}`, which {face.kind} `{face.name}` does not take"
    return UnknownInputError(text, place, hint=did_you_mean(name, face.inputs, _known(face)))


def too_many(face: Face, count: int, place: Place) -> CompileError:
    """More inputs by position than the callee has."""
    takes = f"{face.kind} `{face.name}` takes {len(face.names)}"
    text = f"{_node(place)} is given {count} inputs by position, but {takes}"
    return UnknownInputError(text, place, hint=_known(face))


def given_twice(name: str, place: Place) -> CompileError:
    """An input by position and by name."""
    return DoublyBoundInputError(
        f"{_input(name, place)} is given by position and by name", place, hint="Remove one of the two"
    )


def unbound_input(face: Face, name: str, place: Place, *, mapped: bool) -> CompileError:
    """An input without a value or default."""
    hint = f"Write `{face.name}({name}=...)` with a `{face.inputs[name].type}`, or give it a default"
    if mapped:
        hint = missing_hint(face.name, name)
    return UnboundInputError(f"{_input(name, place)} has no value", place, hint=hint)


def no_task_options(names: list[str], place: Place) -> CompileError:
    """Options of tasks, set on a sub-workflow."""
    return OverrideError(
        f"{_node(place)} is a sub-workflow and has no {listed(names)}",
        place,
        hint="Override them on the tasks inside it; only `name` can be set on a sub-workflow",
    )


def foreign_order(node: TracedNode, place: Place) -> CompileError:
    """`>>` with a node of another workflow."""
    other = node.recorder.place().workflow
    return ForeignPromiseError(
        f"`>>` in workflow `{place.workflow}` orders node `{node.id}` of workflow `{other}`",
        place,
        hint=f"Order the call of `{other}` itself",
    )


def _node(place: Place) -> str:
    return f"Node `{place.node}` in workflow `{place.workflow}`"


def _input(name: str, place: Place) -> str:
    return f"Input `{name}` of node `{place.node}` in workflow `{place.workflow}`"


def _known(face: Face) -> str:
    return f"Its inputs are {listed(face.inputs)}" if face.inputs else "It has no inputs"
