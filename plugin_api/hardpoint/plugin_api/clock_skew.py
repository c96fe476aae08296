"""How far a service's clock is from ours, as a finding for `diagnose`."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from hardpoint.plugin_api.context import Clock
from hardpoint.plugin_api.extend import Finding, Severity

SKEW_MAX_S = 2.0
"""Clocks further apart than this are warned of: leases, rates and expiries are told by them."""


def skew_finding(whose: str, skew_s: float, *, uncertain_s: float = 0.0) -> Finding:
    """What a difference between two clocks means.

    Args:
        whose: The other clock, such as `the clock of the service`.
        skew_s: What it is ahead of ours.
        uncertain_s: How wrong `skew_s` may be.

    >>> skew_finding("the clock of the service", -12.0).message
    'the clock of the service is 12.0 s behind ours'
    """
    if abs(skew_s) - uncertain_s <= SKEW_MAX_S:
        return Finding(Severity.OK, "clock", f"{whose} agrees with ours")
    side = "ahead of" if skew_s > 0 else "behind"
    return Finding(
        Severity.WARNING,
        "clock",
        f"{whose} is {abs(skew_s):.1f} s {side} ours",
        "Let both machines follow the same time servers; `timedatectl` shows whether this one does",
    )


def clock_finding(date: str, clock: Clock) -> Finding:
    """What the `Date` of an HTTP answer says about the service's clock.

    Args:
        date: The header, as it came.
        clock: Ours, read as soon as the answer is there.

    >>> from hardpoint.plugin_api.testing.fakes import FakeClock
    >>> clock_finding("Tue, 14 Nov 2023 22:14:20 GMT", FakeClock(1_700_000_000.0)).message
    'the clock of the service is 60.5 s ahead of ours'
    """
    now = clock.now()
    try:
        there = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return Finding(Severity.OK, "clock", "the service does not tell its time")
    # Whole seconds, cut off.
    return skew_finding("the clock of the service", there + 0.5 - now, uncertain_s=0.5)
