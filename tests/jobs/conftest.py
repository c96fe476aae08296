"""A real engine in virtual time, against a fake service whose jobs, faults and delays are the test's."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from hardpoint.core.compiled import Binding, CompiledWorkflow, FromNode, Node, WorkflowBody
from hardpoint.core.flatten import flatten
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import Answer, Step, Then, guarded, hand_over, run_step
from hardpoint.executor.journal.events import Event, RunPhase, Submitted
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import LEASE_S, ExecutionRow
from hardpoint.executor.pool.messages import CallDone, CallFailed, FunctionCall, PoolEvent
from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    HardpointError,
    Idempotency,
    Interface,
    JobRef,
    Kept,
    Outputs,
    Phase,
    PollPolicy,
    Prepared,
    RateLimit,
    ResourcePool,
    Shape,
    SimpleKind,
    SimpleType,
    Status,
    StatusSink,
    TaskSpec,
    TaskType,
    TransientError,
    Variable,
    hookimpl,
)
from hardpoint.plugin_api.testing.memory_store import MemoryStore
from hardpoint.registry import Registry

BEGAN = 1_800_000_000.0
NUMBER = Interface((), (Variable("result", SimpleType(SimpleKind.INT)),))


class Time:
    """Virtual seconds, and what happens at which of them."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return BEGAN + self.at_s

    def monotonic(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds

    def after(self, wait_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.at_s + wait_s, next(self._order), action))

    def pass_until(self, due_s: float, stop: Callable[[], bool]) -> None:
        """Let happen what happens until then, or until `stop` says so."""
        while not stop():
            if not self._heap or self._heap[0][0] > due_s:
                self.at_s = max(self.at_s, due_s)
                return
            due, _, action = heapq.heappop(self._heap)
            self.at_s = max(self.at_s, due)
            action()


class HangError(BaseException):
    """Raised by a fake verb: the call does not return until the test lets it."""


class Steps:
    """`StepRunner` without threads: a call happens at once and is answered after `latency_s`."""

    def __init__(self, time: Time, wake: Callable[[], None], latency_s: float) -> None:
        self.time, self.wake, self.latency_s = time, wake, latency_s
        self.answers: list[tuple[Step, Answer[Any]] | Callable[[], None]] = []
        self.hanging: list[Step] = []
        self.given_up = 0
        self.begins_after_s = 0.0

    def submit(self, group: str, call: Callable[[], Any], then: Then, late: Then | None = None) -> Step:
        step = Step(group, call, then, late)
        self.time.after(self.begins_after_s, lambda: self._begin(step))
        return step

    def _begin(self, step: Step) -> None:
        try:
            answer = run_step(step, self.time)
        except HangError:
            step.done = False
            self.hanging.append(step)
            return
        self.time.after(self.latency_s, lambda: self._answer(step, answer))

    def _answer(self, step: Step, answer: Answer[Any]) -> None:
        self.answers.append((step, answer))
        self.wake()

    def come_back(self, count: int = 1000) -> None:
        """Let calls that hang go on, and end; the oldest first."""
        hanging, self.hanging = self.hanging[:count], self.hanging[count:]
        for step in hanging:
            self._answer(step, run_step(step, self.time))

    def stream(self, name: str, call: Callable[[], None], then: Then) -> None:
        """The fake stream returns at once, and goes on from the fake service."""
        answer: Answer[Any] = guarded(call)
        if answer.error is not None:
            self.post(lambda: then(answer))
        self.streams_end = then

    def post(self, action: Callable[[], None]) -> None:
        self.answers.append(action)
        self.wake()

    def give_up(self, step: Step) -> None:
        self.given_up += 1
        step.given_up = True

    def deliver(self) -> int:
        answers, self.answers = self.answers, []
        for item in answers:
            if isinstance(item, tuple):
                hand_over(*item)
            else:
                item()
        return len(answers)

    def close(self) -> None:
        pass


