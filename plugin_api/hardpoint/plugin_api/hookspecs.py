"""Every hook, in the order of a node's life.

A hook *declares* (called once, when the plugin is loaded), *decides* (before a run is accepted),
*dispatches* (wraps the call that does the work) or *observes* (its result is ignored). An implementation
may accept fewer arguments than the spec, so a minor release may add some.

Plugins are called one at a time, each within `BUDGET_S`. One that raises or is slow is passed over, and
after `FAILURES_MAX` failures in a row it is not called again for `COOLING_S`: only its own work suffers,
and `hardpoint plugins doctor` names it. What a `Refusal` refuses stays refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pluggy

from hardpoint.plugin_api.context import Context, FunctionContext, Inputs, Outputs
from hardpoint.plugin_api.decide import AdmissionRequest, Candidate, Refusal
from hardpoint.plugin_api.declare import TaskType
from hardpoint.plugin_api.extend import (
    CliCommand,
    EventSink,
    Finding,
    Importer,
    LiteralCodec,
    LogLink,
    SecretSource,
)
from hardpoint.plugin_api.handler import CreateRequest, FunctionHandler, JobHandler, JobRef
from hardpoint.plugin_api.observe import JournaledEvent
from hardpoint.plugin_api.phase import Status
from hardpoint.plugin_api.resources import RateLimit, ResourcePool
from hardpoint.plugin_api.task import TaskSpec

PROJECT_NAME = "hardpoint"
hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)

BUDGET_S = 1.0
"""How long one plugin may take to decide."""
FAILURES_MAX = 3
"""So many failures in a row stop a plugin from being asked."""
COOLING_S = 60.0
"""After so long it is asked again."""


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


@hookspec
def literal_types() -> Iterable[LiteralCodec]:  # type: ignore[empty-body]
    """Declare: Python classes whose values this plugin can carry across a boundary.

    Found without loading the plugin by an entry point in the group `hardpoint.types`, one for each class,
    named like it: `"shapely:Point" = "hardpoint_shapely:plugin"`.

    Example:
        ```python
        @hookimpl
        def literal_types(self):
            return [LiteralCodec("shapely:Point", SimpleType(SimpleKind.STR), to_wkt, from_wkt)]
        ```
    """


@hookspec
def event_sinks() -> Iterable[EventSink]:  # type: ignore[empty-body]
    """Declare: where events go, each with a position of its own.

    Example:
        ```python
        @hookimpl
        def event_sinks(self):
            return [EventSink("audit", write_rows, kinds=("Submitted", "Ended"))]
        ```
    """


@hookspec
def secret_sources() -> Iterable[SecretSource]:  # type: ignore[empty-body]
    """Declare: where secrets come from that are in no variable and no file.

    Example:
        ```python
        @hookimpl
        def secret_sources(self):
            return [SecretSource("vault", lambda name: client.read(f"secret/{name}"))]
        ```
    """


@hookspec
def log_links() -> Iterable[LogLink]:  # type: ignore[empty-body]
    """Declare: links that the views show beside attempts.

    Example:
        ```python
        @hookimpl
        def log_links(self):
            return [LogLink("Logs", "https://logs.example/?job={job}")]
        ```
    """


@hookspec
def cli_commands() -> Iterable[CliCommand]:  # type: ignore[empty-body]
    """Declare: commands that `hardpoint` gets.

    Example:
        ```python
        @hookimpl
        def cli_commands(self):
            return [CliCommand("athena", "Look at workgroups", main)]
        ```
    """


@hookspec
def importers() -> Iterable[Importer]:  # type: ignore[empty-body]
    """Declare: files of other systems that can be run as workflows.

    Example:
        ```python
        @hookimpl
        def importers(self):
            return [Importer("argo", (".argo.yaml",), "Argo Workflows", load)]
        ```
    """


@hookspec
def diagnose(context: Context) -> Iterable[Finding]:  # type: ignore[empty-body]
    """Declare: whether this plugin could work now: credentials, permissions, the service, its quota.

    Called by `hardpoint plugins doctor` only; it may call the service, and changes nothing.

    Example:
        ```python
        @hookimpl
        def diagnose(self, context):
            with context.calls.read():
                who = client(context.secret("athena")).whoami()
            return [Finding(Severity.OK, "credentials", f"signed in as {who}")]
        ```
    """


@hookspec
def choose_plugin(task_type: str, candidates: Sequence[Candidate]) -> str | None:
    """Decide: which distribution runs a task type that several offer; None leaves it to others.

    Without an answer a task type that several offer is an error.

    Example:
        ```python
        @hookimpl
        def choose_plugin(self, task_type, candidates):
            return "acme-spark" if task_type == "spark" else None
        ```
    """


@hookspec
def admit_execution(request: AdmissionRequest) -> Refusal | None:
    """Decide: whether a run is accepted; None has nothing against it. The first `Refusal` counts.

    Example:
        ```python
        @hookimpl
        def admit_execution(self, request):
            if request.domain == "production" and not is_release(request.digest):
                return Refusal(f"`{request.workflow}` is no release", "Run `make release` first")
        ```
    """


@hookspec
def rewrite_task(spec: TaskSpec, request: AdmissionRequest) -> TaskSpec | Refusal | None:
    """Decide: what a task of an accepted run is really run with; None leaves it as it is.

    Asked once for each task when the run is submitted; plugins are asked in the order of their names, each
    with what the one before made of it. Name, type and interface of a task cannot be changed. `BUDGET_S` is
    for all tasks of a run together, and a plugin that fails at one of them has changed none.

    Example:
        ```python
        @hookimpl
        def rewrite_task(self, spec, request):
            if spec.resources.gpu and request.project != "research":
                return Refusal(f"`{spec.name}` wants a GPU", "Ask for project `research`")
            return msgspec.structs.replace(spec, config={**spec.config, "workgroup": request.project})
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
                if event.kind == "Ended":
                    notify(event.execution, event.data["phase"])
        ```
    """
