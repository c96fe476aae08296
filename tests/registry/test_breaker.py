"""When a breaker lets a call through, for every history of calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api.hookspecs import COOLING_S, FAILURES_MAX
from hardpoint.registry.breaker import Breaker, Mode

TIMES = st.floats(0, 1e9)
STEPS = st.lists(st.tuples(st.booleans(), st.floats(0, 2 * COOLING_S)), max_size=30)
"""Whether a call would go well, and how many seconds pass before it."""


class Caller:
    """Asks a breaker before each call, as a host does, and notes which calls it made."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.now = 0.0
        self.made: list[tuple[float, bool]] = []

    def step(self, goes_well: bool, after_s: float) -> Mode:
        self.now += after_s
        mode = self.breaker.mode(self.now)
        if mode is Mode.HALF_OPEN:
            self.breaker = self.breaker.tried(self.now)
        if mode is not Mode.OPEN:
            self.made.append((self.now, goes_well))
            self.breaker = self.breaker.succeeded() if goes_well else self.breaker.failed(self.now)
        return mode

    @property
    def last_failures(self) -> int:
        count = 0
        for _, went_well in reversed(self.made):
            if went_well:
                break
            count += 1
        return count


@given(STEPS)
def test_a_call_is_left_out_exactly_while_it_cools_after_enough_failures_in_a_row(
    steps: list[tuple[bool, float]],
) -> None:
    caller = Caller()
    for goes_well, after_s in steps:
        failures, made = caller.last_failures, list(caller.made)
        mode = caller.step(goes_well, after_s)
        if failures < FAILURES_MAX:
            assert mode is Mode.CLOSED
        else:
            cool_at = made[-1][0] + COOLING_S
            assert mode is (Mode.OPEN if cool_at - caller.now > 0 else Mode.HALF_OPEN)


@given(STEPS, TIMES)
def test_one_success_forgets_every_failure(steps: list[tuple[bool, float]], now: float) -> None:
    caller = Caller()
    for step in steps:
        caller.step(*step)
    assert caller.breaker.succeeded().mode(now) is Mode.CLOSED


@given(TIMES, st.floats(0, COOLING_S, exclude_max=True))
def test_while_a_trial_is_under_way_nobody_else_is_let_through(now: float, later_s: float) -> None:
    breaker = Breaker(FAILURES_MAX, held_at=now - COOLING_S - 1)
    assert breaker.mode(now) is Mode.HALF_OPEN
    tried = breaker.tried(now)
    assert tried.mode(now + later_s) is (Mode.OPEN if now + later_s < now + COOLING_S else Mode.HALF_OPEN)
    assert tried.mode(now + COOLING_S) is Mode.HALF_OPEN


@given(TIMES, st.floats(1e-3, 1e9))
def test_a_clock_that_is_set_back_keeps_nobody_out(now: float, back_s: float) -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        breaker = breaker.failed(now)
    if now - back_s < now:
        assert breaker.mode(now - back_s) is Mode.HALF_OPEN


@given(TIMES, st.integers(0, 10), TIMES)
def test_the_time_left_is_that_until_the_trial(held_at: float, failures: int, now: float) -> None:
    breaker = Breaker(failures, held_at)
    left_s = breaker.left_s(now)
    assert 0.0 <= left_s <= COOLING_S
    assert (left_s > 0.0) is (breaker.mode(now) is Mode.OPEN)