class Pool:
    """`FunctionPool` without workers: only what the engine sleeps on."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.woken = False

    def register(self, key: str, spec: TaskSpec, code: str) -> None:
        pass

    def room(self) -> int:
        return 0

    def submit(self, calls: Iterable[FunctionCall]) -> None:
        raise AssertionError("no functions here")

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        self.time.pass_until(self.time.at_s + timeout_s, lambda: self.woken)
        self.woken = False
        return []

    def kept(self, execution: str, node: str, attempt: int) -> CallDone | CallFailed | None:
        return None

    def wake(self) -> None:
        self.woken = True

    def cancel(self, tickets: Sequence[int], reason: str) -> None:
        pass


class Job:
    """One job of the fake service; `ends_s` in virtual seconds."""

    def __init__(self, id: str, token: str, began_s: float, ends_s: float, end: Status) -> None:
        self.id, self.token, self.began_s, self.ends_s, self.end = id, token, began_s, ends_s, end

    def status(self, at_s: float) -> Status:
        return self.end if at_s >= self.ends_s else Status(Phase.RUNNING)


class Service:
    """Jobs, and a record of every call: `(verb, at_s, number of jobs)`."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.jobs: dict[str, Job] = {}
        self.tokens: dict[str, list[Job]] = {}
        self.calls: list[tuple[str, float, int]] = []
        self.fault: Callable[[str], HardpointError | HangError | None] = lambda verb: None
        self.ends: Callable[[CreateRequest], Status] = lambda request: Status(Phase.SUCCEEDED)
        self.requests: list[CreateRequest] = []
        self.sinks: list[StatusSink] = []
        self.cancel_works = True
        self.cancelled = Status(Phase.CANCELLED)
        self.kept: list[Kept] = []
        self.tells_outputs = True
        self.gated = False

    def called(self, verb: str, jobs: int = 1) -> None:
        self.calls.append((verb, self.time.at_s, jobs))
        fault = self.fault(verb)
        if fault is not None:
            raise fault

    def count(self, verb: str) -> int:
        return sum(1 for each, _, _ in self.calls if each == verb)

    def start(self, request: CreateRequest) -> Job:
        seconds = request.spec.config.get("seconds", 1.0)
        end = self.ends(request)
        if end.phase is Phase.SUCCEEDED and self.tells_outputs:
            end = Status(Phase.SUCCEEDED, outputs={"result": 7})
        job = Job(f"j{len(self.jobs) + 1}", request.token, self.time.at_s, self.time.at_s + seconds, end)
        self.jobs[job.id] = job
        self.tokens.setdefault(request.token, []).append(job)
        return job

    def of_token(self, token: str) -> list[Job]:
        return self.tokens.get(token, [])

    @property
    def running(self) -> list[str]:
        return [job.id for job in self.jobs.values() if job.status(self.time.at_s).phase is Phase.RUNNING]


def account_of(request: CreateRequest) -> str:
    """Whose job it is: its config may say."""
    return str(request.spec.config.get("account", "account"))


class Handler:
    """Finds its service in the class: a context has no place for it."""

    service: Service

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        self.service.called("prepare")
        return Prepared(account_of(request))

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        if self.service.gated:
            with context.calls.write():
                return self._create(request)
        return self._create(request)

    def _create(self, request: CreateRequest) -> JobRef:
        self.service.requests.append(request)
        try:
            self.service.called("create")
        except LostReply:
            self.service.start(request)
            raise
        found = self.service.of_token(request.token) if self.repeatable else []
        return JobRef((found or [self.service.start(request)])[0].id, account_of(request))

    repeatable = True

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        self.service.called("find")
        found = self.service.of_token(request.token)
        return JobRef(found[0].id, account_of(request)) if found else None

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        self.service.called("poll", len(jobs))
        known, at_s = self.service.jobs, self.service.time.at_s
        return {
            job.id: known[job.id].status(at_s) if job.id in known else Status(Phase.ABSENT) for job in jobs
        }

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        self.service.called("outputs")
        return {"result": 7}

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        self.service.called("cancel")
        found = self.service.jobs.get(job.id)
        if found is not None and self.service.cancel_works and found.ends_s > self.service.time.at_s:
            found.ends_s, found.end = self.service.time.at_s, self.service.cancelled


class LostReply(TransientError):
    """The job was started, and nobody heard of it."""


class SearchHandler(Handler):
    """A service without an identity of ours: two creates are two jobs."""

    repeatable = False

    def duplicates(self, context: Context, kept: Sequence[Kept]) -> Sequence[JobRef]:
        self.service.kept = list(kept)
        self.service.called("duplicates")
        running, ours = self.service.running, {each.job.id for each in kept}
        others = [
            job for each in kept for job in self.service.of_token(each.request.token) if job.id not in ours
        ]
        return [JobRef(job.id, "account") for job in others if job.id in running]


class PushingHandler(Handler):
    """A service that tells by itself; the test calls its sinks."""

    def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
        self.service.called("watch")
        self.service.sinks.append(sink)


