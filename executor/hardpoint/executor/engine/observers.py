"""Telling observers what was journaled: in order, at least once, from where each of them stopped.

One thread of its own, so that a slow observer never delays a run. Each observer's position in each run
is kept in the journal: after a crash it is told again what it may have missed, and another executor that
goes on with a run tells from there.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Iterable

from hardpoint.executor.engine.run import Journaled, Progress, Run
from hardpoint.executor.execution import described
from hardpoint.executor.journal.protocol import Journal, JournalUnreachableError
from hardpoint.plugin_api import HardpointError
from hardpoint.registry import Registry

logger = logging.getLogger("hardpoint.engine")

CLOSE_WAIT_S = 10.0
AGAIN_S = 1.0
"""How soon a store that did not answer is asked again."""
# Empty, and from behind everything that was told: so the thread reads the journal.
_NOTHING_NEW = Journaled(sys.maxsize, [])


class Observers:
    """Passes journaled events on to every plugin that implements `events_journaled`."""

    def __init__(self, registry: Registry, journal: Journal) -> None:
        self._registry = registry
        self._journal = journal
        self._news: queue.SimpleQueue[tuple[str, Journaled | None] | None] = queue.SimpleQueue()
        self._told: dict[tuple[str, str], int] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def attach(self, run: Run) -> None:
        """Tell about a run from now on, and about what was journaled of it before."""
        if not self._registry.observers():
            return
        self.catch_up([run.id])

        def listen(news: Journaled | Progress | None) -> None:
            if not isinstance(news, Progress):
                self._news.put((run.id, news))

        run.listeners.append(listen)

    def catch_up(self, executions: Iterable[str]) -> None:
        """Tell what is journaled of these runs and was not told before: a crash may lie between the two."""
        if not self._registry.observers():
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="hardpoint-observers", daemon=True)
            self._thread.start()
        for execution in executions:
            self._news.put((execution, _NOTHING_NEW))

    def close(self) -> None:
        """Tell what is left to tell, unless an observer is stuck or the store is away."""
        self._closing.set()
        if self._thread is not None:
            self._news.put(None)
            self._thread.join(CLOSE_WAIT_S)

    def _loop(self) -> None:
        while (item := self._news.get()) is not None:
            execution, news = item
            for observer in self._registry.observers():
                if news is None:
                    # Another executor may tell more of it: what this one knows is not true for ever.
                    self._told.pop((observer, execution), None)
                else:
                    self._tell(observer, execution, news)

    def _tell(self, observer: str, execution: str, news: Journaled) -> None:
        while True:
            try:
                self._catch_up(observer, execution, news)
            except JournalUnreachableError:
                if self._closing.wait(AGAIN_S):
                    return
            except HardpointError as error:
                logger.warning("observer %s is not told of run %s: %s", observer, execution, error.message)
                return
            else:
                return

    def _catch_up(self, observer: str, execution: str, news: Journaled) -> None:
        place = (observer, execution)
        told = self._told.get(place)
        if told is None:
            told = self._journal.observed(observer, execution)
        if news.first_seq > told + 1:
            news = Journaled(told + 1, self._journal.read(execution, after_seq=told))
        fresh = news.after(told)
        if fresh is not None:
            self._registry.notify(observer, list(described(execution, fresh)))
            told = fresh.last_seq
            # First of all: if the store is away now, this process at least does not tell it again.
            self._told[place] = told
            self._journal.mark_observed(observer, execution, told)
        self._told[place] = told
