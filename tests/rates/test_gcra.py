"""Slots of the Generic Cell Rate Algorithm: never too many, never later than need be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor.rates.gcra import UNLIMITED, Limit, at_other_rate, next_slot, reserve

ABOUT = 1e-6
limits = st.builds(Limit, st.floats(0.1, 1000.0), st.integers(1, 50))
demands = st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(1, 20)), max_size=40)


def most_above(slots: Sequence[float], limit: Limit) -> float:
    """By how many calls the fullest window exceeds what the rate allows in it; 0 or less if none does."""
    # The fullest windows begin and end at a call; of their begins, the one of least `number - rate * at`.
    worst, least = -math.inf, math.inf
    for number, at in enumerate(slots):
        least = min(least, number - limit.per_s * at)
        worst = max(worst, number + 1 - limit.per_s * at - least - limit.burst)
    return worst


@given(limits, demands)
def test_no_window_holds_more_than_its_rate_and_one_burst(
    limit: Limit, demands: list[tuple[float, int]]
) -> None:
    now, tat, slots = 0.0, 0.0, []
    for pause_s, n in demands:
        now += pause_s
        taken, tat = reserve(limit, tat, now, n)
        slots += taken
    assert slots == sorted(slots)
    assert most_above(slots, limit) <= ABOUT


@given(limits, demands)
def test_a_call_waits_only_if_it_would_be_one_too_many_before(
    limit: Limit, demands: list[tuple[float, int]]
) -> None:
    now, tat = 0.0, 0.0
    slots: list[float] = []
    for pause_s, n in demands:
        now += pause_s
        taken, tat = reserve(limit, tat, now, n)
        for at in taken:
            assert at >= now
            if at > now:
                assert abs(most_above([*slots, at], limit)) <= ABOUT * limit.per_s + ABOUT
            slots.append(at)


@given(limits, st.integers(0, 60), st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_the_next_slot_behind_others_is_the_one_that_is_reserved(
    limit: Limit, ahead: int, tat: float, now: float
) -> None:
    slots, _ = reserve(limit, tat, now, ahead + 1)
    assert math.isclose(slots[-1], next_slot(limit, tat, now, ahead), rel_tol=1e-9, abs_tol=ABOUT)


@given(limits, st.floats(0.0, 10.0), st.integers(1, 30), st.floats(0.0, 5.0))
def test_what_is_too_late_is_not_reserved(limit: Limit, now: float, n: int, within_s: float) -> None:
    slots, tat = reserve(limit, 0.0, now, n, now + within_s)
    assert all(at <= now + within_s for at in slots)
    assert len(slots) <= n
    if len(slots) < n:
        assert next_slot(limit, tat, now) > now + within_s
    assert reserve(limit, tat, now, n, -math.inf) == ([], tat)


@given(limits, st.integers(1, 200), st.floats(0.05, 0.95))
def test_a_rate_that_is_cut_grants_nothing_of_the_burst_anew(limit: Limit, calls: int, part: float) -> None:
    lower = Limit(limit.per_s * part, limit.burst)
    _, tat = reserve(limit, 0.0, 100.0, calls)
    at_once = len(reserve(limit, tat, 100.0, 1000, 100.0)[0])
    changed = at_other_rate(tat, 100.0, limit, lower)
    assert len(reserve(lower, changed, 100.0, 1000, 100.0)[0]) <= at_once + 1
    assert next_slot(lower, changed, 100.0) >= next_slot(limit, tat, 100.0) - ABOUT


def test_without_a_limit_everything_goes_at_once() -> None:
    slots, tat = reserve(UNLIMITED, 0.0, 5.0, 1000)
    assert slots == [5.0] * 1000
    assert next_slot(UNLIMITED, tat, 5.0, ahead=1000) == 5.0
