"""What an event changed, as a line for people; of array nodes, only what is rare enough to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import assert_never

from hardpoint.executor.cli.arrays import FAILED_SHOWN, array_words, required_words
from hardpoint.executor.cli.wording import duration
from hardpoint.executor.engine.items import array_id
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    ArrayOpened,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ChunkStarted,
    CreateUnsettled,
    Ended,
    Event,
    JobCreated,
    JobMoved,
    NodeCached,
    Resumed,
    Submitted,
)

Change = tuple[str, str, str]
"""Node, word and detail."""


class ItemFailures:
    """How many failures of items were told, by array node: the first twenty say enough."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()

    def another(self, array: str) -> int:
        """Count one more; return its number."""
        self._told[array] += 1
        return self._told[array]


def changes_of(event: Event, state: RunState, failures: ItemFailures) -> Iterator[Change]:
    """What an event changed; the state has taken it in already.

    Args:
        event: The latest.
        state: Of the run.
        failures: Of items that were told before.
    """
    node = getattr(event, "node", "")
    if isinstance(event, Ended) or not node:
        yield from _of_run(event)
    elif isinstance(event, ArrayOpened):
        yield from _of_opened(event, state)
    elif node in state.nodes:
        yield from _of_node(event, state.nodes[node])
    else:
        yield from _of_item(event, state.nodes[array_id(node)], failures)


def _of_run(event: Event) -> Iterator[Change]:
    if isinstance(event, AbortRequested):
        yield "", "ABORTING", event.reason


def _of_opened(event: ArrayOpened, state: RunState) -> Iterator[Change]:
    node = state.nodes[event.node]
    if node.array is not None:
        yield node.id, node.state.value, required_words(node.array)


def _of_item(event: Event, parent: NodeRun, failures: ItemFailures) -> Iterator[Change]:
    array = parent.array
    if isinstance(event, AttemptFailed):
        number = failures.another(parent.id)
        if number <= FAILED_SHOWN:
            yield event.node, _failed_word(event), _failure(event)
        if number == FAILED_SHOWN:
            yield parent.id, parent.state.value, "further failures of its items are only counted"
    if parent.state.terminal and array is not None:
        yield parent.id, parent.state.value, f"{array_words(array)}, {_after(parent, event.at)}"


def _of_node(event: Event, node: NodeRun) -> Iterator[Change]:
    match event:
        case AttemptStarted():
            yield node.id, "STARTED", f"attempt {event.attempt}" if event.attempt > 1 else ""
        case AttemptSucceeded():
            yield node.id, "SUCCEEDED", _after(node, event.at)
        case NodeCached():
            yield node.id, "CACHED", f"from run {event.execution}"
        case AttemptFailed():
            yield node.id, _failed_word(event), _failure(event)
        case JobCreated():
            yield node.id, "RUNNING", f"job {event.job.id}"
        case JobMoved():
            yield node.id, "RUNNING", f"job {event.phase.value.lower()} {event.reason}".rstrip()
        case CreateUnsettled():
            yield node.id, "STARTED", f"waits for its service: {event.error.message}"
        case AttemptCancelled():
            yield node.id, "CANCELLED", _after(node, event.at)
        case AttemptPrepared() | CancelRequested() | ArrayOpened() | ChunkStarted():
            pass
        case Submitted() | Adopted() | AbortRequested() | Resumed() | Ended():
            pass
        case _:
            assert_never(event)


def _after(node: NodeRun, at: float) -> str:
    return f"after {duration(at - node.started_at)}" if node.started_at is not None else ""


def _failed_word(event: AttemptFailed) -> str:
    return "FAILED" if event.retry_at is None else "BACKOFF"


def _failure(event: AttemptFailed) -> str:
    first_line = event.error.message.partition("\n")[0]
    again = ""
    if event.retry_at is not None:
        again = f"; attempt {event.attempt + 1} in {duration(max(0.0, event.retry_at - event.at))}"
    return f"attempt {event.attempt}: {event.error.code}: {first_line}{again}"
