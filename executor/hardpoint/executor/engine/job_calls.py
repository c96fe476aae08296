"""The verbs of a job-shaped task type, with the plugin's promises about their answers checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hardpoint.executor.engine.plugin_values import PluginOutputError, own_request, plain, plain_status
from hardpoint.executor.engine.steps import outputs_problem
from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    Idempotency,
    JobRef,
    Kept,
    Phase,
    Prepared,
    Status,
    StatusSink,
    TaskType,
    Wire,
)
from hardpoint.registry import Registry

T = TypeVar("T")

logger = logging.getLogger("hardpoint.engine")


class JobCalls:
    """What may be asked of one task type; called in steps, from any of its threads."""

    def __init__(self, registry: Registry, task_type: TaskType, context: Context) -> None:
        self.task_type = task_type
        self._registry = registry
        self._context = context
        self._said = False

    @property
    def _handler(self) -> Any:
        return self._registry.handler(self.task_type.name)

    def prepare(self, request: CreateRequest) -> Prepared:
        """Ask what the attempt will hold."""
        made = self._handler.prepare(self._context, own_request(request))
        return expect(Prepared, made, "prepare", self.task_type)

    def create(self, request: CreateRequest) -> JobRef:
        """Start the job for the first time."""
        made = self._registry.create_job(self.task_type.name, self._context, own_request(request))
        return expect(JobRef, made, "create", self.task_type)

    def settle(self, request: CreateRequest) -> JobRef:
        """Create again under the same token, after a create whose outcome is unknown."""
        if self.task_type.idempotency is Idempotency.SEARCH:
            found = self.find(request)
            if found is not None:
                return found
        return self.create(request)

    def find(self, request: CreateRequest) -> JobRef | None:
        """The job of this token, if the service shows one."""
        found = self._handler.find(self._context, own_request(request))
        return None if found is None else expect(JobRef, found, "find", self.task_type)

    @property
    def sweeps(self) -> bool:
        """Whether the handler can tell which jobs of one token are too many."""
        wanted = self.task_type.idempotency is Idempotency.SEARCH
        return wanted and callable(getattr(self._handler, "duplicates", None))

    def duplicates(self, kept: Sequence[Kept]) -> list[JobRef]:
        """Jobs that are too many: of the tokens of these, and none of these."""
        asked = [Kept(own_request(each.request), each.job) for each in kept]
        found = self._handler.duplicates(self._context, asked)
        extra = [expect(JobRef, each, "duplicates", self.task_type) for each in found]
        ours = {each.job.id for each in kept}
        return [each for each in extra if each.id not in ours]

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Status]:
        """Statuses by job id; jobs that the answer leaves out are asked for again."""
        answer = self._registry.poll_jobs(self.task_type.name, self._context, list(jobs))
        statuses = _statuses(mapping(answer, "poll_many", self.task_type), self.task_type.name)
        if len(statuses) < len(answer) and not self._said:
            self._said = True
            # One wrong status must not freeze the other jobs of its batch.
            logger.warning("task type %s returned statuses that are none; asked again", self.task_type.name)
        return statuses

    def ended(self, job: JobRef) -> bool:
        """Whether the service confirms that a job runs no more."""
        status = self.poll([job]).get(job.id)
        return status is not None and (status.phase.terminal or status.phase is Phase.ABSENT)

    def outputs(self, request: CreateRequest, job: JobRef) -> dict[str, Wire]:
        """Outputs of a job that succeeded, checked against the interface."""
        found = dict(self._handler.outputs(self._context, own_request(request), job))
        found = expect(dict, found, "outputs", self.task_type)
        wrong = outputs_problem(request.spec.interface.outputs, found)
        if wrong:
            raise PluginOutputError(f"Task type `{self.task_type.name}` of node `{request.node}`: {wrong}")
        return found

    def cancel(self, job: JobRef, reason: str) -> bool:
        """Ask for the end of a job."""
        self._registry.cancel_job(self.task_type.name, self._context, job, reason)
        return True

    @property
    def pushes(self) -> bool:
        """Whether the handler has a stream of statuses."""
        return callable(getattr(self._handler, "watch", None))

    def watch(self, job: JobRef, sink: StatusSink) -> None:
        """Deliver statuses of the job's account until the stream ends."""

        def checked(id: str, status: Status) -> None:
            sound = plain_status(status, self.task_type.name)
            if sound is None or not isinstance(id, str):
                raise PluginOutputError(
                    f"`watch` of task type `{self.task_type.name}` told `{type(status).__name__}` "
                    f"of a `{type(id).__name__}`, not a `Status` of a job's id",
                    hint="Report this to the plugin's author",
                )
            sink(id, sound)

        self._handler.watch(self._context, job, checked)


def _statuses(answer: Mapping[Any, Any], task_type: str) -> dict[str, Status]:
    found: dict[str, Status] = {}
    sound: object = None
    for job, status in answer.items():
        # Most of what a poll brings is one object of the plugin's, again and again.
        if status is not sound or sound is None:
            status = sound = plain_status(status, task_type)
        if status is not None:
            found[job] = status
    return found


def mapping(value: Any, verb: str, task_type: TaskType) -> Mapping[Any, Any]:
    """The value, if it is a mapping; else raises `PluginOutputError`."""
    return value if isinstance(value, Mapping) else expect(dict, value, verb, task_type)


def expect(wanted: type[T], value: Any, verb: str, task_type: TaskType) -> T:
    """The value, if it is what the verb promises; else raises `PluginOutputError`."""
    if not isinstance(value, wanted):
        raise PluginOutputError(
            f"`{verb}` of task type `{task_type.name}` returned `{type(value).__name__}`, "
            f"not `{wanted.__name__}`",
            hint="Report this to the plugin's author",
        )
    try:
        return plain(value, wanted)
    except PluginOutputError as error:
        raise PluginOutputError(
            f"`{verb}` of task type `{task_type.name}` returned {error.message}",
            hint="Report this to the plugin's author",
        ) from None
