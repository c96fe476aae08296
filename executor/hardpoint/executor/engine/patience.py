"""Calls to a journal whose database may be away for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from hardpoint.executor.journal.protocol import JournalUnreachableError
from hardpoint.plugin_api import Clock

logger = logging.getLogger("hardpoint.engine")

T = TypeVar("T")

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0


class Patience:
    """Repeats a call until the database answers: nothing may leave the engine before its event is kept.

    Leases lapse meanwhile, and another engine may take the runs over: the call that succeeds at last then
    says so, and the run is let go.

    Args:
        clock: Waits between tries.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leaving = threading.Event()

    def lose(self) -> None:
        """Wait no more, since the engine is to stop; may be called from any thread."""
        self._leaving.set()

    def call(self, step: Callable[[], T]) -> T:
        """The step's answer, however long that takes.

        Raises:
            JournalUnreachableError: The database is away, and the engine is to stop.
        """
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return step()
            except JournalUnreachableError as error:
                if self._leaving.is_set():
                    raise
                if wait_s == FIRST_WAIT_S:
                    logger.warning("waiting for the journal's database: %s", error.message)
            self._clock.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, wait_s * 2)
