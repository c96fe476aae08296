"""Why nodes wait, looked up again and again while a run is shown, on a thread of its own."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from hardpoint.executor.engine.run import Run
from hardpoint.executor.explaining_run import Store, reasons_now
from hardpoint.plugin_api import HardpointError

EVERY_S = 1.0
COST = 0.02
"""Part of the time that looking may take: of large runs, what is shown is older."""


class Reasons(Protocol):
    """Says why nodes wait, in half a line each, by node."""

    now: dict[str, str]

    def begin(self, lock: threading.Lock) -> None:
        """Look from now on; the lock keeps the run's state as it is."""

    def end(self) -> None:
        """Look no more."""


class LiveReasons:
    """See `Reasons`.

    Args:
        store: Where the rest is known from.
        run: With the state that is shown.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self.now: dict[str, str] = {}
        self._store = store
        self._run = run
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, lock: threading.Lock) -> None:
        """See `Reasons`."""
        self._thread = threading.Thread(
            target=self._look, args=(lock,), name="hardpoint-reasons", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """See `Reasons`."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(EVERY_S)

    def _look(self, lock: threading.Lock) -> None:
        wait_s = EVERY_S
        while not self._ended.wait(wait_s):
            began = time.monotonic()
            try:
                self.now = reasons_now(self._store, self._run, time.time(), lock)
            except HardpointError:
                pass  # A store that cannot be read is the run's concern, which says so.
            except Exception:
                # It may have been closed meanwhile.
                if not self._ended.is_set():
                    raise
            wait_s = max(EVERY_S, (time.monotonic() - began) / COST)
