"""`hardpoint executor start`: take up what nobody drives, until a signal."""

from __future__ import annotations

import functools
import logging
import signal
import sys
import threading
import time
from concurrent.futures import Future
from types import FrameType
from typing import Any

from hardpoint.executor.api import Executor
from hardpoint.executor.cli.answer import answer_of
from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.output import patience, say, say_json
from hardpoint.executor.cli.wording import time_of_day
from hardpoint.executor.engine.run import Outcome
from hardpoint.executor.execution import Execution
from hardpoint.plugin_api import HardpointError

LOOK_EVERY_S = 1.0
GRACE_S = 30.0


def serve(home: str, workers: int | None, max_runs: int, *, as_json: bool) -> int:
    """Run detached and interrupted runs until SIGTERM or SIGINT; then let attempts in flight end."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(message)s")
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    executor = Executor(home or None, workers=workers)
    server = _Server(as_json=as_json)
    server.tell(f"Executor on `{executor.home}`; SIGTERM or Ctrl-C stops it", {"home": str(executor.home)})
    try:
        executor.adopt_abandoned(max_runs=max_runs, taken=server.taken, refused=server.refused)
        while executor.failure is None and not stopping.wait(LOOK_EVERY_S):
            pass
    finally:
        with patience(f"waiting at most {GRACE_S:g} s for attempts in flight"):
            executor.drain(GRACE_S)
        server.tell("Executor stopped; unfinished runs wait for the next one", {"stopped": True})
    if executor.failure is not None:
        # Whoever supervises this process may start it again.
        server.refused(executor.failure)
        return FAILED
    return DONE


class _Server:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def taken(self, execution: Execution) -> None:
        """Tell of a run, now and when it ends."""
        self.tell(f"Run `{execution.id}` taken up", {"execution": execution.id, "phase": "RUNNING"})
        execution.future.add_done_callback(functools.partial(self._ended, execution))

    def _ended(self, execution: Execution, future: Future[Outcome]) -> None:
        try:
            outcome = future.result()
        except HardpointError as error:
            self.refused(error)
            return
        if outcome.phase.terminal:
            self.tell(f"Run `{outcome.execution}` {outcome.phase.value}", answer_of(outcome))

    def refused(self, error: HardpointError) -> None:
        """Report once what keeps a run from going on; it is left alone."""
        if error.message not in self._said:
            self._said.add(error.message)
            say(str(error), to=sys.stderr)

    def tell(self, text: str, told: dict[str, Any]) -> None:
        """One line, as text or as JSON."""
        with self._lock:
            if self._as_json:
                say_json(told)
            else:
                say(f"{time_of_day(time.time())}  {text}")
