"""From a row of the journal to a run that an engine can drive."""

from __future__ import annotations

import threading
from collections import OrderedDict

from hardpoint.core.compiled import CompiledWorkflow, from_json
from hardpoint.core.flatten import FlatGraph, flatten
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow, Journal
from hardpoint.executor.plugin_needs import needed_types
from hardpoint.registry import Registry

KEPT = 32
"""Workflows that are kept flat: runs of one workflow share its graph, which is never changed."""


class RunLoader:
    """Reads runs; may be used by any thread.

    Args:
        journal: Where they are kept.
        registry: Must know their task types: a run that this process cannot go on with is left to another.
    """

    def __init__(self, journal: Journal, registry: Registry) -> None:
        self._journal = journal
        self._registry = registry
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[CompiledWorkflow, FlatGraph]] = OrderedDict()

    def check(self, row: ExecutionRow) -> None:
        """Whether a run could be driven here, before anybody claims it.

        Raises:
            HardpointError: A task type that it needs is not installed, or it cannot be read.
        """
        if row.phase is RunPhase.ABORTING:
            self._registry.require(needed_types(self.load(row)))
            return
        compiled, _ = self._workflow(row.digest)
        self._registry.require({spec.type for spec in compiled.tasks.values()})

    def load(self, row: ExecutionRow) -> Run:
        """Replay a run's journal.

        Raises:
            JournalDamagedError: A part of it cannot be read.
        """
        compiled, graph = self._workflow(row.digest)
        return Run(row, compiled, graph, self._journal.read(row.execution))

    def _workflow(self, digest: str) -> tuple[CompiledWorkflow, FlatGraph]:
        with self._lock:
            found = self._kept.get(digest)
            if found is not None:
                self._kept.move_to_end(digest)
                return found
        compiled = from_json(self._journal.workflow(digest))
        made = (compiled, flatten(compiled))
        with self._lock:
            self._kept[digest] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
