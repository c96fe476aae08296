"""One call into a job plugin each, and its answer as data.

A plugin's exception never travels further than its step: it becomes an `ErrorInfo` of the class that
decides what happens next. Each task type has threads of its own, so a plugin that is slow or stuck
holds up nobody else.
"""

from __future__ import annotations

import queue
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    ErrorInfo,
    ErrorKind,
    HardpointError,
    Idempotency,
    JobRef,
    Prepared,
    Status,
    TaskType,
    Wire,
)
from hardpoint.plugin_api.literal_rules import problem
from hardpoint.registry import Registry

T = TypeVar("T")

THREADS_PER_TYPE = 8


class Answer(msgspec.Struct, Generic[T]):
    """What a step brought back: a value, or what went wrong."""

    value: T | None = None
    error: ErrorInfo | None = None


class StepRunner(Protocol):
    """Runs steps and brings their answers back to the engine's thread."""

    def submit(self, group: str, step: Callable[[], Any], then: Callable[[Answer[Any]], None]) -> None:
        """Run `step` with others of its group; later call `then` from `deliver`."""

    def deliver(self) -> int:
        """Call `then` of every step that has ended; return how many."""

    def close(self) -> None:
        """Start nothing more; do not wait for steps that are stuck."""


def guarded(step: Callable[[], T]) -> Answer[T]:
    """Run a step; whatever it raises becomes data.

    >>> guarded(lambda: 1 / 0).error.code
    'ZeroDivisionError'
    """
    try:
        return Answer(value=step())
    except HardpointError as error:
        return Answer(error=error.info())
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Answer(
            error=ErrorInfo(
                code=type(error).__name__,
                message=f"{error} (raised at {last.name}:{last.lineno})",
                kind=ErrorKind.SYSTEM,
                hint="A plugin classes its service's errors itself; report this to the plugin's author",
                traceback="".join(traceback.format_exception(error)),
            )
        )


class StepThreads:
    """See `StepRunner`: a bounded pool of threads for each group.

    Args:
        wake: Called, from a step's thread, when an answer waits to be delivered.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._groups: dict[str, ThreadPoolExecutor] = {}
        self._answers: queue.SimpleQueue[tuple[Callable[[Answer[Any]], None], Answer[Any]]]
        self._answers = queue.SimpleQueue()

    def submit(self, group: str, step: Callable[[], Any], then: Callable[[Answer[Any]], None]) -> None:
        """See `StepRunner.submit`."""
        threads = self._groups.get(group)
        if threads is None:
            name = f"hardpoint-{group}"
            threads = self._groups[group] = ThreadPoolExecutor(THREADS_PER_TYPE, thread_name_prefix=name)
        threads.submit(self._run, step, then)

    def _run(self, step: Callable[[], Any], then: Callable[[Answer[Any]], None]) -> None:
        self._answers.put((then, guarded(step)))
        self._wake()

    def deliver(self) -> int:
        """See `StepRunner.deliver`."""
        count = 0
        while True:
            try:
                then, answer = self._answers.get_nowait()
            except queue.Empty:
                return count
            then(answer)
            count += 1

    def close(self) -> None:
        """See `StepRunner.close`."""
        for threads in self._groups.values():
            threads.shutdown(wait=False, cancel_futures=True)


class JobCalls:
    """The verbs of one job-shaped task type, with its promises checked."""

    def __init__(self, registry: Registry, task_type: TaskType, context: Context) -> None:
        self.task_type = task_type
        self._registry = registry
        self._context = context

    @property
    def _handler(self) -> Any:
        return self._registry.handler(self.task_type.name)

    def prepare(self, request: CreateRequest) -> Prepared:
        """Ask what the attempt will hold."""
        return _expect(Prepared, self._handler.prepare(self._context, request), "prepare", self.task_type)

    def create(self, request: CreateRequest) -> JobRef:
        """Start the job for the first time."""
        made = self._registry.create_job(self.task_type.name, self._context, request)
        return _expect(JobRef, made, "create", self.task_type)

    def settle(self, request: CreateRequest) -> JobRef:
        """Create again under the same token, after a create whose outcome is unknown."""
        if self.task_type.idempotency is Idempotency.SEARCH:
            found = self.find(request)
            if found is not None:
                return found
        return self.create(request)

    def find(self, request: CreateRequest) -> JobRef | None:
        """The job of this token, if the service shows one."""
        found = self._handler.find(self._context, request)
        return None if found is None else _expect(JobRef, found, "find", self.task_type)

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Status]:
        """Statuses by job id; jobs that the answer leaves out are asked for again."""
        answer = self._registry.poll_jobs(self.task_type.name, self._context, jobs)
        statuses = _expect(dict, answer, "poll_many", self.task_type)
        return {job: _expect(Status, status, "poll_many", self.task_type) for job, status in statuses.items()}

    def outputs(self, request: CreateRequest, job: JobRef) -> dict[str, Wire]:
        """Outputs of a job that succeeded, checked against the interface."""
        found = dict(self._handler.outputs(self._context, request, job))
        wrong = outputs_problem(request.spec.interface.outputs, found)
        if wrong:
            raise PluginOutputError(f"Task type `{self.task_type.name}` of node `{request.node}`: {wrong}")
        return found

    def cancel(self, job: JobRef, reason: str) -> bool:
        """Ask for the end of a job."""
        self._registry.cancel_job(self.task_type.name, self._context, job, reason)
        return True


class PluginOutputError(HardpointError):
    """A plugin returned outputs that its task's interface does not have."""

    kind = ErrorKind.CONTRACT


def outputs_problem(expected: Sequence[Any], found: Mapping[str, Wire]) -> str:
    """Say how outputs differ from an interface; empty if they fit."""
    names = {variable.name for variable in expected}
    if names != set(found):
        missing, extra = sorted(names - set(found)), sorted(set(found) - names)
        parts = [f"lacks output `{name}`" for name in missing] + [f"has no output `{name}`" for name in extra]
        return "; ".join(parts)
    for variable in expected:
        wrong = problem(variable.type, found[variable.name])
        if wrong:
            return f"output `{variable.name}`: {wrong}"
    return ""


def _expect(wanted: type[T], value: Any, verb: str, task_type: TaskType) -> T:
    if not isinstance(value, wanted):
        raise PluginOutputError(
            f"`{verb}` of task type `{task_type.name}` returned `{type(value).__name__}`, "
            f"not `{wanted.__name__}`",
            hint="Report this to the plugin's author",
        )
    return value
