"""Passing what was journaled on to every observer that the registry knows, each through its own teller."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from hardpoint.executor.engine.run import Journaled, Progress, Run
from hardpoint.executor.engine.teller import AGAIN_S, NOTHING_NEW, Teller
from hardpoint.executor.journal.protocol import Journal
from hardpoint.registry import Registry

CLOSE_WAIT_S = 10.0


class Observers:
    """Passes journaled events on to plugins that implement `events_journaled`, and to their event sinks.

    Args:
        registry: Knows them.
        journal: Keeps how far each was told.
        again_s: See `Teller`.
    """

    def __init__(self, registry: Registry, journal: Journal, again_s: float = AGAIN_S) -> None:
        self._registry = registry
        self._journal = journal
        self._again_s = again_s
        self._lock = threading.Lock()  # runs are taken over by the engine's thread, and looked up by any
        self._tellers: dict[str, Teller] = {}

    def attach(self, run: Run) -> None:
        """Tell about a run from now on, and about what was journaled of it before."""
        self.catch_up([run.id])
        if not self._tellers:
            return

        def listen(news: Journaled | Progress | None) -> None:
            if not isinstance(news, Progress):
                for teller in tuple(self._tellers.values()):
                    teller.put(run.id, news)

        run.listeners.append(listen)

    def catch_up(self, executions: Iterable[str]) -> None:
        """Tell what is journaled of these runs and was not told before: a crash may lie between the two."""
        with self._lock:
            for name in self._registry.observers():
                if name not in self._tellers:
                    self._tellers[name] = Teller(name, self._registry, self._journal, self._again_s)
        for execution in executions:
            for teller in tuple(self._tellers.values()):
                teller.put(execution, NOTHING_NEW)

    def close(self) -> None:
        """Tell what is left to tell, unless an observer is stuck or the store is away."""
        for teller in self._tellers.values():
            teller.end()
        deadline = time.monotonic() + CLOSE_WAIT_S
        for teller in self._tellers.values():
            teller.join(max(0.0, deadline - time.monotonic()))
