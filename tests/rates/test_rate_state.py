"""A rate as its service throttles it: cut, closed, and slowly raised again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rates.test_gcra import ABOUT, most_above

from hardpoint.executor.rates import aimd
from hardpoint.executor.rates.gcra import UNLIMITED, Limit
from hardpoint.executor.rates.rate_state import (
    RETRY_AFTER_MOST_S,
    RateState,
    granted,
    relaxed,
    throttled,
)

TEN = Limit(10.0, burst=5)

steps = st.lists(
    st.tuples(
        st.floats(0.0, 10.0),
        st.sampled_from(["call", "call", "call", "throttle", "relax"]),
        st.integers(1, 30),
        st.none() | st.floats(0.0, 20.0),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_no_window_holds_more_than_is_declared_and_closed_means_closed(
    steps: list[tuple[float, str, int, float | None]],
) -> None:
    now, state, slots = 1000.0, RateState(), [0.0]
    for pause_s, what, n, asked_s in steps:
        now += pause_s
        match what:
            case "call":
                taken, state = granted(state, TEN, now, n, now + 1.0)
                assert all(at >= state.closed_until for at in taken)
                slots += taken
            case "throttle":
                state = throttled(state, TEN, now, now, asked_s)
                assert state.closed_until >= now + (asked_s or 0.0) or not asked_s
            case _:
                state = relaxed(state, TEN, now)
        assert TEN.per_s * aimd.FLOOR <= state.limit(TEN).per_s <= TEN.per_s
    assert most_above(slots[1:], TEN) <= ABOUT


def test_one_round_trip_of_throttled_calls_is_one_cut() -> None:
    state = RateState()
    for called_at in (99.7, 99.8, 99.9):
        state = throttled(state, TEN, 100.0, called_at, None)
    assert state.per_s == 5.0
    # Sent before the cut, answered long after it: it says nothing about the lower rate.
    assert throttled(state, TEN, 103.0, 99.95, None).per_s == 5.0
    assert throttled(state, TEN, 100.5, 100.4, None).per_s == 5.0
    assert throttled(state, TEN, 101.5, 101.4, None).per_s == 2.5


def test_after_a_cut_calls_come_evenly_from_the_end_of_the_wait_on() -> None:
    state = throttled(RateState(), TEN, 100.0, 99.9, 3.0)
    assert granted(state, TEN, 100.5, 3, 102.0)[0] == []
    slots, _ = granted(state, TEN, 100.5, 3, 104.0)
    assert slots == pytest.approx([103.0, 103.2, 103.4])


def test_a_throttled_rate_comes_back_to_the_declared_one_and_not_before_it_is_open() -> None:
    state = throttled(RateState(), TEN, 100.0, 99.9, 30.0)
    assert relaxed(state, TEN, 129.9) == state
    assert relaxed(state, TEN, 134.9) == state
    rates = []
    for now in range(135, 200, 5):
        state = relaxed(state, TEN, float(now))
        rates.append(state.limit(TEN).per_s)
    assert rates[:3] == [5.5, 6.0, 6.5]
    assert rates[-1] == 10.0
    # From now on it follows what is declared, also if that is changed.
    assert state.limit(Limit(20.0, 5)).per_s == 20.0


def test_time_in_which_nothing_was_called_counts_too() -> None:
    state = throttled(RateState(), TEN, 100.0, 99.9, None)
    assert relaxed(state, TEN, 1000.0).limit(TEN).per_s == 10.0


@pytest.mark.parametrize("asked_s", [math.nan, -5.0, 0.0, math.inf, 1e12])
def test_a_senseless_retry_after_freezes_nothing(asked_s: float) -> None:
    state = throttled(RateState(), TEN, 100.0, 99.9, asked_s)
    assert state.closed_until <= 100.0 + RETRY_AFTER_MOST_S
    assert granted(state, TEN, 100.0 + RETRY_AFTER_MOST_S, 1, math.inf)[0] == [100.0 + RETRY_AFTER_MOST_S]


def test_what_nobody_limits_closes_when_it_is_asked_to() -> None:
    state = throttled(RateState(), UNLIMITED, 100.0, 99.9, 3.0)
    assert granted(state, UNLIMITED, 101.0, 1, 102.0)[0] == []
    assert granted(state, UNLIMITED, 103.0, 2, 103.0)[0] == [103.0, 103.0]
    assert relaxed(state, UNLIMITED, 200.0) == state


@pytest.mark.parametrize("limit", [TEN, Limit(0.02, 3), Limit(0.5, 500)])
def test_a_clock_that_was_set_back_freezes_nothing(limit: Limit) -> None:
    later = 100_000.0
    _, called = granted(RateState(), limit, later, 3, later + 1.0)
    for state in (called, throttled(called, limit, later, later, 30.0)):
        slots, _ = granted(state, limit, 100.0, 1, math.inf)
        assert slots[0] < 100.0 + 60.0
