"""Telling one observer what was journaled: in order, at least once, from where it stopped.

In a thread of its own, so that a slow observer delays neither a run nor another observer. Its position in
each run is kept in the journal: after a crash it is told again what it may have missed, and another
executor that goes on with a run tells from there.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time

from hardpoint.executor.engine.run import Journaled
from hardpoint.executor.execution import described
from hardpoint.executor.journal.protocol import Journal, JournalUnreachableError
from hardpoint.plugin_api import HardpointError
from hardpoint.registry import Registry

logger = logging.getLogger("hardpoint.engine")

AGAIN_S = 1.0
"""How soon a store that did not answer is asked again, and an observer that failed is told again."""
EVENTS_AT_ONCE = 1_000
"""An observer's budget is for one delivery: it must not be made to fail by how much it has missed."""
# Empty, and from behind everything that was told: so the thread reads the journal.
NOTHING_NEW = Journaled(sys.maxsize, [])


class Teller:
    """Tells one observer.

    Args:
        observer: Its name, as the registry has it.
        registry: Delivers.
        journal: Keeps what is told, and up to where it was told.
        again_s: Seconds after which an observer that failed is told again, unless it is left out for longer.
    """

    def __init__(self, observer: str, registry: Registry, journal: Journal, again_s: float = AGAIN_S) -> None:
        self._observer = observer
        self._registry = registry
        self._journal = journal
        self._again_s = again_s
        self._news: queue.SimpleQueue[tuple[str, Journaled | None] | None] = queue.SimpleQueue()
        self._told: dict[str, int] = {}
        # Runs of which it could not be told, and from when on that is tried again.
        self._owed: dict[str, float] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"hardpoint-observer {observer}", daemon=True)
        self._thread.start()

    def put(self, execution: str, news: Journaled | None) -> None:
        """News of a run; None when it is let go of."""
        self._news.put((execution, news))

    def end(self) -> None:
        """Tell what is left to tell, and then nothing more."""
        self._closing.set()
        self._news.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for that, unless the observer is stuck or the store is away."""
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        while True:
            self._pay(due_by=time.monotonic())
            try:
                item = self._news.get(timeout=self._wait_s())
            except queue.Empty:
                continue
            if item is None:
                return self._pay(due_by=float("inf"))
            execution, news = item
            if news is None:
                # Another executor may tell more of it: what this one knows is not true for ever.
                self._told.pop(execution, None)
            elif execution not in self._owed:
                self._tell(execution, news)

    def _wait_s(self) -> float | None:
        return max(0.0, min(self._owed.values()) - time.monotonic()) if self._owed else None

    def _pay(self, *, due_by: float) -> None:
        for execution in [run for run, due in self._owed.items() if due <= due_by]:
            del self._owed[execution]
            self._tell(execution, NOTHING_NEW)

    def _tell(self, execution: str, news: Journaled) -> None:
        while True:
            try:
                self._catch_up(execution, news)
            except JournalUnreachableError:
                if self._closing.wait(AGAIN_S):
                    return
            except HardpointError as error:
                logger.warning(
                    "observer %s is not told of run %s: %s", self._observer, execution, error.message
                )
                return
            else:
                return

    def _catch_up(self, execution: str, news: Journaled) -> None:
        told = self._told.get(execution)
        if told is None:
            told = self._told[execution] = self._journal.observed(self._observer, execution)
        if news.first_seq > told + 1:
            news = Journaled(told + 1, self._journal.read(execution, after_seq=told))
        while (fresh := news.after(told)) is not None:
            some = Journaled(fresh.first_seq, fresh.events[:EVENTS_AT_ONCE])
            failure = self._registry.notify(self._observer, list(described(execution, some)))
            if failure is not None:
                self._owed[execution] = time.monotonic() + (failure.retry_after_s or self._again_s)
                return
            # First of all: if the store is away now, this process at least does not tell it again.
            told = self._told[execution] = some.last_seq
            self._journal.mark_observed(self._observer, execution, told)
