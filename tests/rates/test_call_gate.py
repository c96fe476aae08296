"""The gate that a plugin's calls pass: whose rate they use, what they wait for, what it learns of them."""

from __future__ import annotations

import logging

import pytest
from tests.rates.conftest import EPOCH_S, SleepersClock

from hardpoint.executor.engine.job_context import CallGate, CallGivenUpError, LeaseUncertainError
from hardpoint.executor.engine.steps import Step, _running
from hardpoint.executor.rates.caller import Caller, RateReachedError
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.rates import RateMove, Rates, declared_limit
from hardpoint.plugin_api import ErrorKind, HardpointError, RateLimit, ThrottledError


class Door:
    """A gate, its rates, and a clock that the test holds."""

    def __init__(self, *declared: RateLimit) -> None:
        self.clock = SleepersClock()
        self.owned = True
        self.rates = Rates(lambda: declared, MemoryLedger(), self.clock)
        self.gate = CallGate("job", self.rates, lambda: self.owned)

    def refused(self, account: str, kind: CallKind) -> bool:
        """Whether a call would be refused now."""

        def call() -> None:
            with self.gate.read() if kind is CallKind.READ else self.gate.write():
                pass

        try:
            Caller(account).run(call)
        except RateReachedError:
            return True
        return False


def test_each_account_has_reads_and_writes_of_its_own() -> None:
    door = Door(RateLimit("job:*", 0.5, 0.5, burst=1), RateLimit("job:big*", 50.0, 50.0, burst=40))
    with door.gate.write():
        pass
    for account in ("a", "b", "big"):
        door.rates.turnstile("job", account, CallKind.WRITE).throttled(door.clock.now(), 9.0)
        assert door.refused(account, CallKind.WRITE)
        assert not door.refused(account, CallKind.READ)
    assert not door.refused("c", CallKind.WRITE)
    declared = {(each.account, each.kind): each.declared_per_s for each in door.rates.counts()}
    assert declared["job:a", "write"] == 0.5
    assert declared["job:big", "read"] == 50.0
    # A call of no step, or of a step whose account is not known.
    assert declared["job:", "write"] == 0.5


def test_the_most_exact_declaration_wins() -> None:
    declared = [RateLimit("job:*", 1, 2), RateLimit("job:a*", 3, 4), RateLimit("job:ab", 5, 6)]
    found = [declared_limit(declared, name, CallKind.WRITE) for name in ("job:x", "job:abc", "job:ab")]
    assert [limit and limit.per_s for limit in found] == [2.0, 4.0, 6.0]
    assert declared_limit(declared, "other:ab", CallKind.READ) is None


def test_what_is_not_declared_is_not_limited() -> None:
    door = Door(RateLimit("other:*", 1, 1, 1))
    assert not any(door.refused("a", CallKind.READ) for _ in range(1000))
    (counts,) = door.rates.counts()
    assert (counts.calls, counts.waits, counts.declared_per_s) == (1000, 0, float("inf"))


def test_what_is_not_declared_asks_no_shared_ledger() -> None:
    ledger = MemoryLedger(block_s=0.05)
    rates = Rates(list, ledger, SleepersClock())
    turnstile = rates.turnstile("job", "a", CallKind.READ)
    for _ in range(100):
        turnstile.enter(Caller())
    assert ledger.reserve(turnstile.key, Limit(1.0, 1), EPOCH_S, 1, EPOCH_S).slots == [EPOCH_S]


def test_a_write_asks_after_its_wait_whether_it_still_may() -> None:
    door = Door(RateLimit("job:*", 2.0, 2.0, burst=1))

    def write() -> None:
        with door.gate.write():
            raise AssertionError("the gate let it through")

    def lose() -> None:
        door.clock.sleep(0.2)
        door.owned = False

    with door.gate.write():
        pass
    with pytest.raises(LeaseUncertainError):
        door.clock.run(write, lose)
    assert door.clock.at_s >= 1000.5


