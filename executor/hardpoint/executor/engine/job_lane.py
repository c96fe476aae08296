"""Attempts of job-shaped tasks: claims, create under a token, watch, read outputs, cancel.

job_create   what an attempt holds, its intent, and a create whose outcome becomes known
job_watch    when to ask for which jobs; job_push: who tells by itself
job_end      what the service says of a job, its outputs, and its end
chunk_cut    items of an array that go as one job; chunk_end: what becomes of each of them
sweep        jobs that are nobody's
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import msgspec

from hardpoint.executor.engine.cache_lookup import CacheLookup
from hardpoint.executor.engine.chunk_cut import ChunkCut
from hardpoint.executor.engine.chunk_end import ChunkEnd
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.governor import Governor
from hardpoint.executor.engine.job_attempts import JobAttempts
from hardpoint.executor.engine.job_context import JobContexts
from hardpoint.executor.engine.job_create import JobCreate
from hardpoint.executor.engine.job_end import JobEnd
from hardpoint.executor.engine.job_push import JobPush
from hardpoint.executor.engine.job_watch import JobWatch, Polled
from hardpoint.executor.engine.limits import Limits
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.possible import Collect, Settle, Stop, Watch
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.step_desk import StepDesk
from hardpoint.executor.engine.steps import StepRunner
from hardpoint.executor.engine.sweep import Sweep
from hardpoint.executor.journal.events import CancelCause, CancelRequested, Event
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.plugin_api import ArrayStatus, JobRef, Shape, Status
from hardpoint.registry import Registry


class Parts(msgspec.Struct, frozen=True):
    """What takes care of one kind of job: of jobs for one node or item, or of arrays for chunks."""

    create: JobCreate
    watch: JobWatch[Any]
    end: JobEnd


class JobLane:
    """Drives external jobs; owned by the engine's thread, its steps run in threads of each task type.

    Args:
        desk: Where events go.
        registry: Where handlers are found.
        steps: Runs calls into plugins.
        cache: Knows the key under which a node's outputs will be kept.
        contexts: Makes the context for a task type's verbs.
        outputs_uri: Below it, jobs that write their own outputs do so.
        limits: How long attempts may run.
        governor: Who may hold what.
    """

    def __init__(
        self,
        desk: Desk,
        registry: Registry,
        steps: StepRunner,
        cache: CacheLookup,
        contexts: JobContexts,
        outputs_uri: str,
        limits: Limits,
        governor: Governor,
    ) -> None:
        self._desk = desk
        self._limits = limits
        self._steps = StepDesk(
            desk, steps, lambda name: registry.task_type(name).call_timeout_s, contexts.rates
        )
        self._attempts = JobAttempts(desk, registry, self._steps, contexts, outputs_uri, governor)
        calls, any_calls = self._attempts.calls, self._attempts.any_calls
        self._watch = JobWatch[Status](
            desk, lambda name: registry.task_type(name).poll, self._poll, self._moved
        )
        self._push = JobPush(desk, steps, calls, self._watch)
        self.sweep = Sweep(desk, self._steps, any_calls, outputs_uri)
        self._end = JobEnd(self._attempts, self._watch, self.sweep)
        self._jobs = Parts(JobCreate(self._attempts, cache, self._end, self.sweep), self._watch, self._end)
        self._cut = ChunkCut(self._attempts, cache)
        watch = JobWatch[ArrayStatus](
            desk, lambda name: registry.task_type(name).poll, self._poll_arrays, self._array_moved, whole=True
        )
        self._chunk_end = ChunkEnd(self._attempts, watch, self.sweep)
        create = JobCreate(self._attempts, cache, self._chunk_end, self.sweep)
        self._chunks = Parts(create, watch, self._chunk_end)

    @property
    def busy(self) -> bool:
        """Whether leaving now would leave a create's outcome unknown, or a job that nobody looks after."""
        return self._attempts.creating or self.sweep.busy

    def start(self, run: Run, node: NodeRun) -> None:
        """Ask what the attempt will hold, once; then wait until it may hold that."""
        if self._attempts.task_type(run, node).shape is Shape.ARRAY:
            self._cut.add(run, node)
        else:
            self._jobs.create.start(run, node)

    def fill(self) -> None:
        """Ask for what the items of arrays will hold that have gathered."""
        self._cut.cut()

    def begin(self, run: Run, node: NodeRun) -> None:
        """Start an attempt that holds what it claims."""
        if self._attempts.task_type(run, node).shape is Shape.ARRAY:
            self._cut.begin(run, node)
        else:
            self._jobs.create.begin(run, node)

    def send(self) -> None:
        """Start chunks of the items that have begun."""
        self._cut.start()

    def adopted(self, run: Run, events: Iterable[Event]) -> None:
        """End what jobs earlier engines may have left of attempts that are over."""
        self.sweep.adopted(run, events)

    def abandon(self, run: Run) -> None:
        """Hold nothing more for a run that is another engine's now: its jobs are held there."""
        for id in tuple(run.state.in_flight):
            node = run.state.find(id)
            if node is not None:
                self._parts(node).watch.forget(run, node)

    def pursue(self, run: Run, possible: Settle | Watch | Collect | Stop) -> None:
        """Act on what the state says of a job attempt in flight."""
        node = run.state.find(possible.node)
        if node is None or not node.state.in_flight or node.in_chunk:
            return
        self._limits.runtime(run, node)
        self._limits.deadline(run, node)
        match possible:
            case Settle():
                self._parts(node).create.settle(run, node, possible.at)
            case Watch():
                self._look_after(run, node)
            case Collect():
                self._parts(node).end.collect(run, node)
            case Stop():
                self._stop(run, node)
            case _:
                assert_never(possible)

    def _parts(self, node: NodeRun) -> Parts:
        return self._chunks if node.chunk else self._jobs

    def _look_after(self, run: Run, node: NodeRun) -> None:
        if node.job is not None:
            since = self._attempts.notes(run).created_at.get(node.id)
            self._parts(node).watch.add(run, node, since)
            if not node.chunk:
                self._push.attend(self._watch.key(run, node, node.job), node.job)

    def _stop(self, run: Run, node: NodeRun) -> None:
        now = self._desk.clock.now()
        if node.cancel is None:
            event = CancelRequested(now, node.id, node.attempt, CancelCause.ABORT)
            self._desk.emit(run, event, durable=True)
        elif node.job is None:
            # A create may still be on its way: until listings have settled, absence proves nothing.
            settling_s = self._attempts.task_type(run, node).settling_delay_s
            self._parts(node).create.settle(run, node, now + settling_s)
        else:
            self._look_after(run, node)
            self._parts(node).end.cancel(run, node, node.job)

    def _moved(self, run: Run, node: NodeRun, status: Status, asked_at: float) -> None:
        self._end.moved(run, node, status, asked_at)

    def _poll(self, task_type: str, jobs: list[JobRef], then: Polled[Status]) -> None:
        """Ask for jobs of one account in one step; polls that hang must not hold up creates and cancels."""
        calls = self._attempts.calls(task_type)
        account, first = jobs[0].account, CallKind.READ
        self._steps.submit(
            task_type, lambda: calls.poll(jobs), then, lane="polls", account=account, first=first
        )

    def _array_moved(self, run: Run, node: NodeRun, status: ArrayStatus, asked_at: float) -> None:
        self._chunk_end.moved_array(run, node, status, asked_at)

    def _poll_arrays(self, task_type: str, jobs: list[JobRef], then: Polled[ArrayStatus]) -> None:
        calls = self._attempts.array_calls(task_type)
        account, first = jobs[0].account, CallKind.READ
        self._steps.submit(
            task_type, lambda: calls.poll(jobs), then, lane="polls", account=account, first=first
        )
