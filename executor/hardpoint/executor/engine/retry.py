"""When, and whether, a failed attempt is followed by another."""

from __future__ import annotations

from hardpoint.executor.journal.events import Budget
from hardpoint.plugin_api import ErrorInfo, ErrorKind, Retry

SYSTEM_ATTEMPTS = 5
"""Losses of one node that the platform makes good before it gives up."""
SYSTEM_BASE_S = 1.0
SYSTEM_CAP_S = 60.0


def retry_delay_s(attempt: int, *, base_s: float, cap_s: float, jitter: float) -> float:
    """Return the wait before attempt `attempt + 1`, in seconds.

    The draw is the caller's: the uniform sample is passed in, so a run can be replayed.

    Args:
        attempt: Attempts already made, from 1.
        base_s: Upper bound of the first wait. Seconds, ≥ 0.
        cap_s: Upper bound of every wait. Seconds, ≥ 0.
        jitter: Uniform sample in [0, 1).

    Returns:
        Seconds, in [0, `cap_s`).

    Raises:
        ValueError: If `attempt` < 1.

    Source: Brooker, "Exponential Backoff and Jitter", AWS, 2015 (full jitter).

    >>> [retry_delay_s(n, base_s=1, cap_s=300, jitter=0.5) for n in (1, 2, 3, 20, 5000)]
    [0.5, 1.0, 2.0, 150.0, 150.0]
    """
    if attempt < 1:
        raise ValueError(f"`attempt` counts from 1, not {attempt}")
    return min(cap_s, base_s * 2.0 ** min(attempt - 1, 60)) * jitter


def budget_of(error: ErrorInfo) -> Budget:
    """Who pays for an attempt that ended with this error.

    >>> budget_of(ErrorInfo("ValueError", "no"))
    <Budget.USER: 'user'>
    """
    return Budget.USER if error.kind is ErrorKind.USER else Budget.SYSTEM


def next_attempt_in_s(
    error: ErrorInfo, retry: Retry, *, user_failures: int, system_failures: int, jitter: float
) -> float | None:
    """Return how long to wait before the next attempt; None if there is to be none.

    Args:
        error: Why the attempt failed.
        retry: The author's budget.
        user_failures: The author's errors so far, this one not counted.
        system_failures: Throttled and transient losses so far, this one not counted.
        jitter: Uniform sample in [0, 1).

    >>> next_attempt_in_s(ErrorInfo("E", ""), Retry(2), user_failures=0, system_failures=0, jitter=0.5)
    0.5
    >>> next_attempt_in_s(ErrorInfo("E", ""), Retry(2), user_failures=1, system_failures=0, jitter=0.5)
    """
    if error.kind in (ErrorKind.TRANSIENT, ErrorKind.THROTTLED):
        if error.kind is ErrorKind.TRANSIENT and system_failures + 1 >= SYSTEM_ATTEMPTS:
            return None
        drawn = retry_delay_s(system_failures + 1, base_s=SYSTEM_BASE_S, cap_s=SYSTEM_CAP_S, jitter=jitter)
        return max(drawn, error.retry_after_s or 0.0)
    if error.kind is not ErrorKind.USER or user_failures + 1 >= retry.attempts:
        return None
    if retry.on and not set(retry.on) & {error.code, *error.bases}:
        return None
    return retry_delay_s(user_failures + 1, base_s=retry.delay_s, cap_s=retry.max_delay_s, jitter=jitter)
