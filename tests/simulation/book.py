"""What the journal says of one run, kept up event by event beside the engines that write it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import AbortRequested, Adopted, Event, Resumed, RunPhase
from hardpoint.plugin_api import TaskSpec


class Book:
    """One run.

    Args:
        execution: Its id.
        compiled, graph: What it runs.
        expected: Its outputs, when it succeeds.
    """

    def __init__(
        self,
        execution: str,
        compiled: CompiledWorkflow,
        graph: FlatGraph,
        expected: Mapping[str, object],
        events: Sequence[Event],
    ) -> None:
        self.execution = execution
        self.compiled = compiled
        self.graph = graph
        self.expected = expected
        self.digest = hashlib.sha256()
        self.abort_taken = False
        self.rewrite(events)

    def rewrite(self, events: Sequence[Event]) -> None:
        """Begin again: after a power cut the journal may hold less than it did."""
        self.state = RunState(self.execution, self.graph)
        self.last_seq = 0
        self.resumed = 0
        self.abort_journaled = False
        self.adopted_at = 0.0
        self.last_group: tuple[int, Sequence[Event]] = (0, ())
        self.add(events)

    def add(self, events: Sequence[Event]) -> None:
        """Take in what was committed."""
        for event in events:
            self.state.apply(event)
            match event:
                case Resumed():
                    self.resumed += 1
                case AbortRequested():
                    self.abort_journaled = True
                case Adopted():
                    self.adopted_at = event.at
                case _:
                    pass
        self.last_seq += len(events)

    def take_abort(self) -> None:
        """An engine took the wish to abort this run out of its inbox: nobody else will see it."""
        self.abort_taken = self.state.phase is RunPhase.RUNNING

    def spec(self, unit: str) -> TaskSpec:
        """The task of a node or item."""
        node = self.graph.nodes.get(unit) or self.graph.nodes[unit.rpartition("[")[0]]
        return self.compiled.tasks[node.spec_key]
