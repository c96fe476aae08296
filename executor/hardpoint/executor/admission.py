"""What is checked before a run is accepted: its task types are installed and take its tasks."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.plugin_api import Idempotency, Shape, TaskSpec, TaskType, UsageError
from hardpoint.registry import Registry

ACCEPTS_REPEATS = "at_least_once"
"""The config field by which an author accepts that a crash may start a job twice."""

_WHERE_CODE_LIES = ("file", "qualname", "module")


class TaskRefusedError(UsageError):
    """A task is not one that its task type can run as it stands."""


def check_tasks(registry: Registry, compiled: CompiledWorkflow) -> None:
    """Resolve every task type of a workflow and check each task's config; report all problems together.

    Raises:
        HardpointError: A task type is not installed, or its plugin is broken.
        TaskRefusedError: A config does not fit, or a promise is missing that the task needs.
    """
    registry.require({spec.type for spec in compiled.tasks.values()})
    problems = [
        problem
        for spec in compiled.tasks.values()
        for problem in _problems(spec, registry.task_type(spec.type))
    ]
    if problems:
        messages = "\n".join(message for message, _ in problems)
        raise TaskRefusedError(messages, hint=problems[0][1])


def misfit_of(registry: Registry, spec: TaskSpec) -> str:
    """Why a task's type cannot run it, in one line; empty if it can."""
    return "; ".join(message for message, _ in _problems(spec, registry.task_type(spec.type)))


def _problems(spec: TaskSpec, task_type: TaskType) -> Iterator[tuple[str, str]]:
    where = f"Task `{spec.name}` of type `{spec.type}`"
    repeats = spec.config.get(ACCEPTS_REPEATS) is True
    if task_type.shape is not Shape.FUNCTION and task_type.idempotency is Idempotency.NONE and not repeats:
        yield (
            f"{where}: its service cannot tell a repeated create, so a crash may start a job twice",
            f"Accept that with `{ACCEPTS_REPEATS}=True` in the task's config, if it does no harm",
        )
    fields = {field.name for field in msgspec.structs.fields(task_type.config)}
    # `@task(config=...)` adds where its function lies; a schema need not know of that.
    config = {
        name: value for name, value in spec.config.items() if name in fields or name not in _WHERE_CODE_LIES
    }
    try:
        task_type.check_config(config)
    except msgspec.ValidationError as error:
        yield (
            f"{where}: its config does not fit: {error}",
            f"`hardpoint plugins show {spec.type}` lists its fields",
        )
