"""The tenant of W9 that wants little while another floods: how long its jobs wait until they may start."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.remote_flow import remote
from benchmarks.remote_limits import LIGHT_EVERY_S, LIGHT_RUNS

from hardpoint.executor import Execution, Executor
from hardpoint.executor.journal.events import AttemptPrepared, AttemptStarted


class LightTenant:
    """Submits a run of one job again and again; it takes until the last is submitted.

    Args:
        executor: Where the other tenant has a run already.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._runs: list[Execution] = []
        flow = remote(1)
        for _ in range(LIGHT_RUNS):
            time.sleep(LIGHT_EVERY_S)
            self._runs.append(executor.submit_with(flow, {}, project="light"))

    def waits_s(self) -> list[float]:
        """Of each job, from when it was ready until it was let in; waits for their ends."""
        for run in self._runs:
            run.result()
        return [wait_s for run in self._runs for wait_s in self._waits_of(run.id)]

    def _waits_of(self, execution: str) -> Iterator[float]:
        asked_at = 0.0
        for event in self._executor.journal.read(execution):
            match event:
                case AttemptPrepared():
                    asked_at = event.at
                case AttemptStarted() if event.token:
                    yield event.at - asked_at
                case _:
                    pass
