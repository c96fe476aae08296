"""How a rate follows what the service bears: halved when it throttles, then raised step by step.

Source: Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer
networks", 1989 (additive increase, multiplicative decrease converges to a fair share of what there is); at
most one cut a round trip: Jacobson, "Congestion avoidance and control", 1988.
"""

from __future__ import annotations

CUT = 0.5
"""What a throttled rate is multiplied by."""
CUT_EVERY_S = 1.0
FLOOR = 0.05
"""Part of the declared rate that no cut goes below."""
RISE = 0.05
"""Part of the declared rate that comes back at a time."""
RISE_EVERY_S = 5.0


def may_cut(cut_at: float, called_at: float, now: float) -> bool:
    """Whether a throttled call tells something new: it went out after the last cut, and that is a while ago.

    >>> may_cut(cut_at=10.0, called_at=9.9, now=12.0), may_cut(cut_at=10.0, called_at=10.5, now=12.0)
    (False, True)
    """
    return called_at > cut_at and now >= cut_at + CUT_EVERY_S


def cut(per_s: float, declared_per_s: float) -> float:
    """The rate after the service has throttled a call.

    >>> cut(10.0, declared_per_s=10.0), cut(0.6, declared_per_s=10.0)
    (5.0, 0.5)
    """
    return max(per_s * CUT, declared_per_s * FLOOR)


def risen(per_s: float, declared_per_s: float, waited_s: float) -> float:
    """The rate after the service has not throttled for some time.

    Args:
        per_s: Now.
        declared_per_s: What it comes back to.
        waited_s: Since the rate last changed.

    >>> risen(5.0, declared_per_s=10.0, waited_s=4.9), risen(5.0, declared_per_s=10.0, waited_s=11.0)
    (5.0, 6.0)
    """
    return min(declared_per_s, per_s + declared_per_s * RISE * (waited_s // RISE_EVERY_S))
