"""Looking again and again, on a thread of its own, through outages of the store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hardpoint.executor.journal.protocol import JournalUnreachableError

logger = logging.getLogger("hardpoint.executor")


class Rounds:
    """Begun once, stirred and ended by any thread.

    Args:
        name: Of the thread.
        look: Done every time; what it raises is logged, and the next round comes all the same.
        every_s: How long after a look the next one comes, unless stirred.
        going: Whether there is anything left to look for.
        waiting: What waits while the store is away, for the log.
        last: Done on the thread at the end.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[], None],
        every_s: float,
        going: Callable[[], bool],
        waiting: str,
        last: Callable[[], None] = lambda: None,
    ) -> None:
        self._look = look
        self._every_s = every_s
        self._going = going
        self._waiting = waiting
        self._last = last
        self._away = False
        self._stir = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.over = False

    @property
    def begun(self) -> bool:
        """Whether there has been a first round."""
        return self._thread.ident is not None

    def begin(self) -> None:
        """Look now, and then again and again."""
        self._thread.start()

    def stir(self) -> None:
        """Look at once."""
        self._stir.set()

    def end(self) -> None:
        """Wait for the round that is under way, and have no other."""
        self.over = True
        self._stir.set()
        if self.begun:
            self._thread.join()

    def _run(self) -> None:
        while not self.over and self._going():
            try:
                self._look()
            except JournalUnreachableError as error:
                if not self._away:
                    logger.warning("%s until the store answers: %s", self._waiting, error.message)
                self._away = True
            except Exception:
                # A bug with one run must not keep the others waiting for ever.
                logger.exception("%s: a look at the store failed", self._thread.name)
            else:
                self._away = False
            self._stir.wait(self._every_s)
            self._stir.clear()
        self._last()
