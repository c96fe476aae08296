"""Whether an attempt that failed is followed by another, decided again for replays."""

from __future__ import annotations

from collections.abc import Iterator

from hardpoint.executor.engine.job_attempts import AGAIN_CAP_S, may_pass
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.retry import budget_of, next_attempt_in_s, seconds_left
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import AttemptFailed, Budget, CancelCause
from hardpoint.plugin_api import Wire

CLOSE_S = 0.000_01
"""What a sum of a time and a delay may lose to rounding."""

LIMITS = frozenset({"QueueTimeoutExpired", "DeadlineExpired"})
Window = tuple[float, float]
"""Earliest and latest wait before the next attempt, seconds."""


def check_failed(run: Run, node: NodeRun, event: AttemptFailed) -> Iterator[tuple[str, Wire, Wire]]:
    """Where who pays, or whether and when another attempt follows, differs."""
    budget, window = _decided(run, node, event)
    if event.budget is not budget:
        yield "budget", event.budget.value, budget.value
    wait_s = None if event.retry_at is None else event.retry_at - event.at
    if not _within(wait_s, window):
        yield "next attempt", _told(wait_s), _told_window(window)


def _decided(run: Run, node: NodeRun, event: AttemptFailed) -> tuple[Budget, Window | None]:
    error, moves = event.error, node.state.in_flight
    job = run.state.find(node.token) or node  # of an item in a chunk, the chunk
    if error.code in LIMITS and (not moves or job.cancel is CancelCause.DEADLINE):
        return Budget.USER, None
    if moves and event.budget is Budget.NOBODY and error.code == "EngineDied":
        return Budget.NOBODY, (0.0, 0.0)
    if moves and node.cancel is CancelCause.PREEMPTED and error.code == "Preempted":
        return Budget.NOBODY, (0.0, 0.0)
    if not moves and may_pass(error):
        # Nothing had begun: the claims could not be asked for.
        asked_s = error.retry_after_s or 0.0
        return Budget.NOBODY, (asked_s, max(asked_s, AGAIN_CAP_S))
    return budget_of(error), _window(run, node, event)


def _window(run: Run, node: NodeRun, event: AttemptFailed) -> Window | None:
    """The waits that the draw leaves open, from its least to its greatest."""
    spec = run.spec(node.id)

    def wait_s(jitter: float) -> float | None:
        return next_attempt_in_s(
            event.error,
            spec.retry,
            user_failures=node.user_failures,
            system_failures=node.system_failures,
            jitter=jitter,
            attempt=node.attempt,
        )

    least, most = wait_s(0.0), wait_s(1.0)
    if least is None or most is None:
        return None
    left_s = seconds_left(node, spec, event.at)
    if left_s is None:
        return least, most
    # An attempt that would start after the deadline does not: whether it would depends on the draw.
    given_up = event.retry_at is None and most > left_s
    return None if given_up or least > left_s else (least, min(most, left_s))


def _within(wait_s: float | None, window: Window | None) -> bool:
    if wait_s is None or window is None:
        return wait_s is None and window is None
    return window[0] - CLOSE_S <= wait_s <= window[1] + CLOSE_S


def _told(wait_s: float | None) -> str:
    return "none" if wait_s is None else f"in {wait_s:.3f} s"


def _told_window(window: Window | None) -> str:
    return "none" if window is None else f"in {window[0]:g} to {window[1]:g} s"
