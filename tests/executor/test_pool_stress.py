"""Crashes, kills and cancellations by chance, over two archives: every call gets exactly one outcome."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING, assert_never

import pytest

from hardpoint.executor.pool.messages import CallDone, CallFailed, CallProgress, CallReturned, FunctionCall

if TYPE_CHECKING:
    from tests.executor.conftest import Lab

CALLS = 1000
PATIENCE_S = 60.0

FLOW = """
import os, time

@task
def add{n}(x: int) -> int:
    if x % 97 == 0:
        time.sleep(0.12)
    if x % 331 == 330:
        os._exit(3)
    return x + {n}
"""


class Storm:
    """Feeds a pool, disturbs it, and keeps the books.

    Args:
        lab: With the tasks `add0` and `add1`.
        seed: Of everything that is left to chance.
    """

    def __init__(self, lab: Lab, seed: int) -> None:
        self.pool = lab.pool
        self.chance = random.Random(seed)
        self.open: dict[int, FunctionCall] = {}
        self.outcomes: dict[int, str] = {}
        self.cancelled: set[int] = set()
        self.sent = 0

    def feed(self) -> None:
        calls = []
        for _ in range(min(self.pool.room(), CALLS - self.sent)):
            self.sent += 1
            spec = "add1" if self.chance.random() < 0.3 else "add0"
            call = FunctionCall(self.sent, "e", "n", 1, spec, {"x": self.sent})
            self.open[call.ticket] = call
            calls.append(call)
        self.pool.submit(calls)

    def disturb(self) -> None:
        if self.open and self.chance.random() < 0.02:
            some = self.chance.sample(list(self.open), min(5, len(self.open)))
            self.cancelled.update(some)
            self.pool.cancel(some, "by chance")
        workers = list(self.pool._staff)
        if workers and self.chance.random() < 0.005:
            os.kill(self.chance.choice(workers).process.pid, signal.SIGKILL)

    def listen(self) -> None:
        again = []
        for event in self.pool.wait(1.0):
            match event:
                case CallDone(ticket, outputs):
                    call = self.open.pop(ticket)
                    assert outputs == {"result": call.inputs["x"] + int(call.spec[-1])}
                    self.outcomes[ticket] = "done"
                case CallFailed(ticket, error):
                    del self.open[ticket]
                    self.outcomes[ticket] = error.code
                case CallReturned(tickets):
                    for ticket in tickets:
                        if ticket in self.cancelled:
                            del self.open[ticket]
                            self.outcomes[ticket] = "dropped"
                        else:
                            again.append(self.open[ticket])
                case CallProgress():
                    raise AssertionError(event)
                case _:
                    assert_never(event)
        self.pool.submit(again)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_call_has_one_outcome(lab: Lab, seed: int) -> None:
    lab.open_pool(3)
    for n in range(2):
        lab.register(lab.write(f"flow{n}.py", FLOW.format(n=n)), f"add{n}")
    storm = Storm(lab, seed)
    end_s = time.monotonic() + PATIENCE_S
    while len(storm.outcomes) < CALLS:
        assert time.monotonic() < end_s, storm.open
        storm.feed()
        storm.disturb()
        storm.listen()
    assert not storm.open
    crashing = {x for x in range(1, CALLS + 1) if x % 331 == 330}
    assert {storm.outcomes[x] for x in crashing} <= {"WorkerDied", "dropped", "Cancelled"}
    assert set(storm.outcomes.values()) <= {"done", "WorkerDied", "dropped", "Cancelled"}
