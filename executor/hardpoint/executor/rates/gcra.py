"""When the next calls may go: the Generic Cell Rate Algorithm.

Its whole state is one number, the theoretical arrival time (TAT): when the next call would come if all came
evenly spaced. A call may come earlier than that, by as much as the burst allows, and moves it on by one
interval.

Source: ITU-T Recommendation I.371, "Traffic control and congestion control in B-ISDN", 2004, annex A
(virtual scheduling algorithm). It grants what a token bucket grants that is filled at the rate and holds
the burst: in any w seconds at most `per_s` × w + `burst` calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limit:
    """Calls that may be made.

    Args:
        per_s: Sustained; `math.inf` for no limit.
        burst: Calls that may come at once after a pause, at least 1.

    Attributes:
        interval_s: Between two calls of a steady stream.
        tolerance_s: How much earlier than its theoretical arrival time a call may come.

    >>> Limit(4.0, burst=3).interval_s, Limit(4.0, burst=3).tolerance_s
    (0.25, 0.5)
    """

    per_s: float
    burst: int
    # Kept, since every call asks for them.
    interval_s: float = field(init=False, repr=False, compare=False)
    tolerance_s: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval_s", 1.0 / self.per_s)
        object.__setattr__(self, "tolerance_s", (self.burst - 1) / self.per_s)


UNLIMITED = Limit(math.inf, 1)


def next_slot(limit: Limit, tat: float, now: float, ahead: int = 0) -> float:
    """When the next call may go, after `ahead` others that go as soon as they may.

    Args:
        limit: The rate.
        tat: Theoretical arrival time.
        now: Not before this.
        ahead: Calls that go first.

    >>> [next_slot(Limit(4.0, burst=2), tat=0.0, now=5.0, ahead=n) for n in (0, 1, 2, 3)]
    [5.0, 5.0, 5.25, 5.5]
    """
    if ahead:
        tat = max(tat, now) + ahead * limit.interval_s
    return max(now, tat - limit.tolerance_s)


def reserve(
    limit: Limit, tat: float, now: float, n: int = 1, until: float = math.inf
) -> tuple[list[float], float]:
    """Reserve the slots of the next calls.

    Args:
        limit: The rate.
        tat: Theoretical arrival time.
        now: The first slot is not before this.
        n: How many slots are wanted.
        until: No slot is after this.

    Returns:
        When up to `n` calls may go, in order, and the new theoretical arrival time.

    >>> reserve(Limit(4.0, burst=2), tat=0.0, now=5.0, n=4)
    ([5.0, 5.0, 5.25, 5.5], 6.0)
    >>> reserve(Limit(4.0, burst=2), tat=6.0, now=5.0, n=4, until=5.0)
    ([], 6.0)
    """
    interval_s, tolerance_s = limit.interval_s, limit.tolerance_s
    slots = []
    for _ in range(n):
        at = max(now, tat - tolerance_s)
        if at > until:
            break
        slots.append(at)
        tat = max(tat, at) + interval_s
    return slots, tat


def at_other_rate(tat: float, base: float, before: Limit, after: Limit) -> float:
    """The theoretical arrival time when the rate changes: as many calls are owed, at the new interval.

    Without it a rate that is cut would grant a part of the burst anew, since the tolerance grows with the
    interval.

    Args:
        tat: Theoretical arrival time at the rate before.
        base: From when calls may be made.
        before: The rate.
        after: The rate from now on.

    >>> at_other_rate(tat=11.0, base=10.0, before=Limit(10.0, 5), after=Limit(5.0, 5))
    12.0
    """
    if tat <= base or math.isinf(before.per_s):
        return tat
    return base + (tat - base) * before.per_s / after.per_s


def emptied(limit: Limit, tat: float, base: float) -> float:
    """The theoretical arrival time that leaves nothing of the burst: from `base` on, one call an interval.

    >>> tat = emptied(Limit(10.0, burst=5), tat=0.0, base=20.0)
    >>> [round(slot, 3) for slot in reserve(Limit(10.0, burst=5), tat, now=19.0, n=3)[0]]
    [20.0, 20.1, 20.2]
    """
    return max(tat, base + limit.tolerance_s)