class Lab:
    """Runs workflows of independent jobs; every node has the spec that the test gives it.

    Args:
        policy: How often to poll; None: as a plugin that says nothing.
        latency_s: How long every call takes.
        rates: What the plugin declares.
        **declared: Further fields of the task types.
    """

    def __init__(
        self,
        policy: PollPolicy | None = None,
        latency_s: float = 0.05,
        rates: Sequence[RateLimit] = (),
        **declared: Any,
    ) -> None:
        self.time = Time()
        self.service = service = Service(self.time)
        self.pool = Pool(self.time)
        self.latency_s = latency_s
        self.journal = MemoryJournal()
        self.runs = 0

        class Plugin:
            @hookimpl
            def task_types(self) -> Iterable[TaskType]:
                for name, made, idempotency in (
                    ("job", Handler, Idempotency.TOKEN),
                    ("search", SearchHandler, Idempotency.SEARCH),
                    ("push", PushingHandler, Idempotency.TOKEN),
                ):
                    handler = type(made.__name__, (made,), {"service": service})
                    yield TaskType(
                        name,
                        Shape.JOB,
                        handler,
                        idempotency=idempotency,
                        settling_delay_s=2.0,
                        poll=policy or PollPolicy(),
                        **declared,
                    )

            @hookimpl
            def resource_pools(self) -> Iterable[ResourcePool]:
                return [ResourcePool("one", 1), ResourcePool("four", 4)]

            @hookimpl
            def rate_limits(self) -> Iterable[RateLimit]:
                return rates

        self._plugin = Plugin()
        self.begin()

    def begin(self, owner: str = "first") -> None:
        """A new engine, as after a restart of the process."""
        self.pool = Pool(self.time)
        pool = self.pool
        self.steps = Steps(self.time, pool.wake, self.latency_s)
        self.engine = Engine(
            journal=self.journal,
            registry=Registry((), {"lab": self._plugin}),
            pool=pool,
            steps=self.steps,
            store=MemoryStore(),
            outputs_uri="lab://outputs",
            clock=self.time,
            dice=random.Random(7),
            owner=owner,
            adopted=lambda run: None,
        )
        self.engine.begin()

    def spec(self, seconds: float = 1.0, type: str = "job", **fields: Any) -> TaskSpec:
        return TaskSpec("flow.py:work", type, "v1", NUMBER, {"seconds": seconds}, **fields)

    def submit(
        self, *specs: TaskSpec, project: str = "p", priority: int = 0, max_parallelism: int = 0
    ) -> Run:
        """One node for each spec: `n0`, `n1`, …"""
        nodes = tuple(Node(f"n{i}", f"t{i}") for i in range(len(specs)))
        outputs: dict[str, Binding] = {"result": FromNode("n0", "result")}
        body = WorkflowBody("flow", NUMBER, nodes, outputs)
        tasks = {f"t{i}": spec for i, spec in enumerate(specs)}
        compiled = CompiledWorkflow("flow", {"flow": body}, tasks)
        self.runs += 1
        now = self.time.now()
        row = ExecutionRow(
            f"run{self.runs}",
            "flow",
            compiled.digest,
            project,
            "d",
            RunPhase.RUNNING,
            now,
            owner=self.engine.owner,
            fence=1,
            lease_until=now + LEASE_S,
        )
        submitted = Submitted(
            now,
            "flow",
            compiled.digest,
            {},
            "",
            project,
            "d",
            priority=priority,
            max_parallelism=max_parallelism,
        )
        self.journal.create(row, compiled.to_json(), [submitted])
        run = Run(row, compiled, flatten(compiled), [submitted])
        self.engine.adopt(run)
        return run

    def take_over(self, run: Run, *, resume: bool = False) -> Run:
        """Adopt a run from its journal with this lab's present engine, whoever holds it."""
        self.time.at_s += LEASE_S + 1
        row = self.journal.claim(run.id, self.engine.owner, self.time.now())
        assert row is not None
        again = Run(row, run.compiled, run.graph, self.journal.read(run.id))
        self.engine.adopt(again, resume=resume)
        return again

    def turn_until(self, reached: Callable[[], bool], limit_s: float = 1e9) -> None:
        """Let the engine turn until something holds; fails after so many virtual seconds."""
        until_s = self.time.at_s + limit_s
        while not reached():
            assert self.time.at_s < until_s, f"not reached in {limit_s} s"
            assert not self.engine.stopped, self.engine.failure
            self.engine.turn()

    def turn_for(self, seconds: float) -> None:
        """Let the engine turn for so long."""
        until_s = self.time.at_s + seconds
        self.time.after(seconds, self.pool.wake)
        self.turn_until(lambda: self.time.at_s >= until_s)

    def finish(self, run: Run, limit_s: float = 1e9) -> RunPhase:
        """Let the run end."""
        self.turn_until(run.future.done, limit_s)
        return run.future.result().phase

    def events(self, run: Run, *kinds: type[Event]) -> list[Any]:
        """What is journaled of a run, of some kinds."""
        return [event for event in self.journal.read(run.id) if not kinds or isinstance(event, kinds)]

    def node(self, run: Run, id: str = "n0") -> NodeRun:
        return run.state.nodes[id]


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def new_lab() -> type[Lab]:
    return Lab
