"""Calls into the handler of one task type, through the wrappers that apply to it.

Wrappers are resolved once for each task type. Where there are none the handler is called directly, so
that a plain installation pays nothing for the possibility.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from hardpoint.plugin_api import (
    AnyHandler,
    Context,
    ContractViolation,
    CreateRequest,
    FunctionContext,
    FunctionHandler,
    Inputs,
    JobHandler,
    JobRef,
    Outputs,
    Shape,
    Status,
    TaskType,
    hookimpl,
)
from hardpoint.registry.layer import Layer
from hardpoint.registry.plugin import LoadedPlugin, new_manager


class HostDispatch:
    """The host's own implementations of the dispatching hooks; `trylast` puts them below every plugin's."""

    @hookimpl(trylast=True)
    def run_function(self, handler: FunctionHandler, context: FunctionContext, inputs: Inputs) -> Outputs:
        """Run the function."""
        return handler.run(context, inputs)

    @hookimpl(trylast=True)
    def create_job(self, handler: JobHandler, context: Context, request: CreateRequest) -> JobRef:
        """Start the job."""
        return handler.create(context, request)

    @hookimpl(trylast=True)
    def poll_jobs(
        self, handler: JobHandler, context: Context, jobs: Sequence[JobRef]
    ) -> Mapping[str, Status]:
        """Ask for the jobs' statuses."""
        return handler.poll_many(context, jobs)

    @hookimpl(trylast=True)
    def cancel_job(self, handler: JobHandler, context: Context, job: JobRef, reason: str) -> bool:
        """Ask for the end of the job."""
        handler.cancel(context, job, reason)
        return True


class Dispatcher:
    """The calls of one task type.

    Args:
        type: The task type.
        handler: What its factory made.
        plugins: Those whose implementations apply, innermost first: the type's own, then the global ones.
    """

    def __init__(self, type: TaskType, handler: AnyHandler, plugins: Sequence[LoadedPlugin]) -> None:
        self._type = type
        self.handler = handler
        manager = new_manager()
        manager.register(HostDispatch(), "hardpoint")
        own = [plugin for plugin in plugins if type.name in plugin.task_types]
        others = [plugin for plugin in plugins if type.name not in plugin.task_types]
        for plugin in own:
            manager.register(plugin.plugin, plugin.name)

        def wrapped(hook: str, fits: Callable[[object], bool]) -> Callable[..., Any] | None:
            call: Callable[..., Any] = getattr(manager.hook, hook)
            for plugin in others:
                if hook in plugin.implemented:
                    call = Layer(plugin, hook, call, fits)
            return call if any(hook in plugin.implemented for plugin in plugins) else None

        self._run_function = wrapped("run_function", lambda answer: isinstance(answer, Mapping))
        self._create_job = wrapped("create_job", lambda answer: isinstance(answer, JobRef))
        self._poll_jobs = wrapped("poll_jobs", lambda answer: isinstance(answer, Mapping))
        self._cancel_job = wrapped("cancel_job", lambda answer: True)

    def run_function(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """Run one attempt; outputs by name."""
        handler = self._function_handler()
        if self._run_function is None:
            outputs: object = handler.run(context, inputs)
        else:
            outputs = self._run_function(handler=handler, context=context, inputs=inputs)
        if not isinstance(outputs, Mapping):
            raise self._wrong("run", outputs, "a mapping of output names to values")
        return outputs

    def create_job(self, context: Context, request: CreateRequest) -> JobRef:
        """Start, or find, the external job of one attempt."""
        handler = self._job_handler(Shape.JOB)
        if self._create_job is None:
            job: object = handler.create(context, request)
        else:
            job = self._create_job(handler=handler, context=context, request=request)
        if not isinstance(job, JobRef):
            raise self._wrong("create", job, "a `JobRef`")
        return job

    def poll_jobs(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        """Statuses by job id; a job that is missing from it is unknown and asked for again."""
        handler = self._job_handler(Shape.JOB)
        if self._poll_jobs is None:
            statuses: object = handler.poll_many(context, jobs)
        else:
            statuses = self._poll_jobs(handler=handler, context=context, jobs=jobs)
        if not isinstance(statuses, Mapping):
            raise self._wrong("poll_many", statuses, "a mapping of job ids to `Status`")
        return statuses

    def cancel_job(self, context: Context, job: JobRef, reason: str) -> None:
        """Ask for the end of a job."""
        handler = self._job_handler(Shape.JOB, Shape.ARRAY)
        if self._cancel_job is None:
            handler.cancel(context, job, reason)
        else:
            self._cancel_job(handler=handler, context=context, job=job, reason=reason)

    def _function_handler(self) -> FunctionHandler:
        self._expect(Shape.FUNCTION)
        return cast(FunctionHandler, self.handler)

    def _job_handler(self, *shapes: Shape) -> JobHandler:
        self._expect(*shapes)
        return cast(JobHandler, self.handler)

    def _expect(self, *shapes: Shape) -> None:
        assert self._type.shape in shapes, f"task type `{self._type.name}` has shape {self._type.shape}"

    def _wrong(self, verb: str, value: object, wanted: str) -> ContractViolation:
        return ContractViolation(
            f"`{verb}` of task type `{self._type.name}` returned a `{type(value).__name__}`, not {wanted}",
            hint="Return it from the handler, and pass it on from every hook wrapper: `return (yield)`",
        )
