"""Attempts of job-shaped tasks: claims, create under a token, watch, read outputs, cancel.

Nothing here trusts a reply to arrive. The intent (`AttemptStarted` with its token) is on disk before
the first create; whatever happens to the reply, the same token is used until the outcome is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from hardpoint.executor.engine.cache_lookup import CacheLookup
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.job_watch import JobWatch, Watched
from hardpoint.executor.engine.retry import retry_delay_s
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.state import Collect, NodeRun, NodeState, Settle, Stop, Watch
from hardpoint.executor.engine.steps import Answer, JobCalls, StepRunner
from hardpoint.executor.engine.throttle import ClaimTooLargeError, Throttle
from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    CancelCause,
    CancelRequested,
    CreateUnsettled,
    JobCreated,
    JobMoved,
    RunPhase,
)
from hardpoint.executor.journal.protocol import CachedOutputs
from hardpoint.plugin_api import (
    Context,
    ErrorInfo,
    ErrorKind,
    Idempotency,
    JobRef,
    Phase,
    Prepared,
    Status,
    TaskType,
)
from hardpoint.registry import Registry

Place = tuple[str, int, str]
"""A run, how often it was adopted, and a node in it."""

AGAIN_BASE_S = 0.5
AGAIN_CAP_S = 30.0


class JobLane:
    """Drives external jobs; owned by the engine's thread, its steps run in threads of each task type.

    Args:
        desk: Where events go.
        registry: Where handlers are found.
        steps: Runs calls into plugins.
        cache: Knows the key under which a node's outputs will be kept.
        contexts: Makes the context for a task type's verbs.
        outputs_uri: Below it, jobs that write their own outputs do so.
    """

    def __init__(
        self,
        desk: Desk,
        registry: Registry,
        steps: StepRunner,
        cache: CacheLookup,
        contexts: Callable[[str], Context],
        outputs_uri: str,
    ) -> None:
        self.steps = steps
        self._desk = desk
        self._registry = registry
        self._cache = cache
        self._contexts = contexts
        self._outputs_uri = outputs_uri
        self._calls: dict[str, JobCalls] = {}
        self._throttle = Throttle(registry.pools)
        self._creating: set[Place] = set()
        self._tries: dict[Place, int] = {}
        self._watch = JobWatch(desk, lambda name: registry.task_type(name).poll, self._poll, self._moved)

    @property
    def busy(self) -> bool:
        """Whether a create is on its way, so that leaving now would leave its outcome unknown."""
        return bool(self._creating)

    def _place(self, run: Run, node: NodeRun) -> Place:
        # With the generation: a run that was lost and comes back must not find marks of its former life.
        return (run.id, run.state.generation, node.id)

    def _task_type(self, run: Run, node: NodeRun) -> TaskType:
        return self._registry.task_type(run.spec(node.id).type)

    def _calls_of(self, task_type: TaskType) -> JobCalls:
        calls = self._calls.get(task_type.name)
        if calls is None:
            context = self._contexts(task_type.name)
            calls = self._calls[task_type.name] = JobCalls(self._registry, task_type, context)
        return calls

    def _step(
        self, run: Run, node: NodeRun, step: Callable[[], Any], then: Callable[[Answer[Any]], None]
    ) -> None:
        """Run a step after the commit; its answer is dropped if the attempt has moved on meanwhile."""
        attempt, place = node.attempt, self._place(run, node)

        def deliver(answer: Answer[Any]) -> None:
            self._creating.discard(place)
            if node.attempt == attempt and place == self._place(run, node) and self._desk.owns(run):
                then(answer)

        group = run.spec(node.id).type
        self._desk.after_commit(lambda: self.steps.submit(group, step, deliver), run)

    # Before the attempt starts

    def start(self, run: Run, node: NodeRun) -> None:
        """Ask what the attempt will hold, once; then wait until it may hold that."""
        if node.prepared > node.attempt:
            self._claim(run, node)
            return
        if self._desk.inputs_of(run, node) is None:
            return
        calls = self._calls_of(self._task_type(run, node))
        request = run.request(node, self._outputs_uri)

        def then(answer: Answer[Prepared]) -> None:
            if not run.may_start(node):
                return  # the run is failing or aborting meanwhile
            if answer.value is not None:
                now, made = self._desk.clock.now(), answer.value
                event = AttemptPrepared(now, node.id, node.attempt + 1, made.account, made.claims)
                self._desk.emit(run, event)
            elif answer.error is not None:
                self._desk.fail(run, node, answer.error)

        self._step(run, node, lambda: calls.prepare(request), then)

    def _claim(self, run: Run, node: NodeRun) -> None:
        try:
            granted = self._throttle.take((run.id, node.id), node.claims)
        except ClaimTooLargeError as error:
            self._desk.fail(run, node, error.info())
            return
        if granted:
            token = run.request(node, self._outputs_uri).token
            key = self._cache.take_key(run, node)
            now = self._desk.clock.now()
            event = AttemptStarted(now, node.id, node.attempt + 1, token, key)
            # An intent must survive even a power loss: the job it leads to would.
            self._desk.emit(run, event, durable=True)

    def _give_back(self, run: Run, node: NodeRun) -> None:
        self._tries.pop(self._place(run, node), None)
        for run_id, waiting in self._throttle.give_back((run.id, node.id)):
            other = self._desk.runs.get(run_id)
            if other is not None and other.state.phase is RunPhase.RUNNING:
                self._claim(other, other.state.nodes[waiting])

    def abandon(self, run: Run) -> None:
        """Hold nothing more for a run that is another engine's now: its jobs are held there."""
        for node in tuple(run.state.in_flight):
            self._give_back(run, run.state.nodes[node])

    # While it is in flight

    def pursue(self, run: Run, possible: Settle | Watch | Collect | Stop) -> None:
        """Act on what the state says of a job attempt in flight."""
        node = run.state.nodes[possible.node]
        if not node.state.in_flight:
            return
        self._throttle.hold((run.id, node.id), node.claims)
        self._limit_runtime(run, node)
        match possible:
            case Settle():
                self._settle(run, node, possible.at)
            case Watch():
                self._watch.add(run, node)
            case Collect():
                self._collect(run, node)
            case Stop():
                self._stop(run, node)
            case _:
                assert_never(possible)

    def _limit_runtime(self, run: Run, node: NodeRun) -> None:
        limit_s = run.spec(node.id).timeout_s
        if limit_s is None or node.started_at is None or node.cancel is not None:
            return
        attempt = node.attempt

        def expire() -> None:
            same = node.attempt == attempt and node.state.in_flight and node.cancel is None
            if same and self._desk.owns(run):
                now = self._desk.clock.now()
                self._desk.emit(
                    run, CancelRequested(now, node.id, attempt, CancelCause.TIMEOUT), durable=True
                )

        self._desk.timers.at(node.started_at + limit_s, expire)

    def _settle(self, run: Run, node: NodeRun, due: float) -> None:
        place = self._place(run, node)
        if place in self._creating or node.job is not None:
            return
        now = self._desk.clock.now()
        task_type = self._task_type(run, node)
        known_first = due == node.started_at
        if not known_first and task_type.idempotency is Idempotency.SEARCH and place not in self._tries:
            # Adopted after a crash: until the listings have settled, absence proves nothing.
            due = max(due, now + task_type.settling_delay_s)
            self._tries[place] = 0
        if due > now:
            self._desk.timers.at(due, lambda: self._settle_again(run, node))
            return
        self._create(run, node, first=known_first)

    def _settle_again(self, run: Run, node: NodeRun) -> None:
        current = self._desk.owns(run) and node.state is NodeState.STARTED
        if current and self._place(run, node) not in self._creating:
            self._create(run, node, first=False)

    def _create(self, run: Run, node: NodeRun, *, first: bool) -> None:
        calls = self._calls_of(self._task_type(run, node))
        request = run.request(node, self._outputs_uri)
        self._creating.add(self._place(run, node))
        if node.cancel is not None:
            self._step(run, node, lambda: calls.find(request), lambda answer: self._found(run, node, answer))
            return
        verb = calls.create if first else calls.settle
        self._step(run, node, lambda: verb(request), lambda answer: self._created(run, node, answer))

    def _created(self, run: Run, node: NodeRun, answer: Answer[JobRef]) -> None:
        now = self._desk.clock.now()
        if answer.value is not None:
            self._tries.pop(self._place(run, node), None)
            self._desk.emit(run, JobCreated(now, node.id, node.attempt, answer.value))
        elif answer.error is not None and answer.error.kind in (ErrorKind.TRANSIENT, ErrorKind.THROTTLED):
            self._unsettled(run, node, answer.error)
        elif answer.error is not None:
            self._end_failed(run, node, answer.error)

    def _unsettled(self, run: Run, node: NodeRun, error: ErrorInfo) -> None:
        now = self._desk.clock.now()
        wait_s = max(self._again_s(run, node), error.retry_after_s or 0.0)
        task_type = self._task_type(run, node)
        if task_type.idempotency is Idempotency.SEARCH and error.kind is ErrorKind.TRANSIENT:
            wait_s = max(wait_s, task_type.settling_delay_s)
        self._desk.emit(run, CreateUnsettled(now, node.id, node.attempt, error, now + wait_s))

    def _again_s(self, run: Run, node: NodeRun) -> float:
        place = self._place(run, node)
        tries = self._tries[place] = self._tries.get(place, 0) + 1
        return retry_delay_s(tries, base_s=AGAIN_BASE_S, cap_s=AGAIN_CAP_S, jitter=self._desk.dice.random())

    def _found(self, run: Run, node: NodeRun, answer: Answer[JobRef]) -> None:
        now = self._desk.clock.now()
        if answer.error is not None:
            self._unsettled(run, node, answer.error)
        elif answer.value is not None:
            self._desk.emit(run, JobCreated(now, node.id, node.attempt, answer.value))
        else:
            self._confirm_cancelled(run, node)

    # Its end

    def _stop(self, run: Run, node: NodeRun) -> None:
        now = self._desk.clock.now()
        if node.cancel is None:
            event = CancelRequested(now, node.id, node.attempt, CancelCause.ABORT)
            self._desk.emit(run, event, durable=True)
        elif node.job is None:
            # A create may still be on its way: until listings have settled, absence proves nothing.
            self._settle(run, node, now + self._task_type(run, node).settling_delay_s)
        else:
            self._cancel(run, node, node.job)

    def _cancel(self, run: Run, node: NodeRun, job: JobRef) -> None:
        calls = self._calls_of(self._task_type(run, node))
        reason = run.state.abort_reason or (node.cancel.value if node.cancel else "")

        def then(answer: Answer[bool]) -> None:
            if answer.error is not None:
                due = self._desk.clock.now() + self._again_s(run, node)
                self._desk.timers.at(due, lambda: self._cancel_again(run, node, job))
            self._watch.soon(run, node)

        self._step(run, node, lambda: calls.cancel(job, reason), then)

    def _cancel_again(self, run: Run, node: NodeRun, job: JobRef) -> None:
        if self._desk.owns(run) and node.job is job and node.state.in_flight:
            self._cancel(run, node, job)

    def _poll(self, jobs: list[Watched], then: Callable[[Answer[dict[str, Status]]], None]) -> None:
        """Ask for jobs of one account in one step."""
        run, node = jobs[0]
        calls = self._calls_of(self._task_type(run, node))
        refs = [each.job for _, each in jobs if each.job is not None]
        group = run.spec(node.id).type
        self._desk.after_commit(lambda: self.steps.submit(group, lambda: calls.poll(refs), then))

    def _moved(self, run: Run, node: NodeRun, status: Status) -> None:
        """Take in what the service says of a job; a phase that did not change writes nothing."""
        if status.phase is Phase.ABSENT:
            self._absent(run, node)
            return
        now = self._desk.clock.now()
        if status.phase is not node.phase:
            event = JobMoved(now, node.id, node.attempt, status.phase, status.reason, status.links)
            self._desk.emit(run, event)
        match status.phase:
            case Phase.FAILED:
                default = ErrorInfo("JobFailed", status.reason or "The job failed", ErrorKind.USER)
                self._end_failed(run, node, status.error or default)
            case Phase.CANCELLED if node.cancel is not None:
                self._confirm_cancelled(run, node)
            case Phase.CANCELLED:
                error = ErrorInfo(
                    "CancelledElsewhere",
                    f"Job `{node.job.id if node.job else ''}` was cancelled, but not by this run",
                    ErrorKind.SYSTEM,
                    f"`hardpoint executions resume {run.id}` starts it again",
                )
                self._end_failed(run, node, error)
            case _:
                pass

    def _absent(self, run: Run, node: NodeRun) -> None:
        now = self._desk.clock.now()
        settled_at = (node.started_at or now) + self._task_type(run, node).settling_delay_s
        if now < settled_at:
            return
        if node.cancel is not None:
            self._confirm_cancelled(run, node)
        else:
            name = node.job.id if node.job else ""
            error = ErrorInfo(
                "JobAbsent", f"The service does not know job `{name}` any more", ErrorKind.TRANSIENT
            )
            self._end_failed(run, node, error)

    def _confirm_cancelled(self, run: Run, node: NodeRun) -> None:
        self._give_back(run, node)
        if node.cancel is CancelCause.TIMEOUT and run.state.phase is RunPhase.RUNNING:
            limit_s = run.spec(node.id).timeout_s or 0.0
            error = ErrorInfo(
                "TimeoutExpired",
                f"Attempt {node.attempt} of node `{node.id}` ran longer than {limit_s:g} s and was cancelled",
                ErrorKind.USER,
                "Raise `timeout=` of the task, or give it `retry=`",
            )
            self._desk.fail(run, node, error)
        else:
            self._desk.emit(run, AttemptCancelled(self._desk.clock.now(), node.id, node.attempt))

    def _end_failed(self, run: Run, node: NodeRun, error: ErrorInfo) -> None:
        self._give_back(run, node)
        self._desk.fail(run, node, error)

    def _collect(self, run: Run, node: NodeRun) -> None:
        job = node.job
        if job is None:
            return
        calls = self._calls_of(self._task_type(run, node))
        request = run.request(node, self._outputs_uri)

        def then(answer: Answer[dict[str, Any]]) -> None:
            now = self._desk.clock.now()
            if answer.value is not None:
                if node.key:
                    run.cached.append(CachedOutputs(node.key, run.id, node.id, answer.value, now))
                self._give_back(run, node)
                self._desk.emit(run, AttemptSucceeded(now, node.id, node.attempt, answer.value))
            elif answer.error is not None and answer.error.kind in (ErrorKind.TRANSIENT, ErrorKind.THROTTLED):
                due = now + max(self._again_s(run, node), answer.error.retry_after_s or 0.0)
                self._desk.timers.at(due, lambda: self._collect_again(run, node))
            elif answer.error is not None:
                self._end_failed(run, node, answer.error)

        self._step(run, node, lambda: calls.outputs(request, job), then)

    def _collect_again(self, run: Run, node: NodeRun) -> None:
        if self._desk.owns(run) and node.state.in_flight:
            self._collect(run, node)