def test_a_write_that_nobody_wants_uses_up_no_slot() -> None:
    door = Door(RateLimit("job:*", 2.0, 2.0, burst=1))
    step = Step("job", lambda: None, lambda answer: None, None)
    step.wanted = lambda: False
    _running.step = step
    try:
        with pytest.raises(CallGivenUpError), door.gate.write():
            raise AssertionError("the gate let it through")
    finally:
        _running.step = None
    assert [each.calls for each in door.rates.counts()] == [0]


class SlowDown(HardpointError):
    """An error of a plugin's own."""

    kind = ErrorKind.THROTTLED


def test_what_the_service_throttles_inside_the_gate_lowers_the_rate() -> None:
    door = Door(RateLimit("job:*", 10.0, 10.0, burst=1))
    door.clock.at_s += 1.0
    with pytest.raises(ThrottledError), door.gate.read():
        raise ThrottledError("429", retry_after_s=7.0)
    (counts,) = door.rates.counts()
    assert (counts.throttled, counts.per_s) == (1, 5.0)
    assert counts.closed_until == pytest.approx(EPOCH_S + 1008.0)
    with pytest.raises(RateReachedError) as refused, door.gate.read():
        pass
    assert refused.value.info().kind is ErrorKind.THROTTLED
    assert refused.value.hint == "Its service asked to wait that long"


@pytest.mark.parametrize("error", [ThrottledError("429", retry_after_s=7.0), SlowDown("busy")])
def test_a_plugin_may_class_the_error_after_the_gate(error: HardpointError) -> None:
    door = Door(RateLimit("job:*", 10.0, 10.0, burst=1))

    def verb() -> None:
        try:
            with door.gate.read():
                raise ConnectionError("429")
        except ConnectionError:
            raise error from None

    with pytest.raises(type(error)):
        Caller("a").run(verb)
    assert [(each.throttled, each.per_s) for each in door.rates.counts()] == [(1, 5.0)]


def test_one_error_is_told_once_and_other_errors_are_not() -> None:
    door = Door(RateLimit("job:*", 10.0, 10.0, burst=3))

    def throttled() -> None:
        with door.gate.read():
            raise SlowDown("busy")

    def broken() -> None:
        with door.gate.read():
            raise ValueError("no")

    def refused_later() -> None:
        with door.gate.read():
            pass
        raise RateReachedError("not yet", retry_after_s=1.0)

    for verb, error in ((throttled, SlowDown), (broken, ValueError), (refused_later, RateReachedError)):
        with pytest.raises(error):
            Caller("a").run(verb)
        door.clock.at_s += 1.0
    assert [each.throttled for each in door.rates.counts()] == [1]


def test_moves_are_kept_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hardpoint.rates")
    door = Door(RateLimit("job:*", 10.0, 10.0, burst=1))
    turnstile = door.rates.turnstile("job", "a", CallKind.WRITE)
    turnstile.throttled(door.clock.now(), None)
    door.clock.at_s += 2.0
    turnstile.throttled(door.clock.now(), 4.0)
    door.clock.at_s += 14.1
    assert not door.refused("a", CallKind.WRITE)
    at = EPOCH_S + 1000.0
    assert door.rates.moves() == (
        RateMove(at, "job:a", "write", 10.0, 5.0, "the service throttled a call"),
        RateMove(at + 2.0, "job:a", "write", 5.0, 2.5, "the service asked to wait 4 s"),
        RateMove(at + 16.1, "job:a", "write", 2.5, 3.5, "the service has not throttled for a while"),
    )
    assert caplog.messages == [
        "job:a write: 10 -> 5 calls/s: the service throttled a call",
        "job:a write: 5 -> 2.5 calls/s: the service asked to wait 4 s",
        "job:a write: 2.5 -> 3.5 calls/s: the service has not throttled for a while",
    ]
