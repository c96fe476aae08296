"""How long attempts of tasks took in earlier runs, and what they held: from the events of those runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from hardpoint.core.compiled import CompiledWorkflow, from_json
from hardpoint.core.flatten import FlatGraph, flatten
from hardpoint.executor.engine.items import array_id
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.journal.events import ArrayOpened, AttemptPrepared, Event
from hardpoint.executor.journal.protocol import Journal, JournalDamagedError
from hardpoint.executor.view import tries_of
from hardpoint.plugin_api import ResourceClaim

RUNS_MAX = 10
ROWS_MAX = 500


class History(msgspec.Struct, frozen=True):
    """What earlier runs tell.

    Args:
        seconds: How long attempts that succeeded took, by the task's name.
        items: How many items nodes that map had the last time, by node.
        claims: What attempts held the last time, by the task's name.
    """

    seconds: dict[str, list[float]] = {}
    items: dict[str, int] = {}
    claims: dict[str, tuple[ResourceClaim, ...]] = {}


def quantile(samples: Sequence[float], part: float) -> float:
    """The value that so many of the samples do not exceed, by the nearest rank.

    >>> quantile([3.0, 1.0, 2.0], 0.5), quantile([3.0, 1.0, 2.0], 0.9)
    (2.0, 3.0)
    """
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def seconds_left(samples: Sequence[float], ran_s: float, part: float) -> float | None:
    """How much longer an attempt takes that has run for a while: as those that took longer than that.

    Returns:
        None if there are no samples; if none took as long, another time of what it has run, at most.

    >>> seconds_left([10.0, 20.0], ran_s=12.0, part=0.5), seconds_left([10.0], ran_s=12.0, part=0.9)
    (8.0, 10.8)
    """
    if not samples:
        return None
    longer = [each for each in samples if each > ran_s]
    return quantile(longer, part) - ran_s if longer else ran_s * part


def recorded(journal: Journal, workflows: Iterable[str]) -> History:
    """What the newest runs of some workflows tell; runs whose journal is damaged tell nothing."""
    wanted = set(workflows)
    history = History()
    graphs = Graphs(journal)
    counts = dict.fromkeys(wanted, 0)
    rows = [row for row in journal.rows(limit=ROWS_MAX) if row.workflow in wanted]
    chosen = []
    for row in rows:
        if counts[row.workflow] < RUNS_MAX:
            counts[row.workflow] += 1
            chosen.append(row)
    for row in reversed(chosen):
        try:
            events = journal.read(row.execution)
        except JournalDamagedError:
            continue
        learn(history, events, graphs.task_of(row.digest))
    return history


class Graphs:
    """Compiled workflows, each read once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._found: dict[str, tuple[CompiledWorkflow, FlatGraph]] = {}

    def of(self, digest: str) -> tuple[CompiledWorkflow, FlatGraph]:
        """A workflow and its nodes."""
        found = self._found.get(digest)
        if found is None:
            compiled = from_json(self._journal.workflow(digest))
            found = self._found[digest] = (compiled, flatten(compiled))
        return found

    def task_of(self, digest: str) -> Callable[[str], str]:
        """Tells the name of the task that a node or item of the workflow runs."""
        compiled, graph = self.of(digest)

        def task(unit: str) -> str:
            node = graph.nodes.get(unit) or graph.nodes[array_id(unit)]
            return compiled.tasks[node.spec_key].name

        return task


def learn(history: History, events: Sequence[Event], task_of: Callable[[str], str]) -> None:
    """Add what the events of one run tell."""
    for event in events:
        if isinstance(event, ArrayOpened) and not event.single:
            history.items[event.node] = event.size
        elif isinstance(event, AttemptPrepared):
            history.claims[task_of(event.node)] = event.claims
    for each in tries_of(events):
        if each.attempt and each.state is NodeState.SUCCEEDED and each.ended_at is not None:
            took_s = max(0.0, each.ended_at - each.started_at)
            history.seconds.setdefault(task_of(each.node), []).append(took_s)
