"""The first half of a job attempt: what it will hold, its intent, and a create whose outcome becomes known.

Nothing here trusts a reply to arrive. The intent (`AttemptStarted` with its token) is on disk before the
first create; whatever happens to the reply, the same token is used until the outcome is known.
"""

from __future__ import annotations

from functools import partial

from hardpoint.executor.engine.cache_lookup import CacheLookup
from hardpoint.executor.engine.job_attempts import JobAttempts, may_pass
from hardpoint.executor.engine.job_end import JobEnd
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import Answer
from hardpoint.executor.engine.sweep import Sweep
from hardpoint.executor.journal.events import (
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    Budget,
    CreateUnsettled,
    JobCreated,
)
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.plugin_api import ErrorInfo, ErrorKind, Idempotency, JobRef, Prepared

BLIND_LOOKS = 5
"""How often a plugin may break down when asked whether a job exists, before its word is done without."""


class JobCreate:
    """Owned by the engine's thread.

    Args:
        attempts: What the parts of the lane share.
        cache: Knows the key under which a node's outputs will be kept.
        end: Ends attempts.
        sweep: Ends jobs that are nobody's.
    """

    def __init__(self, attempts: JobAttempts, cache: CacheLookup, end: JobEnd, sweep: Sweep) -> None:
        self._attempts = attempts
        self._desk = attempts.desk
        self._cache = cache
        self._end = end
        self._sweep = sweep

    def start(self, run: Run, node: NodeRun) -> None:
        """Ask what the attempt will hold, once; then wait until it may hold that."""
        if node.prepared > node.attempt:
            self.claim(run, node)
            return
        if self._desk.inputs_of(run, node) is None:
            return
        task_type = self._attempts.task_type(run, node)
        if task_type.claims is not None:
            self._prepared(run, node, Prepared(claims=task_type.claims))
            return
        calls = self._attempts.calls(task_type.name)
        request = self._attempts.request(run, node)
        then = partial(self._asked, run, node)
        self._attempts.step(run, node, partial(calls.prepare, request), then)

    def _asked(self, run: Run, node: NodeRun, answer: Answer[Prepared]) -> None:
        if not run.may_start(node):
            return  # the run is failing or aborting meanwhile
        if answer.value is not None:
            self._prepared(run, node, answer.value)
        elif answer.error is not None:
            self._not_prepared(run, node, answer.error)

    def _prepared(self, run: Run, node: NodeRun, made: Prepared) -> None:
        self._attempts.went_well(run, node)
        now = self._desk.clock.now()
        self._desk.emit(run, AttemptPrepared(now, node.id, node.attempt + 1, made.account, made.claims))

    def _not_prepared(self, run: Run, node: NodeRun, error: ErrorInfo) -> None:
        """Nothing has begun, so no budget pays: what may pass is waited for, up to the node's own limits."""
        if not may_pass(error):
            self._desk.fail(run, node, error)
            return
        now = self._desk.clock.now()
        due = now + self._attempts.again_s(run, node, error)
        self._desk.emit(run, AttemptFailed(now, node.id, node.attempt, error, Budget.NOBODY, due))

    def claim(self, run: Run, node: NodeRun) -> None:
        """Wait until the attempt may hold what it claims."""
        self._attempts.governor.ask(run, node, node.claims)

    def begin(self, run: Run, node: NodeRun) -> None:
        """Start the attempt: it holds what it claims."""
        token = self._attempts.request(run, node).token
        key = self._cache.take_key(run, node)
        event = AttemptStarted(self._desk.clock.now(), node.id, node.attempt + 1, token, key)
        # An intent must survive even a power loss: the job it leads to would.
        self._desk.emit(run, event, durable=True)

    def settle(self, run: Run, node: NodeRun, due: float) -> None:
        """Find out, at `due`, whether the attempt's job exists; create it if it should and does not."""
        attempt = node.attempt
        if (node.id, attempt) in self._attempts.notes(run).creating or node.job is not None:
            return
        now = self._desk.clock.now()
        task_type = self._attempts.task_type(run, node)
        known_first = due == node.started_at
        searches = task_type.idempotency is Idempotency.SEARCH
        if not known_first and searches and not self._attempts.tried(run, node):
            # Adopted after a crash: until the listings have settled, absence proves nothing.
            due = max(due, now + task_type.settling_delay_s)
        if due > now:
            self._desk.timers.at(due, lambda: self._settle_again(run, node, attempt))
            return
        self._create(run, node, first=known_first)

    def _settle_again(self, run: Run, node: NodeRun, attempt: int) -> None:
        current = self._desk.owns(run) and node.state is NodeState.STARTED and node.attempt == attempt
        if current and (node.id, attempt) not in self._attempts.notes(run).creating:
            self._create(run, node, first=False)

    def _create(self, run: Run, node: NodeRun, *, first: bool) -> None:
        calls = self._attempts.calls_of(run, node)
        request = self._attempts.request(run, node)
        notes = self._attempts.notes(run)
        now = self._desk.clock.now()
        looks_only = node.cancel is not None or node.id in notes.doubts
        if looks_only:
            settled_at = notes.asked_at.setdefault(node.id, now) + self._settling_s(run, node)
            if now < settled_at:
                self._desk.timers.at(settled_at, partial(self._settle_again, run, node, node.attempt))
                return
        notes.creating.add((node.id, node.attempt))
        ended = partial(notes.creating.discard, (node.id, node.attempt))
        if looks_only:
            found = partial(self._found, run, node)
            self._attempts.step(
                run, node, partial(calls.find, request), found, ended=ended, first=CallKind.READ
            )
            return
        verb = calls.create if first else calls.settle
        created = partial(self._created, run, node, first)
        late = partial(self._came_late, run, node, request.attempt)
        self._attempts.step(
            run, node, partial(verb, request), created, late=late, ended=ended, first=CallKind.WRITE
        )

    def _created(self, run: Run, node: NodeRun, first: bool, answer: Answer[JobRef]) -> None:
        error = answer.error
        self._attempts.notes(run).asked_at[node.id] = self._desk.clock.now()
        if answer.value is not None:
            self._is(run, node, answer.value, certain=first)
        elif error is None or node.job is not None:
            return
        elif may_pass(error):
            self._unsettled(run, node, error)
        elif first and error.kind is ErrorKind.USER:
            self._end.failed(run, node, error)
        else:
            # A plugin that broke down, or a refusal after a lost answer: there may be a job all the same.
            self._attempts.notes(run).doubts[node.id] = error
            self._unsettled(run, node, error)

    def _is(self, run: Run, node: NodeRun, job: JobRef, *, certain: bool) -> None:
        """The attempt's job is known."""
        if node.job is not None:
            if node.job.id != job.id:
                self._sweep.cancel(run.spec(node.id).type, job, "duplicate")
            return
        self._attempts.notes(run).doubts.pop(node.id, None)
        self._attempts.went_well(run, node)
        now = self._desk.clock.now()
        self._attempts.notes(run).created_at[node.id] = now
        self._desk.emit(run, JobCreated(now, node.id, node.attempt, job))
        self._sweep.looks.expect(run, node, self._attempts.request(run, node), certain=certain)

    def _came_late(self, run: Run, node: NodeRun, attempt: int, answer: Answer[JobRef]) -> None:
        """A create that was given up has made a job after all."""
        if answer.value is None:
            return
        waiting = node.attempt == attempt and node.state is NodeState.STARTED
        mine = node.attempt == attempt and node.job is not None and node.job.id == answer.value.id
        if self._desk.owns(run) and waiting:
            self._is(run, node, answer.value, certain=False)
        elif not mine and (self._desk.owns(run) or run.state.phase.terminal):
            # Not of a run that another engine has adopted: there it may be the one that counts.
            self._sweep.cancel(run.spec(node.id).type, answer.value, "its attempt is over")

    def _unsettled(self, run: Run, node: NodeRun, error: ErrorInfo) -> None:
        now = self._desk.clock.now()
        wait_s = self._attempts.again_s(run, node, error)
        if error.kind is not ErrorKind.THROTTLED:
            wait_s = max(wait_s, self._settling_s(run, node))
        self._desk.emit(run, CreateUnsettled(now, node.id, node.attempt, error, now + wait_s))

    def _settling_s(self, run: Run, node: NodeRun) -> float:
        """How long absence proves nothing; a service that takes our identity answers at once."""
        task_type = self._attempts.task_type(run, node)
        looks = task_type.idempotency is Idempotency.SEARCH or self._looks_only(run, node)
        return task_type.settling_delay_s if looks else 0.0

    def _looks_only(self, run: Run, node: NodeRun) -> bool:
        return node.cancel is not None or node.id in self._attempts.notes(run).doubts

    def _found(self, run: Run, node: NodeRun, answer: Answer[JobRef]) -> None:
        """What a look for the job brought, where none is to be created."""
        doubts = self._attempts.notes(run).doubts
        if answer.value is not None:
            self._is(run, node, answer.value, certain=False)
        elif answer.error is not None and self._looks_again(run, node, answer.error):
            self._unsettled(run, node, answer.error)
        elif node.cancel is not None:
            doubts.pop(node.id, None)
            self._end.confirm_cancelled(run, node)
        else:
            self._end.failed(run, node, doubts.pop(node.id))

    def _looks_again(self, run: Run, node: NodeRun, error: ErrorInfo) -> bool:
        """Whether a look that failed is repeated; whoever can never look would hold the run for ever."""
        if may_pass(error) or node.cancel is not None:
            return True
        blind = self._attempts.notes(run).blind
        blind[node.id] = blind.get(node.id, 0) + 1
        return blind[node.id] < BLIND_LOOKS
