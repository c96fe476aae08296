"""The second half of a job attempt: what the service says of its job, its outputs, and its end.

What succeeded has succeeded: a job that was done before a cancel reached it counts, whatever the cancel was
for. Its outputs are read and kept, so that a run which is resumed later need not pay for them again. Any
other end, once a cancel was asked for, confirms it; until then the attempt holds what it holds.
"""

from __future__ import annotations

from typing import Any

from hardpoint.executor.engine.job_attempts import JobAttempts, may_pass
from hardpoint.executor.engine.job_watch import JobWatch
from hardpoint.executor.engine.limits import deadline_error, preempted_error, timeout_error
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.plugin_values import PluginOutputError
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import Answer, outputs_problem
from hardpoint.executor.engine.sweep import Sweep
from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptSucceeded,
    Budget,
    CancelCause,
    JobMoved,
    RunPhase,
)
from hardpoint.executor.journal.protocol import CachedOutputs
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.plugin_api import ErrorInfo, ErrorKind, JobRef, Phase, Status, Wire

CANCEL_BASE_S = 2.0
CANCEL_CAP_S = 60.0


class JobEnd:
    """Owned by the engine's thread.

    Args:
        attempts: What the parts of the lane share.
        watch: Asks the service for the job.
        sweep: Ends jobs that are nobody's.
    """

    def __init__(self, attempts: JobAttempts, watch: JobWatch[Any], sweep: Sweep) -> None:
        self._attempts = attempts
        self._desk = attempts.desk
        self._watch = watch
        self._sweep = sweep

    # What the service says

    def moved(self, run: Run, node: NodeRun, status: Status, asked_at: float) -> None:
        """Take in what the service said, when asked, of a job; a phase that did not change writes nothing."""
        if node.phase is Phase.SUCCEEDED:
            return  # late or repeated: its outputs are being read
        now = self._desk.clock.now()
        if status.phase is not Phase.ABSENT:
            self._attempts.notes(run).absent_since.pop(node.id, None)
        if status.usage:
            self._attempts.notes(run).usage[node.id] = status.usage
        match status.phase:
            case Phase.ABSENT:
                self._absent(run, node, asked_at)
            case Phase.SUCCEEDED if status.outputs is not None:
                self._brought(run, node, status.outputs)
            case Phase.FAILED | Phase.CANCELLED if node.cancel is not None and not _lost(run, status):
                self.confirm_cancelled(run, node)
            case Phase.FAILED:
                self._journal_phase(run, node, status, now)
                default = ErrorInfo("JobFailed", status.reason or "The job failed", ErrorKind.USER)
                self.failed(run, node, status.error or default)
            case Phase.CANCELLED:
                self._journal_phase(run, node, status, now)
                self.failed(run, node, cancelled_elsewhere(run, node))
            case _:
                self._journal_phase(run, node, status, now)

    def _journal_phase(self, run: Run, node: NodeRun, status: Status, now: float) -> None:
        if status.phase is not node.phase:
            told = (status.phase, status.reason, status.links, status.usage or None)
            self._desk.emit(run, JobMoved(now, node.id, node.attempt, *told))

    def _absent(self, run: Run, node: NodeRun, asked_at: float) -> None:
        # Not from the attempt's start: a create that was repeated for long may just have made the job.
        notes, now = self._attempts.notes(run), self._desk.clock.now()
        since = notes.absent_since.setdefault(node.id, now)
        if asked_at < since + self._attempts.task_type(run, node).settling_delay_s:
            return
        # Gone before its end was asked for: then it is no timeout, but the platform's loss.
        ended_it = run.state.phase is not RunPhase.RUNNING or since >= notes.cancelling.get(node.id, now)
        if node.cancel is not None and ended_it:
            self.confirm_cancelled(run, node)
            return
        name = node.job.id if node.job else ""
        text = f"The service does not know job `{name}` any more"
        self.failed(run, node, ErrorInfo("JobAbsent", text, ErrorKind.TRANSIENT))

    # Success

    def collect(self, run: Run, node: NodeRun) -> None:
        """Read the outputs of a job that succeeded, however long it takes."""
        job = node.job
        if job is None:
            return
        calls = self._attempts.calls(run.spec(node.id).type)
        request = self._attempts.request(run, node)

        def then(answer: Answer[dict[str, Any]]) -> None:
            if not node.state.in_flight:
                return
            if answer.value is not None:
                self._succeeded(run, node, answer.value)
            elif answer.error is not None and may_pass(answer.error):
                due = self._desk.clock.now() + self._attempts.again_s(run, node, answer.error)
                self._desk.timers.at(due, lambda: self._collect_again(run, node))
            elif answer.error is not None:
                self.failed(run, node, answer.error)

        self._attempts.step(run, node, lambda: calls.outputs(request, job), then, first=CallKind.READ)

    def _collect_again(self, run: Run, node: NodeRun) -> None:
        if self._desk.owns(run) and node.state.in_flight:
            self.collect(run, node)

    def _brought(self, run: Run, node: NodeRun, outputs: dict[str, Wire]) -> None:
        """The status told the outputs too: no other call is needed, and no event between the two."""
        spec = run.spec(node.id)
        wrong = outputs_problem(spec.interface.outputs, outputs)
        if wrong:
            error = PluginOutputError(f"Task type `{spec.type}` of node `{node.id}`: {wrong}")
            self.failed(run, node, error.info())
        else:
            self._succeeded(run, node, outputs)

    def _succeeded(self, run: Run, node: NodeRun, outputs: dict[str, Wire]) -> None:
        def end() -> None:
            now = self._desk.clock.now()
            if node.key:
                run.cached.append(CachedOutputs(node.key, run.id, node.id, outputs, now))
            usage = self._over(run, node)
            self._desk.emit(run, AttemptSucceeded(now, node.id, node.attempt, outputs, usage=usage))

        self._sweep.looks.before_end(run, node, end)

    # Failure and cancellation

    def failed(self, run: Run, node: NodeRun, error: ErrorInfo) -> None:
        """The attempt is over without outputs, and so is its job, if it had one."""

        def end() -> None:
            usage = self._over(run, node)
            self._desk.fail(run, node, error, usage=usage)

        self._sweep.looks.before_end(run, node, end)

    def _over(self, run: Run, node: NodeRun) -> dict[str, float] | None:
        """Hold and watch nothing more for an attempt; return what its job used, as far as it was told."""
        notes = self._attempts.notes(run)
        usage = notes.usage.pop(node.id, None) or node.usage
        notes.doubts.pop(node.id, None)
        notes.cancelling.pop(node.id, None)
        if node.job is not None:
            self._watch.forget(run, node)
        self._attempts.give_back(run, node)
        return usage

    def cancel(self, run: Run, node: NodeRun, job: JobRef) -> None:
        """Ask for the end of a job, again and again, until the service confirms that it has ended."""
        cancelling = self._attempts.notes(run).cancelling
        if node.id not in cancelling and node.phase is not Phase.SUCCEEDED:
            cancelling[node.id] = self._desk.clock.now()
            self._cancel(run, node, job, tries=1)

    def _cancel(self, run: Run, node: NodeRun, job: JobRef, tries: int) -> None:
        calls = self._attempts.calls_of(run, node)
        reason = run.state.abort_reason or (node.cancel.value if node.cancel else "")

        def again() -> None:
            same = node.job is job and node.state.in_flight and node.phase is not Phase.SUCCEEDED
            if same and self._desk.owns(run):
                self._cancel(run, node, job, tries + 1)

        def then(answer: Answer[bool]) -> None:
            asked_s = (answer.error.retry_after_s if answer.error is not None else None) or 0.0
            due = self._desk.clock.now() + max(self.cancel_pause_s(tries), asked_s)
            self._desk.timers.at(due, again)
            self._watch.soon(run, node)

        self._attempts.step(run, node, lambda: calls.cancel(job, reason), then, first=CallKind.WRITE)

    def cancel_pause_s(self, tries: int) -> float:
        """How long to wait for a cancel to take effect before it is asked for again."""
        spread = 0.5 + 0.5 * self._desk.dice.random()
        return min(CANCEL_CAP_S, CANCEL_BASE_S * 2.0 ** min(tries - 1, 10)) * spread

    def confirm_cancelled(self, run: Run, node: NodeRun) -> None:
        """The service confirms that the attempt's job has ended, or that there is none."""

        def end() -> None:
            usage = self._over(run, node)
            now, spec = self._desk.clock.now(), run.spec(node.id)
            if run.state.phase is not RunPhase.RUNNING or node.cancel is CancelCause.ABORT:
                self._desk.emit(run, AttemptCancelled(now, node.id, node.attempt, usage=usage))
            elif node.cancel is CancelCause.DEADLINE:
                what = (deadline_error(node, spec), Budget.USER)
                self._desk.emit(run, AttemptFailed(now, node.id, node.attempt, *what, usage=usage))
            elif node.cancel is CancelCause.PREEMPTED:
                why = (preempted_error(node), Budget.NOBODY, now)
                self._desk.emit(run, AttemptFailed(now, node.id, node.attempt, *why, usage=usage))
            else:
                self._desk.fail(run, node, timeout_error(node, spec), usage=usage)

        self._sweep.looks.before_end(run, node, end)


def _lost(run: Run, status: Status) -> bool:
    """Whether another attempt should follow, because the platform ended the job and not its timeout."""
    return run.state.phase is RunPhase.RUNNING and status.error is not None and may_pass(status.error)


def cancelled_elsewhere(run: Run, node: NodeRun) -> ErrorInfo:
    """Somebody else ended the job: not the author's error, and not to be undone behind their back."""
    """Somebody else ended the job: no attempt follows by itself."""
    return ErrorInfo(
        "CancelledElsewhere",
        f"Job `{node.job.id if node.job else ''}` was cancelled, but not by this run",
        ErrorKind.SYSTEM,
        f"`hardpoint executions resume {run.id}` starts it again",
    )
