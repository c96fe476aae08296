"""The thread that an engine lives on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.run import Run


class EngineThread:
    """Runs an engine, and answers for the runs it is given: whoever waits for one is told if it ends.

    Args:
        engine: Begins to turn at once.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._given: set[Run] = set()
        self._over = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drive, name="hardpoint-engine", daemon=True)
        self._thread.start()

    def give(self, run: Run, taken: Callable[[], None] = lambda: None) -> None:
        """Let the engine go on with a run whose lease it holds.

        Args:
            run: It, as its journal tells it.
            taken: Called when the engine has it, on the engine's thread.

        Raises:
            JournalUnreachableError: The store does not answer; the engine did not get the run.
        """
        # Before anything of it starts: whoever asked for its end may have waited for long.
        asked = [each for each in self.engine.journal.commands([run.id]) if each.name == "abort"]

        def begin() -> None:
            self.engine.adopt(run, resume=True)
            for command in asked:
                self.engine.abort(run.id, str(command.body.get("reason", "")))
            taken()

        self.post(run, begin)

    def give_new(self, run: Run) -> None:
        """Let the engine begin a run that it was journaled for."""
        self.post(run, lambda: self.engine.adopt(run))

    def post(self, run: Run, begin: Callable[[], None]) -> None:
        """Do something about a run on the engine's thread; if that is over, tell those who wait for it."""
        self._given.add(run)
        run.future.add_done_callback(lambda future: self._given.discard(run))
        self.engine.post(begin)
        with self._lock:
            if self._over:
                self._abandon(run)

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """Runs that were given and have not ended, also those that the engine has not looked at yet."""
        return tuple(self._given)

    def join(self) -> None:
        """Wait until the engine has stopped."""
        self._thread.join()

    def _drive(self) -> None:
        self.engine.loop()
        with self._lock:
            self._over = True
            # An engine that stops lets go of what it has, not of what is still on its way to it.
            for run in tuple(self._given):
                self._abandon(run)

    def _abandon(self, run: Run) -> None:
        if run.future.done():
            return
        if self.engine.failure is not None:
            run.future.set_exception(self.engine.failure)
        else:
            run.future.set_result(run.outcome())
