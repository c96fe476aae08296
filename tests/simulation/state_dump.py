"""What a run's state says, in a form that two of them can be compared by."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from hardpoint.executor.engine.array_run import ArrayRun
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.state import RunState

_HANDED_OUT = {"cursor", "held", "retrying"}
"""What an array remembers of items it gave to a lane; not part of what the journal says."""

_ARRAY_FIELDS = [name for name in ArrayRun.__slots__ if name not in {"node", "live", "chunks", *_HANDED_OUT}]
_NODE_FIELDS = [name for name in NodeRun.__slots__ if name not in {"parent", "rare"}]
_array_fields: Callable[[ArrayRun], tuple[Any, ...]] = operator.attrgetter(*_ARRAY_FIELDS)
_fields: Callable[[NodeRun], tuple[Any, ...]] = operator.attrgetter(*_NODE_FIELDS)


def _node(node: NodeRun) -> tuple[Any, ...]:
    rare = node.rare
    if rare and "array" in rare:
        rare = {name: value for name, value in rare.items() if name != "array"}
    return (*_fields(node), rare)


def _units(units: dict[Any, NodeRun]) -> list[tuple[Any, ...]]:
    """Items in the order of their indices, without those that were only handed out."""
    known = [unit for unit in units.values() if unit.state is not NodeState.READY]
    return sorted((_node(unit) for unit in known), key=operator.itemgetter(_ID))


_ID = _NODE_FIELDS.index("id")


def dump(state: RunState) -> list[Any]:
    """Everything that follows from the journal."""
    found: list[Any] = [
        state.phase,
        state.inputs,
        state.generation,
        state.left,
        state.in_flight,
        state.outputs,
        state.error,
        state.error_node,
        state.abort_reason,
        state.ended_at,
    ]
    for node in state.nodes.values():
        found.append(_node(node))
        if node.array is not None:
            found.append((_array_fields(node.array), _units(node.array.live), _units(node.array.chunks)))
    return found


def difference(owner: RunState, replayed: RunState) -> str:
    """What differs first between an owner's state and that of the journal; empty if nothing does."""
    if dump(owner) == dump(replayed):
        return ""
    for name in ("phase", "generation", "left", "in_flight", "outputs", "error", "error_node", "ended_at"):
        mine, journals = getattr(owner, name), getattr(replayed, name)
        if mine != journals:
            return f"`{name}` is {mine!r}, the journal says {journals!r}"
    for id, node in owner.nodes.items():
        other = replayed.nodes[id]
        for name, mine, journals in zip((*_NODE_FIELDS, "rare"), _node(node), _node(other), strict=True):
            if mine != journals:
                return f"`{name}` of `{id}` is {mine!r}, the journal says {journals!r}"
    return "an array node differs"
