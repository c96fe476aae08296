"""Outputs of earlier attempts instead of new ones: many nodes, one query."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hardpoint.executor.engine.cache import cache_key
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.patience import Patience
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import NodeCached
from hardpoint.executor.journal.protocol import Journal

BATCH = 500


class CacheLookup:
    """Answers nodes from the cache, before a lane starts them.

    Args:
        desk: Where a hit becomes an event.
        journal: Keeps the outputs.
        dispatch: Where a node goes that was not found.
        patience: For a database that is away.
    """

    def __init__(
        self, desk: Desk, journal: Journal, dispatch: Callable[[Run, NodeRun], None], patience: Patience
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._dispatch = dispatch
        self._patience = patience
        self._waiting: deque[tuple[Run, NodeRun]] = deque()
        self._keys: dict[tuple[str, str], str] = {}

    def add(self, run: Run, node: NodeRun) -> None:
        """Look the node up soon, with others."""
        self._waiting.append((run, node))

    def take_key(self, run: Run, node: NodeRun) -> str:
        """The key of a node that was looked up and not found; empty if it is not cached."""
        return self._keys.pop((run.id, node.id), "")

    def answer(self) -> None:
        """Answer everything that waits."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._answer([(run, node) for run, node in batch if run.may_start(node) and self._desk.owns(run)])

    def _answer(self, batch: list[tuple[Run, NodeRun]]) -> None:
        keyed = []
        for run, node in batch:
            inputs = self._desk.inputs_of(run, node)
            if inputs is not None:
                key = cache_key(run.spec(node.id), inputs, run.row.project, run.row.domain)
                keyed.append((run, node, key))
        keys = [key for _, _, key in keyed]
        found = self._patience.call(lambda: self._journal.cached(keys))
        now = self._desk.clock.now()
        for run, node, key in keyed:
            hit = found.get(key)
            if hit is not None:
                self._desk.emit(run, NodeCached(now, node.id, hit.outputs, hit.execution, key))
            else:
                self._keys[run.id, node.id] = key
                self._dispatch(run, node)
