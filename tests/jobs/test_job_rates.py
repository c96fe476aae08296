"""What a service's rates do to the steps of the engine: who waits where, and who does not."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable

import pytest
from tests.jobs.conftest import Lab, account_of

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.job_context import CallGate
from hardpoint.executor.engine.step_desk import StepDesk
from hardpoint.executor.engine.steps import THREADS_PER_GROUP, Answer, StepThreads
from hardpoint.executor.journal.events import AttemptFailed, AttemptStarted, CreateUnsettled, RunPhase
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.rates import Rates
from hardpoint.plugin_api import PollPolicy, RateLimit, Retry, ThrottledError

PATIENCE_S = 30.0
TEN = RateLimit("job:*", reads_per_s=10.0, writes_per_s=10.0, burst=2)


def fullest_second(times: Iterable[float]) -> int:
    times = sorted(times)
    return max(sum(1 for each in times if at <= each < at + 1.0) for at in times)


def creates(lab: Lab, account: str = "account") -> list[float]:
    """When the jobs of an account were created."""
    began_s = {job.token: job.began_s for job in lab.service.jobs.values()}
    asked = [each for each in lab.service.requests if account_of(each) == account]
    return [began_s[each.token] for each in asked]


@pytest.fixture
def ten(new_lab: type[Lab]) -> Lab:
    lab = new_lab(PollPolicy(first_s=0.5, fraction=0.1, max_s=2.0), rates=[TEN])
    lab.service.gated = True
    return lab


def test_many_creates_keep_to_the_rate_and_none_is_refused(ten: Lab) -> None:
    run = ten.submit(*(ten.spec(1.0, retry=Retry(1)) for _ in range(100)))
    assert ten.finish(run) is RunPhase.SUCCEEDED
    times = creates(ten)
    assert len(times) == 100
    assert fullest_second(times) <= 10 + TEN.burst
    assert times[-1] - times[0] == pytest.approx(98 / 10.0, abs=0.2)
    assert len(ten.events(run, AttemptStarted)) == 100
    assert not ten.events(run, AttemptFailed)
    assert not ten.events(run, CreateUnsettled)


def test_creates_that_wait_for_their_rate_occupy_few_threads_and_starve_no_poll(ten: Lab) -> None:
    run = ten.submit(*(ten.spec(1.0) for _ in range(100)))
    begun: list[int] = []
    while len(ten.service.jobs) < 50:
        ten.engine.turn()
        if len(ten.service.jobs) >= 10:
            queued = sum(each.queued for each in ten.engine.rates.counts())
            begun.append(100 - queued - len(ten.service.jobs))
    assert max(begun) <= THREADS_PER_GROUP / 2
    # Half of the creates wait, and the first job has long been polled to its end.
    assert ten.node(run, "n0").state.terminal
    assert ten.finish(run) is RunPhase.SUCCEEDED


def test_one_accounts_herd_does_not_hold_up_another_account(ten: Lab) -> None:
    run = ten.submit(*(ten.spec(1.0) for _ in range(200)))
    ten.turn_until(lambda: len(ten.service.jobs) >= 20)
    spec = ten.spec(1.0)
    other = ten.submit(type(spec)(spec.name, spec.type, spec.version, spec.interface, {"account": "other"}))
    began_s = ten.time.at_s
    assert ten.finish(other) is RunPhase.SUCCEEDED
    assert ten.time.at_s - began_s < 3.0
    assert ten.finish(run) is RunPhase.SUCCEEDED
    assert fullest_second(creates(ten)) <= 10 + TEN.burst


def test_a_service_that_throttles_is_left_alone_as_long_as_it_asked(ten: Lab) -> None:
    throttled_at: list[float] = []

    def fault(verb: str) -> ThrottledError | None:
        if verb != "create" or len(ten.service.jobs) != 20 or throttled_at:
            return None
        throttled_at.append(ten.time.at_s)
        return ThrottledError("429", retry_after_s=5.0)

    ten.service.fault = fault
    run = ten.submit(*(ten.spec(1.0, retry=Retry(1)) for _ in range(60)))
    assert ten.finish(run) is RunPhase.SUCCEEDED
    (at_s,) = throttled_at
    later = [each for each in creates(ten) if each > at_s]
    assert min(later) >= at_s + 5.0 - 1e-6
    # Half the rate afterwards; it begins to rise after another five seconds.
    assert fullest_second(each for each in later if each < at_s + 9.9) <= 6
    assert len(ten.events(run, AttemptStarted)) == 60
    assert not ten.events(run, AttemptFailed)
    # Only what was on its way met the closed gate.
    assert len(ten.events(run, CreateUnsettled)) <= THREADS_PER_GROUP / 2
    cut = ten.engine.rates.moves()[0]
    assert (cut.from_per_s, cut.to_per_s) == (10.0, 5.0)


def test_creates_of_a_run_that_was_lost_do_not_use_up_the_rate(ten: Lab) -> None:
    lost = ten.submit(*(ten.spec(1.0) for _ in range(100)))
    ten.turn_until(lambda: len(ten.service.jobs) >= 10)
    row = ten.journal.claim(lost.id, "rival", ten.time.now() + 1000.0)
    assert row is not None
    ten.turn_until(lambda: lost.future.done())
    begun = len(ten.service.jobs)
    began_s = ten.time.at_s
    run = ten.submit(ten.spec(1.0))
    assert ten.finish(run) is RunPhase.SUCCEEDED
    assert ten.time.at_s - began_s < 3.0
    assert len(ten.service.jobs) == begun + 1
    assert not ten.engine.busy


class HeldClock:
    """Whoever sleeps is held until the test lets go."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self.asleep, self.go = threading.Event(), threading.Event()

    def now(self) -> float:
        return 1_800_000_000.0 + self.at_s

    def monotonic(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.asleep.set()
        assert self.go.wait(PATIENCE_S)


@pytest.mark.parametrize(("after_s", "hangs"), [(6.5, False), (7.5, True)])
def test_waiting_at_the_gate_is_not_taken_for_a_call_that_hangs(after_s: float, hangs: bool) -> None:
    clock, answers, woken = HeldClock(), list[Answer[str]](), threading.Event()
    rates = Rates(lambda: [RateLimit("job:*", 0.2, 0.2, burst=1)], MemoryLedger(), clock)
    gate, desk = CallGate("job", rates, lambda: True), Desk(clock, random.Random(7))
    steps = StepDesk(desk, StepThreads(woken.set, clock), lambda name: 2.0, rates)

    def two_reads() -> str:
        with gate.read():
            pass
        with gate.read():
            return "read"

    steps.submit("job", two_reads, answers.append)
    desk.act()
    assert clock.asleep.wait(PATIENCE_S)  # five seconds until its second slot, and two of its own
    clock.at_s = after_s
    desk.timers.run_due(clock.now())
    assert [answer.error.code for answer in answers if answer.error] == ["CallTimedOut"] * hangs
    clock.go.set()
    assert woken.wait(PATIENCE_S)
    steps.runner.deliver()
    assert [answer.value for answer in answers] == ([None] if hangs else ["read"])
    steps.runner.close()
