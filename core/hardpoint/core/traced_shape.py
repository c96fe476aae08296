"""What is checked when the body of a workflow has ended: its outputs and the order of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hardpoint.core.bind import Target, bind
from hardpoint.core.binding import nodes_read
from hardpoint.core.compile_errors import MissingOutputError, Place, TypeMismatchError
from hardpoint.core.compiled import Binding
from hardpoint.core.frames import Lines
from hardpoint.core.graph import runnable_order
from hardpoint.core.order_checks import order_problems
from hardpoint.core.promise import NodeHandle, Promise
from hardpoint.core.traced import Authored, Recorder, TracedNode
from hardpoint.plugin_api import SimpleKind, SimpleType
from hardpoint.plugin_api.literal_rules import assignable

_NOTHING = SimpleType(SimpleKind.NONE)


def returned_outputs(recorder: Recorder, authored: Authored, returned: Any) -> dict[str, Binding]:
    """Bind what the body returned to the outputs that its annotation declares."""
    face = authored.face
    values = _by_output(recorder, authored, returned)
    outputs: dict[str, Binding] = {}
    for name, slot in face.outputs.items():
        if name not in values:
            continue
        value = values[name]
        of = f"workflow `{face.name}`"
        if value is None and slot.type is not None and not assignable(_NOTHING, slot.type):
            text = (
                f"Output `{name}` of {of} is declared as `{slot.type}`, but the body returns nothing for it"
            )
            hint = "Return a value, or annotate the workflow `-> None`"
            recorder.report(MissingOutputError(text, recorder.place(), hint=hint))
            continue
        outputs[name] = bind(value, slot, Target(recorder, "Output", name, of, recorder.place))
    return outputs


def _by_output(recorder: Recorder, authored: Authored, returned: Any) -> dict[str, Any]:
    face = authored.face
    if face.single:
        (name,) = face.outputs
        return {name: returned}
    if not face.outputs:
        if returned is not None and not (isinstance(returned, NodeHandle) and not returned._outputs):
            text = f"Workflow `{face.name}` is annotated `-> None`, but returns {_shown(returned)}"
            hint = "Annotate what it returns, or remove the `return`"
            recorder.report(TypeMismatchError(text, recorder.place(), hint=hint))
        return {}
    if returned is None:
        return dict.fromkeys(face.outputs)
    if isinstance(returned, NodeHandle) and set(returned._outputs) == set(face.outputs):
        return dict(returned._outputs)
    if authored.output_class is not None and isinstance(returned, authored.output_class):
        return dict(returned._asdict())
    wanted = authored.output_class.__name__ if authored.output_class else "NamedTuple"
    text = f"Workflow `{face.name}` is annotated `-> {wanted}`, but returns {_shown(returned)}"
    fields = ", ".join(f"{name}=..." for name in face.outputs)
    recorder.report(TypeMismatchError(text, recorder.place(), hint=f"Return `{wanted}({fields})`"))
    return {}


def _shown(returned: Any) -> str:
    if isinstance(returned, Promise):
        return f"`{returned._origin}`"
    if isinstance(returned, NodeHandle):
        return f"the outputs of `{returned._traced.id}`"
    return f"a `{type(returned).__name__}`"


def ordered_nodes(recorder: Recorder, workflow: str, nodes: Sequence[TracedNode]) -> tuple[TracedNode, ...]:
    """Nodes in an order in which they could run: the author's, unless `>>` changed it."""
    if not any(node.after for node in nodes):
        return tuple(nodes)
    upstream = {node.id: nodes_read(node.bindings) | {each.id: None for each in node.after} for node in nodes}
    by_id = {node.id: node for node in nodes}
    lines = Lines()

    def place_of(id: str) -> Place:
        node = by_id[id]
        return Place(workflow, id, lines.position(node.code, node.instruction))

    for problem in order_problems(workflow, upstream, place_of):
        recorder.report(problem)
    return tuple(by_id[id] for id in runnable_order(upstream))
