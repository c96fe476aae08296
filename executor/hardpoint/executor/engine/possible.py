"""What an event makes possible: the engine acts on it once the event is journaled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from hardpoint.executor.engine.array_run import WAITING, ArrayRun
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.journal.events import RunPhase
from hardpoint.plugin_api import Phase


class Start(msgspec.Struct, frozen=True, gc=False):
    """The node may be attempted now, or at `at` if that is later."""

    node: str
    at: float | None = None


class Feed(msgspec.Struct, frozen=True, gc=False):
    """More items of an array node may be attempted."""

    node: str


class Settle(msgspec.Struct, frozen=True, gc=False):
    """Create or find the job again at `at`, under the same token."""

    node: str
    at: float


class Watch(msgspec.Struct, frozen=True, gc=False):
    """The node's external job exists: ask for it from time to time."""

    node: str


class Collect(msgspec.Struct, frozen=True, gc=False):
    """The node's external job succeeded: read its outputs."""

    node: str


class Stop(msgspec.Struct, frozen=True, gc=False):
    """The node's attempt in flight must end."""

    node: str


class Finish(msgspec.Struct, frozen=True, gc=False):
    """Nothing can move any more: the run may end."""


Possible: TypeAlias = Start | Feed | Settle | Watch | Collect | Stop | Finish


def everything_possible(nodes: Iterable[NodeRun], phase: RunPhase) -> list[Possible]:
    """What can be done for a run as it stands, from its state alone."""
    if phase.terminal:
        return []
    found = [possible for node in nodes for possible in _possible_of(node, phase)]
    return found or [Finish()]


def _possible_of(node: NodeRun, phase: RunPhase) -> list[Possible]:
    must_end = node.cancel is not None or phase is not RunPhase.RUNNING
    match node.state:
        case NodeState.READY:
            return [Start(node.id)]
        case NodeState.BACKOFF:
            return [Start(node.id, node.retry_at)]
        case NodeState.STARTED:
            return [Stop(node.id) if must_end else Settle(node.id, 0.0)]
        case NodeState.RUNNING:
            if node.phase is Phase.SUCCEEDED:
                return [Collect(node.id)]
            return [Watch(node.id), Stop(node.id)] if must_end else [Watch(node.id)]
        case NodeState.MAPPING if node.array is not None:
            return _possible_in(node.array, phase)
        case _:
            return []


def _possible_in(array: ArrayRun, phase: RunPhase) -> list[Possible]:
    # Items in a chunk go with it: the chunk is what has a job.
    units = (unit for unit in array.live.values() if unit.token not in array.chunks)
    found = [possible for unit in (*units, *array.chunks.values()) for possible in _possible_of(unit, phase)]
    if phase is RunPhase.RUNNING and WAITING in array.letters:
        found.append(Feed(array.node.id))
    return found
