"""Every hook, in the order the host calls them.

A hook *declares* (called once, when the plugin is loaded), *dispatches* (wraps the call that does the
work) or *observes* (its result is ignored; raising is logged and the run goes on). An implementation
may accept fewer arguments than the spec, so a minor release may add some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pluggy

from hardpoint.plugin_api.context import Context, FunctionContext, Inputs, Outputs
from hardpoint.plugin_api.declare import TaskType
from hardpoint.plugin_api.handler import CreateRequest, FunctionHandler, JobHandler, JobRef
from hardpoint.plugin_api.observe import JournaledEvent
from hardpoint.plugin_api.phase import Status
from hardpoint.plugin_api.resources import RateLimit, ResourcePool

PROJECT_NAME = "hardpoint"
hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec
def task_types() -> Iterable[TaskType]:  # type: ignore[empty-body]
    """Declare: the kinds of task this plugin runs.

    Example:
        ```python
        @hookimpl
        def task_types(self):
            return [TaskType("notebook", Shape.FUNCTION, NotebookHandler, config=NotebookConfig)]
        ```
    """


@hookspec
def resource_pools() -> Iterable[ResourcePool]:  # type: ignore[empty-body]
    """Declare: the quotas that attempts of this plugin hold.

    Example:
        ```python
        @hookimpl
        def resource_pools(self):
            return [ResourcePool("athena:*", capacity=20)]
        ```
    """


@hookspec
def rate_limits() -> Iterable[RateLimit]:  # type: ignore[empty-body]
    """Declare: how often the service may be called.

    Example:
        ```python
        @hookimpl
        def rate_limits(self):
            return [RateLimit("athena:*", reads_per_s=10, writes_per_s=5)]
        ```
    """


@hookspec(firstresult=True)
def run_function(handler: FunctionHandler, context: FunctionContext, inputs: Inputs) -> Outputs | None:
    """Dispatch: run one attempt in a worker process. The host's own implementation calls `handler.run`.

    Example:
        ```python
        @hookimpl(wrapper=True)
        def run_function(self, context):
            with tracer.start_span(context.node):
                return (yield)
        ```
    """


@hookspec(firstresult=True)
def create_job(handler: JobHandler, context: Context, request: CreateRequest) -> JobRef | None:
    """Dispatch: start the external job of one attempt. The host's own implementation calls `handler.create`.

    Example:
        ```python
        @hookimpl(wrapper=True)
        def create_job(self, request):
            if request.spec.config.get("bytes", 0) > LIMIT:
                raise UserError("too large")
            return (yield)
        ```
    """


@hookspec(firstresult=True)
def poll_jobs(handler: JobHandler, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status] | None:
    """Dispatch: ask for the statuses of jobs of one account. The host calls `handler.poll_many`.

    Example:
        ```python
        @hookimpl(wrapper=True)
        def poll_jobs(self, jobs):
            started = time.perf_counter()
            statuses = yield
            POLL_SECONDS.record(time.perf_counter() - started)
            return statuses
        ```
    """


@hookspec(firstresult=True)
def cancel_job(handler: JobHandler, context: Context, job: JobRef, reason: str) -> bool | None:
    """Dispatch: ask for the end of a job. The host's own implementation calls `handler.cancel`.

    Example:
        ```python
        @hookimpl(wrapper=True)
        def cancel_job(self, job, reason):
            audit.info("cancel %s: %s", job.id, reason)
            return (yield)
        ```
    """


@hookspec
def events_journaled(events: Sequence[JournaledEvent]) -> None:
    """Observe: facts that the journal already holds, in order, at least once; `event.id` tells repeats.

    Example:
        ```python
        @hookimpl
        def events_journaled(self, events):
            for event in events:
                if event.kind == "ExecutionEnded":
                    notify(event.execution, event.data["phase"])
        ```
    """
