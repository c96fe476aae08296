"""What the parts of the job lane share: how an attempt is named, called for and given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from hardpoint.executor.engine.array_calls import ArrayCalls, ChunkCalls
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.governor import Governor
from hardpoint.executor.engine.job_calls import JobCalls
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.retry import may_be_interrupted, retry_delay_s
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.step_desk import StepDesk
from hardpoint.executor.engine.steps import Answer, Then
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.plugin_api import Context, CreateRequest, ErrorInfo, ErrorKind, Shape, TaskType
from hardpoint.registry import Registry

AGAIN_BASE_S = 0.5
AGAIN_CAP_S = 30.0


class Notes:
    """What the lane remembers of the attempts of one adoption of a run, by node; never more than a cache."""

    def __init__(self) -> None:
        self.tries: dict[str, int] = {}
        """Calls that failed since the last that did not."""
        self.requests: dict[str, CreateRequest] = {}
        self.creating: set[tuple[str, int]] = set()
        """Attempts with a create on its way; one of an earlier attempt may still be."""
        self.created_at: dict[str, float] = {}
        """When jobs were created that this engine itself saw created; a create may have waited long."""
        self.asked_at: dict[str, float] = {}
        """When a create was last on its way, or may have been for all this engine knows."""
        self.absent_since: dict[str, float] = {}
        """Jobs that the service says it does not know, and since when."""
        self.doubts: dict[str, ErrorInfo] = {}
        """Why a create failed that may have made a job all the same."""
        self.blind: dict[str, int] = {}
        """Looks for a job that broke down, of attempts of which nothing better is known."""
        self.usage: dict[str, dict[str, float]] = {}
        """What the latest status that was looked at told of it."""
        self.cancelling: dict[str, float] = {}
        """Attempts whose job is asked to end, again and again, and since when."""
        self.collecting: set[str] = set()
        """Attempts whose outputs are being read."""


def may_pass(error: ErrorInfo) -> bool:
    """Whether an error may be over by itself, so that the same call is made again."""
    return error.kind is ErrorKind.TRANSIENT or error.kind is ErrorKind.THROTTLED


def account_of(node: NodeRun) -> str:
    """The account at the service of a node, item or chunk; empty while it is not known."""
    if node.job is not None:
        return node.job.account
    return node.account or (node.parent.account if node.parent is not None else "")


class _Delivery:
    """Passes an answer on if the attempt stands as it did when it asked; one small object for each call."""

    __slots__ = ("attempt", "desk", "ended", "in_flight", "late", "node", "run", "then")

    def __init__(
        self,
        desk: Desk,
        run: Run,
        node: NodeRun,
        then: Then,
        late: Then | None,
        ended: Callable[[], None] | None,
    ) -> None:
        self.desk, self.run, self.node = desk, run, node
        self.attempt, self.in_flight = node.attempt, node.state.in_flight
        self.then, self.late, self.ended = then, late, ended

    def __call__(self, answer: Answer[Any]) -> None:
        if self.ended is not None:
            self.ended()
        node = self.node
        # The number alone is not enough: an attempt that has failed keeps it until the next one starts.
        same = node.attempt == self.attempt and node.state.in_flight is self.in_flight
        if same and self.desk.owns(self.run):
            self.then(answer)
        elif self.late is not None:
            self.late(answer)


class JobAttempts:
    """Owned by the engine's thread.

    Args:
        desk: Clock, timers, and where events go.
        registry: Where handlers are found.
        steps: Makes calls into plugins.
        contexts: Makes the context for a task type's verbs.
        outputs_uri: Below it, jobs that write their own outputs do so.
        governor: Who may hold what.
    """

    def __init__(
        self,
        desk: Desk,
        registry: Registry,
        steps: StepDesk,
        contexts: Callable[[str], Context],
        outputs_uri: str,
        governor: Governor,
    ) -> None:
        self.desk = desk
        self.registry = registry
        self.steps = steps
        self.outputs_uri = outputs_uri
        self.governor = governor
        self._contexts = contexts
        self._calls: dict[str, JobCalls] = {}
        self._array_calls: dict[str, ArrayCalls] = {}
        # Every adoption makes a `Run` of its own: one that comes back finds no notes of its former life.
        self._notes: WeakKeyDictionary[Run, Notes] = WeakKeyDictionary()

    @property
    def creating(self) -> bool:
        """Whether a create is on its way, so that leaving now would leave its outcome unknown."""
        return any(notes.creating for notes in self._notes.values())

    def notes(self, run: Run) -> Notes:
        """What is remembered of a run's attempts."""
        notes = self._notes.get(run)
        if notes is None:
            notes = self._notes[run] = Notes()
        return notes

    def task_type(self, run: Run, node: NodeRun) -> TaskType:
        """What the plugin declares of the node's task type."""
        return self.registry.task_type(run.spec(node.id).type)

    def calls(self, task_type: str) -> JobCalls:
        """The verbs of a task type."""
        calls = self._calls.get(task_type)
        if calls is None:
            declared = self.registry.task_type(task_type)
            calls = self._calls[task_type] = JobCalls(self.registry, declared, self._contexts(task_type))
        return calls

    def array_calls(self, task_type: str) -> ArrayCalls:
        """The verbs of an array-shaped task type."""
        calls = self._array_calls.get(task_type)
        if calls is None:
            declared = self.registry.task_type(task_type)
            calls = ArrayCalls(self.registry, declared, self._contexts(task_type))
            self._array_calls[task_type] = calls
        return calls

    def any_calls(self, task_type: str) -> JobCalls | ArrayCalls:
        """The verbs of a task type of either shape."""
        is_array = self.registry.task_type(task_type).shape is Shape.ARRAY
        return self.array_calls(task_type) if is_array else self.calls(task_type)

    def calls_of(self, run: Run, node: NodeRun) -> JobCalls | ChunkCalls:
        """The verbs for a node, an item, or a chunk of items."""
        task_type = run.spec(node.id).type
        if not node.chunk:
            return self.calls(task_type)
        return ChunkCalls(self.array_calls(task_type), run.items_of(node))

    def request(self, run: Run, node: NodeRun) -> CreateRequest:
        """The current attempt; before it started, the next one. Made once for both."""
        requests = self.notes(run).requests
        attempt = node.attempt if node.state.in_flight else node.attempt + 1
        request = requests.get(node.id)
        if request is None or request.attempt != attempt:
            request = run.request(node, self.outputs_uri)
            if may_be_interrupted(request.spec, node.system_failures):
                request = msgspec.structs.replace(request, interruptible=True)
            requests[node.id] = request
        return request

    def step(
        self,
        run: Run,
        node: NodeRun,
        call: Callable[[], Any],
        then: Then,
        *,
        late: Then | None = None,
        ended: Callable[[], None] | None = None,
        first: CallKind | None = None,
    ) -> None:
        """Make a call after the commit; its answer is dropped if the attempt has moved on meanwhile.

        Args:
            run, node: Whose attempt it is about.
            call: What to call.
            then: Gets the answer.
            late: Gets what a call brings that was given up, or whose attempt has moved on.
            ended: Called before `then`, and also if the answer is dropped.
            first: See `StepDesk.submit`.
        """
        deliver = _Delivery(self.desk, run, node, then, late, ended)
        self.steps.submit(
            run.spec(node.id).type,
            call,
            deliver,
            run=run,
            late=late,
            account=account_of(node),
            first=first,
        )

    def again_s(self, run: Run, node: NodeRun, error: ErrorInfo) -> float:
        """How long to wait before a call that failed is made again: ever longer, and as long as was asked."""
        counts = self.notes(run).tries
        tries = counts[node.id] = counts.get(node.id, 0) + 1
        jitter = self.desk.dice.random()
        drawn = retry_delay_s(tries, base_s=AGAIN_BASE_S, cap_s=AGAIN_CAP_S, jitter=jitter)
        return max(drawn, error.retry_after_s or 0.0)

    def tried(self, run: Run, node: NodeRun) -> bool:
        """Whether a call failed since the last that did not."""
        return node.id in self.notes(run).tries

    def went_well(self, run: Run, node: NodeRun) -> None:
        """A call did not fail: the next one that does begins with a short wait."""
        self.notes(run).tries.pop(node.id, None)

    def give_back(self, run: Run, node: NodeRun) -> None:
        """The attempt holds nothing any more."""
        notes = self.notes(run)
        notes.tries.pop(node.id, None)
        notes.requests.pop(node.id, None)
        notes.created_at.pop(node.id, None)
        notes.absent_since.pop(node.id, None)
        notes.asked_at.pop(node.id, None)
        notes.blind.pop(node.id, None)
        self.governor.release(run, node)
