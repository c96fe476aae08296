"""Real threads at one rate: in virtual time, with sleepers that wake late, and over a shared ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.rates.conftest import EPOCH_S, SleepersClock
from tests.rates.test_gcra import ABOUT, most_above

from hardpoint.executor.rates.caller import Caller, RateReachedError
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.ledger import CallKind, RateLedger
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.rates import Rates
from hardpoint.executor.rates.turnstile import KEPT_S, WAIT_MOST_S, Turnstile
from hardpoint.plugin_api import RateLimit

NEVER_S = 1e9


def turnstile(clock: SleepersClock, per_s: float, burst: int, ledger: RateLedger | None = None) -> Turnstile:
    declared = [RateLimit("job:*", per_s, per_s, burst)]
    return Rates(lambda: declared, ledger or MemoryLedger(), clock).turnstile("job", "a", CallKind.WRITE)


def calls(clock: SleepersClock, gate: Turnstile, times: list[float], count: int) -> Callable[[], None]:
    """A thread's body: so many calls, one after the other; what is refused is tried again when it may go."""

    def body() -> None:
        while len(mine) < count:
            try:
                gate.enter(Caller())
            except RateReachedError as refusal:
                assert refusal.retry_after_s is not None
                clock.sleep(refusal.retry_after_s)
                continue
            mine.append(clock.monotonic())
            times.append(clock.monotonic())

    mine: list[float] = []
    return body


@pytest.mark.parametrize("per_s", [0.2, 3.0, 10.0, 1000.0])
@pytest.mark.parametrize("late_s", [0.0, 0.4])
def test_threads_keep_to_the_rate_even_if_they_wake_late(per_s: float, late_s: float) -> None:
    clock, times = SleepersClock(late_s), list[float]()
    gate = turnstile(clock, per_s, 5)
    clock.run(*(calls(clock, gate, times, 20) for _ in range(8)))
    assert len(times) == 160
    assert most_above(sorted(times), Limit(per_s, 5)) <= ABOUT
    if not late_s:
        assert times[-1] - times[0] == pytest.approx(155 / per_s, rel=0.01)


def test_calls_far_below_the_rate_do_not_wait() -> None:
    clock, times = SleepersClock(), list[float]()
    gate = turnstile(clock, 1000.0, 100)
    clock.run(calls(clock, gate, times, 100))
    assert set(times) == {clock.monotonic()}
    assert (gate.counts().calls, gate.counts().waits) == (100, 0)


def test_a_slot_that_is_too_late_is_refused_and_not_used_up() -> None:
    clock = SleepersClock()
    gate = turnstile(clock, 10.0, 1)
    gate.enter(Caller())
    gate.throttled(clock.now(), 5.0)
    for _ in range(100):
        with pytest.raises(RateReachedError) as refused:
            gate.enter(Caller())
    assert refused.value.retry_after_s == pytest.approx(5.0, abs=1e-6)
    assert refused.value.info().message == "Account `job:a` takes its next write in 5 s"
    clock.at_s += 5.001
    caller = Caller()
    gate.enter(caller)
    assert caller.waited_s <= 1e-5
    assert (gate.counts().calls, gate.counts().refused) == (2, 100)


def test_who_waits_when_the_service_closes_does_not_go() -> None:
    clock, times = SleepersClock(), list[float]()
    gate = turnstile(clock, 2.0, 1)
    outcomes: list[str] = []

    def wait() -> None:
        try:
            gate.enter(Caller())
        except RateReachedError:
            outcomes.append("refused")

    def close() -> None:
        clock.sleep(0.25)
        gate.throttled(clock.now(), 60.0)

    gate.enter(Caller())
    clock.run(wait, close)
    assert outcomes == ["refused"]
    assert times == []


def test_waits_are_bounded_but_at_a_slow_rate_two_may_wait() -> None:
    clock, times = SleepersClock(), list[float]()
    gate = turnstile(clock, 0.1, 1)
    callers = [Caller() for _ in range(4)]
    refused = []

    def enter(caller: Caller) -> None:
        try:
            gate.enter(caller)
            times.append(clock.monotonic())
        except RateReachedError:
            refused.append(caller)

    clock.run(*(lambda caller=caller: enter(caller) for caller in callers))
    assert times == pytest.approx([1000.0, 1010.0, 1020.0])
    assert len(refused) == 1
    assert WAIT_MOST_S < max(caller.waited_s for caller in callers) <= 20.0 + ABOUT


def test_processes_that_share_a_ledger_share_the_rate() -> None:
    clock, times = SleepersClock(), list[float]()
    ledger = MemoryLedger(block_s=0.05)
    gates = [turnstile(clock, 200.0, 10, ledger) for _ in range(4)]
    clock.run(*(calls(clock, gate, times, 100) for gate in gates for _ in range(3)))
    assert len(times) == 1200
    # A slot of a block is good for a moment: a call may come that much after it.
    assert most_above(sorted(times), Limit(200.0, 10)) <= 200.0 * KEPT_S + ABOUT
    assert times[-1] - times[0] <= 1.1 * 1190 / 200.0


class CountingLedger(MemoryLedger):
    def __init__(self, block_s: float) -> None:
        super().__init__(block_s)
        self.asked: list[int] = []

    def reserve(self, key, limit, now, n, until):  # type: ignore[no-untyped-def]
        self.asked.append(n)
        return super().reserve(key, limit, now, n, until)


def test_a_busy_process_reserves_many_slots_at_once_and_an_idle_one_few() -> None:
    clock, times = SleepersClock(), list[float]()
    ledger = CountingLedger(block_s=0.05)
    gate = turnstile(clock, 1000.0, 10, ledger)
    clock.run(*(calls(clock, gate, times, 1000) for _ in range(4)))
    assert max(ledger.asked) == 50
    assert len(ledger.asked) <= 150
    ledger.asked.clear()
    for _ in range(20):
        clock.at_s += 1.0
        gate.enter(Caller())
    assert ledger.asked[-5:] == [1] * 5


def test_a_step_is_due_when_its_slot_is_behind_those_of_others_that_begin() -> None:
    clock = SleepersClock()
    gate = turnstile(clock, 10.0, 2)
    assert gate.due_in_s() == 0.0
    places = [gate.place() for _ in range(4)]
    assert gate.due_in_s() == pytest.approx(0.3)
    places[0].over()
    places[0].over()
    assert gate.due_in_s() == pytest.approx(0.2)
    gate.enter(Caller("", places[1]))
    # The call takes the place's slot: nothing changes for who comes behind.
    assert gate.due_in_s() == pytest.approx(0.2)
    gate.throttled(clock.now(), 30.0)
    assert gate.due_in_s() == pytest.approx(30.0 + 2 * 0.2, abs=1e-6)


def test_the_time_of_a_call_is_the_wall_clocks() -> None:
    clock = SleepersClock()
    assert turnstile(clock, 10.0, 1).enter(Caller()) == EPOCH_S + 1000.0
