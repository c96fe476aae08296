"""How long a node may wait, an attempt may run, and both together: what happens when the time is over."""

from __future__ import annotations

from hardpoint.executor.engine.desk import Action, Desk
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.retry import seconds_left
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import AttemptFailed, Budget, CancelCause, CancelRequested, RunPhase
from hardpoint.plugin_api import ErrorInfo, ErrorKind, Phase, TaskSpec

_WAITING = (NodeState.READY, NodeState.BACKOFF)


def timeout_error(node: NodeRun, spec: TaskSpec) -> ErrorInfo:
    """One attempt ran too long: the author's error, another may follow."""
    return ErrorInfo(
        "TimeoutExpired",
        f"Attempt {node.attempt} of node `{node.id}` ran longer than {spec.timeout_s or 0.0:g} s "
        "and was cancelled",
        hint="Raise `timeout=` of the task, or give it `retry=`",
    )


def deadline_error(node: NodeRun, spec: TaskSpec) -> ErrorInfo:
    """All attempts and waits of a node took too long together: no other follows."""
    return ErrorInfo(
        "DeadlineExpired",
        f"Node `{node.id}` did not succeed within {spec.deadline_s or 0.0:g} s of when it could first start; "
        f"attempts made: {node.attempt}",
        hint="Raise `deadline=` of the task; `hardpoint explain` tells what nodes wait for",
    )


def preempted_error(node: NodeRun) -> ErrorInfo:
    """Others waited for what an attempt held beyond its tenant's share: nobody's error, another follows."""
    return ErrorInfo(
        "Preempted",
        f"Attempt {node.attempt} of node `{node.id}` was ended, to give what it held to tenants with less",
        ErrorKind.TRANSIENT,
    )


class Limits:
    """Sets a timer for each limit of a node, once; owned by the engine's thread.

    Args:
        desk: Clock, timers, and where events go.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._set: set[tuple[str, str, int, str, int]] = set()

    def queueing(self, run: Run, node: NodeRun) -> None:
        """Fail a node that waits too long for its first start; call it when the node may be attempted."""
        limit_s = run.spec(node.id).queue_timeout_s
        if limit_s is None or node.attempt:
            return

        def expire() -> None:
            if node.state in _WAITING and not node.attempt:
                error = ErrorInfo(
                    "QueueTimeoutExpired",
                    f"Node `{node.id}` waited more than {limit_s:g} s for its first start",
                    hint=f"Raise `queue_timeout=`; `hardpoint explain {run.id}` tells what nodes wait for",
                )
                self._fail(run, node, error)

        since = node.possible_at if node.parent is None else None
        self._at("queueing", run, node, (since or self._desk.clock.now()) + limit_s, expire)

    def deadline(self, run: Run, node: NodeRun) -> None:
        """End a node that has not succeeded in time; call it when it may be attempted and when it is adopted.

        What is in flight is cancelled first, and its end confirmed.
        """
        spec = run.spec(node.id)
        left_s = seconds_left(node, spec, self._desk.clock.now())
        if left_s is None:
            return

        def expire() -> None:
            if node.state.in_flight:
                self._cancel(run, node, CancelCause.DEADLINE)
            elif node.state in _WAITING:
                self._fail(run, node, deadline_error(node, spec))

        self._at("deadline", run, node, self._desk.clock.now() + left_s, expire)

    def runtime(self, run: Run, node: NodeRun) -> None:
        """Cancel an attempt that runs too long; call it when the attempt is in flight."""
        limit_s = run.spec(node.id).timeout_s
        if limit_s is None or node.started_at is None or node.cancel is not None:
            return
        attempt = node.attempt

        def expire() -> None:
            if node.attempt == attempt and node.state.in_flight:
                self._cancel(run, node, CancelCause.TIMEOUT)

        self._at("runtime", run, node, node.started_at + limit_s, expire)

    def _at(self, kind: str, run: Run, node: NodeRun, due: float, expire: Action) -> None:
        key = (kind, run.id, run.state.generation, node.id, node.attempt if kind == "runtime" else 0)
        if key in self._set:
            return
        self._set.add(key)

        def over() -> None:
            self._set.discard(key)
            if self._desk.owns(run) and run.state.phase is RunPhase.RUNNING:
                expire()

        self._desk.timers.at(due, over)

    def _cancel(self, run: Run, node: NodeRun, cause: CancelCause) -> None:
        # A job that has succeeded has: its outputs are only being read.
        if node.cancel is None and node.phase is not Phase.SUCCEEDED:
            now = self._desk.clock.now()
            self._desk.emit(run, CancelRequested(now, node.id, node.attempt, cause), durable=True)

    def _fail(self, run: Run, node: NodeRun, error: ErrorInfo) -> None:
        self._desk.emit(run, AttemptFailed(self._desk.clock.now(), node.id, node.attempt, error, Budget.USER))
