"""Who goes first: orders that stay true while time passes, so that a heap may keep them."""

from __future__ import annotations

from typing import TypeAlias

ShareKey: TypeAlias = tuple[float, float, float, float, str]
"""Deficit, units per weight, slot time per weight, when it began to wait, name. Smaller goes first."""

LotKey: TypeAlias = tuple[int, float, str, str, float, int]
"""Priority turned round, age, executor, execution, when its next holder asked, order of making."""

US_PER_S = 1_000_000


def microseconds(seconds: float) -> int:
    """A time as an integer, so that sums of slot time are exact and equal in every process.

    >>> microseconds(1.5)
    1500000
    """
    return round(seconds * US_PER_S)


def share_key(
    held: int, *, guarantee: int, weight: float, offset_us: int, waits_from: float, name: str
) -> ShareKey:
    """Order siblings: the smallest gets the next free slot.

    First who is furthest under its guarantee, then who holds the least per weight, then who has used the
    fewest slot-seconds per weight, then who waited longest.

    Slot time grows while it is held, yet the order does not depend on the time: two siblings whose slot
    time is compared at all hold equally much per weight, so theirs grows equally fast, and it is enough
    to compare what it was at time 0, going back along today's slope.

    Args:
        held: Units held now.
        guarantee: Units promised; 0 for none.
        weight: > 0.
        offset_us: Slot time used, minus `held` times the time, in unit-microseconds.
        waits_from: When it began to wait, in seconds.
        name: Breaks what is still equal.

    Source: weighted max-min by occupancy; the slot-second rule is start-time fair queueing, Goyal, Vin,
    Cheng, SIGCOMM 1996.

    >>> idle = share_key(0, guarantee=0, weight=1.0, offset_us=0, waits_from=9.0, name="a")
    >>> busy = share_key(4, guarantee=0, weight=2.0, offset_us=0, waits_from=0.0, name="b")
    >>> promised = share_key(4, guarantee=8, weight=1.0, offset_us=0, waits_from=0.0, name="c")
    >>> sorted([busy, idle, promised]) == [promised, idle, busy]
    True
    """
    deficit = held / guarantee if held < guarantee else 1.0
    return (deficit, held / weight, offset_us / weight, waits_from, name)
