"""What the journal says of one run, kept up event by event beside the engines that write it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import Adopted, Event, Resumed
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
        self.rewrite(events)

    def rewrite(self, events: Sequence[Event]) -> None:
        """Begin again: after a power cut the journal may hold less than it did."""
        self.state = RunState(self.execution, self.graph)
        self.last_seq = 0
        self.resumed = 0
        self.adopted_at = 0.0
        self.owner = ""
        self.last_group: tuple[int, Sequence[Event]] = (0, ())
        self.add(events)

    def add(self, events: Sequence[Event]) -> None:
        """Take in what was committed."""
        for event in events:
            self.state.apply(event)
            match event:
                case Resumed():
                    self.resumed += 1
                case Adopted():
                    self.adopted_at, self.owner = event.at, event.owner
                case _:
                    pass
        self.last_seq += len(events)

    def spec(self, unit: str) -> TaskSpec:
        """The task of a node, item or chunk."""
        node = self.graph.nodes[unit.partition("[")[0].partition("#")[0]]
        return self.compiled.tasks[node.spec_key]

    def pools(self, unit: str) -> set[str]:
        """The pools of which an attempt, or each item of a chunk, holds something."""
        found = self.state.find(unit)
        holder = found.parent if found is not None and found.chunk else found
        return {claim.pool for claim in holder.claims} if holder is not None else set()

    def held(self) -> Counter[str]:
        """Units that its attempts in flight hold, by pool; of a chunk, its items do."""
        found: Counter[str] = Counter()
        for id in self.state.in_flight:
            unit = self.state.find(id)
            if unit is not None and not unit.chunk:
                claims = unit.parent.claims if unit.in_chunk and unit.parent is not None else unit.claims
                for claim in claims:
                    found[claim.pool] += claim.units
        return found

    def units(self, chunk: str) -> list[str]:
        """The items of a chunk; none for anything else."""
        found = self.state.find(chunk)
        array = chunk.partition("#")[0]
        return [f"{array}[{index}]" for index in found.chunk] if found is not None else []
