"""The verbs of an array-shaped task type, with the plugin's promises about their answers checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hardpoint.executor.engine.job_calls import expect, mapping
from hardpoint.executor.engine.plugin_values import (
    PluginOutputError,
    own_inputs,
    own_request,
    plain,
    with_sound_usage,
)
from hardpoint.executor.engine.steps import outputs_problem
from hardpoint.plugin_api import (
    ArrayStatus,
    Context,
    CreateRequest,
    Idempotency,
    Inputs,
    JobRef,
    Kept,
    Phase,
    Prepared,
    TaskType,
    Wire,
)
from hardpoint.registry import Registry


class ArrayCalls:
    """What may be asked of one task type; called in steps, from any of its threads."""

    def __init__(self, registry: Registry, task_type: TaskType, context: Context) -> None:
        self.task_type = task_type
        self._registry = registry
        self._context = context

    @property
    def _handler(self) -> Any:
        return self._registry.handler(self.task_type.name)

    def prepare(self, request: CreateRequest) -> Prepared:
        """Ask what each item will hold."""
        made = self._handler.prepare(self._context, own_request(request))
        return expect(Prepared, made, "prepare", self.task_type)

    @property
    def sweeps(self) -> bool:
        """Whether the handler can tell which jobs of one token are too many."""
        wanted = self.task_type.idempotency is Idempotency.SEARCH
        return wanted and callable(getattr(self._handler, "duplicates", None))

    def duplicates(self, kept: Sequence[Kept]) -> list[JobRef]:
        """Arrays that are too many: of the tokens of these, and none of these."""
        asked = [Kept(own_request(each.request), each.job) for each in kept]
        found = self._handler.duplicates(self._context, asked)
        extra = [expect(JobRef, each, "duplicates", self.task_type) for each in found]
        ours = {each.job.id for each in kept}
        return [each for each in extra if each.id not in ours]

    def create(self, request: CreateRequest, items: Sequence[Inputs]) -> JobRef:
        """Start one job with an item for each of `items`, for the first time."""
        made = self._handler.create_array(self._context, own_request(request), own_inputs(items))
        return expect(JobRef, made, "create_array", self.task_type)

    def settle(self, request: CreateRequest, items: Sequence[Inputs]) -> JobRef:
        """Create again under the same token, after a create whose outcome is unknown."""
        if self.task_type.idempotency is Idempotency.SEARCH:
            found = self.find(request)
            if found is not None:
                return found
        return self.create(request, items)

    def find(self, request: CreateRequest) -> JobRef | None:
        """The array of this token, if the service shows one."""
        found = self._handler.find(self._context, own_request(request))
        return None if found is None else expect(JobRef, found, "find", self.task_type)

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, ArrayStatus]:
        """States of all items by job id; jobs that the answer leaves out are asked for again."""
        answer = mapping(self._handler.poll_arrays(self._context, list(jobs)), "poll_arrays", self.task_type)
        name = self.task_type.name
        told = ((job, _plain_status(status, name)) for job, status in answer.items())
        return {job: status for job, status in told if status is not None}

    def ended(self, job: JobRef) -> bool:
        """Whether the service confirms that an array runs no more."""
        status = self.poll([job]).get(job.id)
        return status is not None and (status.phase.terminal or status.phase is Phase.ABSENT)

    def item_outputs(
        self, request: CreateRequest, job: JobRef, indices: Iterable[int]
    ) -> dict[int, dict[str, Wire] | PluginOutputError]:
        """Outputs of items that succeeded; of one whose outputs do not fit the interface, what is wrong."""
        wanted = list(indices)
        found = self._handler.item_outputs(self._context, job, wanted)
        answer = mapping(found, "item_outputs", self.task_type)
        return {index: self._checked(request, index, answer.get(index)) for index in wanted}

    def _checked(self, request: CreateRequest, index: int, found: Any) -> dict[str, Wire] | PluginOutputError:
        where = f"Task type `{self.task_type.name}`, item {index} of `{request.node}`"
        if not isinstance(found, Mapping):
            return PluginOutputError(f"{where}: `item_outputs` returned nothing for it")
        try:
            sound = plain(dict(found), dict)
            wrong = outputs_problem(request.spec.interface.outputs, sound)
        except Exception as error:  # one item's outputs are nothing to the others
            return PluginOutputError(f"{where}: {error}")
        return PluginOutputError(f"{where}: {wrong}") if wrong else sound

    def cancel(self, job: JobRef, reason: str) -> bool:
        """Ask for the end of a whole array."""
        self._registry.cancel_job(self.task_type.name, self._context, job, reason)
        return True


def _plain_status(status: Any, task_type: str) -> ArrayStatus | None:
    try:
        found: ArrayStatus = plain(with_sound_usage(status, task_type), ArrayStatus)
    except PluginOutputError:
        return None
    return found


class ChunkCalls:
    """The verbs of a task type for one chunk: as for a job, since the chunk knows its items.

    Args:
        calls: Of the task type.
        items: Inputs of each item, in the chunk's order.
    """

    def __init__(self, calls: ArrayCalls, items: Sequence[Inputs]) -> None:
        self._calls = calls
        self._items = items

    def create(self, request: CreateRequest) -> JobRef:
        """Start the array for the first time."""
        return self._calls.create(request, self._items)

    def settle(self, request: CreateRequest) -> JobRef:
        """Create again under the same token, after a create whose outcome is unknown."""
        return self._calls.settle(request, self._items)

    def find(self, request: CreateRequest) -> JobRef | None:
        """The array of this token, if the service shows one."""
        return self._calls.find(request)

    def cancel(self, job: JobRef, reason: str) -> bool:
        """Ask for the end of the whole array."""
        return self._calls.cancel(job, reason)
