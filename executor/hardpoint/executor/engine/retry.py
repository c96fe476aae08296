"""When, and whether, a failed attempt is followed by another."""

from __future__ import annotations

from typing import assert_never

from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.journal.events import Budget
from hardpoint.plugin_api import ErrorInfo, ErrorKind, Retry, TaskSpec

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
    """Who pays for an attempt that ended with this error: for a service that asked to wait, nobody.

    >>> budget_of(ErrorInfo("ValueError", "no"))
    <Budget.USER: 'user'>
    >>> budget_of(ErrorInfo("ThrottledError", "slow down", ErrorKind.THROTTLED))
    <Budget.NOBODY: 'nobody'>
    """
    match error.kind:
        case ErrorKind.USER:
            return Budget.USER
        case ErrorKind.THROTTLED:
            return Budget.NOBODY
        case _:
            return Budget.SYSTEM


def may_be_interrupted(spec: TaskSpec, system_failures: int) -> bool:
    """Whether the next attempt may run on capacity that is taken away: not the last one that losses leave.

    >>> from hardpoint.plugin_api import Interface
    >>> spec = TaskSpec("flow.py:train", "batch", "v1", Interface(), interruptible=True)
    >>> [may_be_interrupted(spec, losses) for losses in (0, SYSTEM_ATTEMPTS - 2, SYSTEM_ATTEMPTS - 1)]
    [True, True, False]
    """
    return spec.interruptible and system_failures < SYSTEM_ATTEMPTS - 1


def next_attempt_in_s(
    error: ErrorInfo,
    retry: Retry,
    *,
    user_failures: int,
    system_failures: int,
    jitter: float,
    attempt: int = 1,
    left_s: float | None = None,
) -> float | None:
    """Return how long to wait before the next attempt; None if there is to be none.

    Args:
        error: Why the attempt failed.
        retry: The author's budget.
        user_failures: The author's errors so far, this one not counted.
        system_failures: Transient losses so far, this one not counted.
        jitter: Uniform sample in [0, 1).
        attempt: Which attempt failed; what a service throttles is tried ever more slowly, without end.
        left_s: Time until the deadline: an attempt that would start later does not start. None: no deadline.

    >>> next_attempt_in_s(ErrorInfo("E", ""), Retry(2), user_failures=0, system_failures=0, jitter=0.5)
    0.5
    >>> next_attempt_in_s(ErrorInfo("E", ""), Retry(2), user_failures=1, system_failures=0, jitter=0.5)
    >>> next_attempt_in_s(
    ...     ErrorInfo("E", ""), Retry(2), user_failures=0, system_failures=0, jitter=0.5, left_s=0.4
    ... )
    """
    wait_s = _wait_s(error, retry, user_failures, system_failures, jitter, attempt)
    return None if wait_s is None or (left_s is not None and wait_s > left_s) else wait_s


def _wait_s(
    error: ErrorInfo, retry: Retry, user_failures: int, system_failures: int, jitter: float, attempt: int
) -> float | None:
    match error.kind:
        case ErrorKind.TRANSIENT | ErrorKind.THROTTLED:
            throttled = error.kind is ErrorKind.THROTTLED
            if not throttled and system_failures + 1 >= SYSTEM_ATTEMPTS:
                return None
            tries = max(attempt, 1) if throttled else system_failures + 1
            drawn = retry_delay_s(tries, base_s=SYSTEM_BASE_S, cap_s=SYSTEM_CAP_S, jitter=jitter)
            return max(drawn, error.retry_after_s or 0.0)
        case ErrorKind.USER:
            spent = user_failures + 1 >= retry.attempts
            if spent or (retry.on and not set(retry.on) & {error.code, *error.bases}):
                return None
            return retry_delay_s(
                user_failures + 1, base_s=retry.delay_s, cap_s=retry.max_delay_s, jitter=jitter
            )
        case ErrorKind.SYSTEM | ErrorKind.CONTRACT:
            return None
        case _:
            assert_never(error.kind)


def seconds_left(node: NodeRun, spec: TaskSpec, now: float) -> float | None:
    """Until the node's deadline; None if it has none.

    >>> from hardpoint.plugin_api import Interface
    >>> node = NodeRun("a", 0)
    >>> node.possible_at = 100.0
    >>> seconds_left(node, TaskSpec("flow.py:a", "batch", "v1", Interface(), deadline_s=30.0), 110.0)
    20.0
    """
    if spec.deadline_s is None or node.possible_at is None:
        return None
    return node.possible_at + spec.deadline_s - now
