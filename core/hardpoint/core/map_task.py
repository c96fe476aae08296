"""`map_task`: make a task one that runs once for each item of lists."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, TypeVar, overload

from hardpoint.core.compile_errors import MapError, Place, did_you_mean, listed
from hardpoint.core.compiled import Mapped
from hardpoint.core.face import face_of
from hardpoint.core.frames import author_position
from hardpoint.core.map_call import MapTask
from hardpoint.core.map_checks import limit_problems
from hardpoint.core.promise import Ordered
from hardpoint.core.task import Task
from hardpoint.core.workflow import Workflow
from hardpoint.plugin_api import TaskDefinition, current_tracer

R = TypeVar("R")
N = TypeVar("N", bound=NamedTuple)


@overload
def map_task(
    task: Task[..., None] | functools.partial[None],
    *,
    concurrency: int = 0,
    min_success_ratio: float | None = None,
    min_successes: int | None = None,
) -> MapTask[None]: ...


@overload
def map_task(
    task: Task[..., N] | functools.partial[N],
    *,
    concurrency: int = 0,
    min_success_ratio: float | None = None,
    min_successes: int | None = None,
) -> MapTask[Any]: ...


@overload
def map_task(task: Task[..., R] | functools.partial[R], *, concurrency: int = 0) -> MapTask[list[R]]: ...


@overload
def map_task(
    task: Task[..., R] | functools.partial[R], *, concurrency: int = 0, min_success_ratio: float
) -> MapTask[list[R | None]]: ...


@overload
def map_task(
    task: Task[..., R] | functools.partial[R], *, concurrency: int = 0, min_successes: int
) -> MapTask[list[R | None]]: ...


@overload
def map_task(
    task: TaskDefinition,
    *,
    concurrency: int = 0,
    min_success_ratio: float | None = None,
    min_successes: int | None = None,
) -> MapTask[Any]: ...


def map_task(
    task: Any,
    *,
    concurrency: int = 0,
    min_success_ratio: float | None = None,
    min_successes: int | None = None,
) -> Any:
    """Run a task once for each item of lists, as one node of the workflow.

    In the call, inputs that `functools.partial` does not bind are lists of one length; each output becomes a
    list in the same order. Options of the task (`retry`, `cache`, `timeout` and so on) hold for each item.

    Args:
        task: A `@task`, a plugin's task, or `functools.partial` of one: what it binds is the same for every
            item, and may be a promise of the workflow.
        concurrency: Most items that run at a time; 0: as many as there is room for.
        min_success_ratio: Part of the items, above 0 and at most 1, that must succeed.
        min_successes: Number of items that must succeed; 0: all may fail. Without this and
            `min_success_ratio`, every item must. With either, outputs hold None for an item that failed.

    Returns:
        What is called with the lists, inside a workflow or outside.

    Raises:
        MapError: It is no task, or a number is out of range.

    Example:
        ```python
        @workflow
        def flow(xs: list[float], factor: float) -> list[float]:
            return map_task(functools.partial(scale, factor=factor), concurrency=10)(x=xs)
        ```
    """
    definition, positional_values, bound = _taken_apart(task)
    face = face_of(definition)
    for problem in limit_problems(concurrency, min_success_ratio, min_successes):
        raise _refusal(f"The map of task `{face.name}` {problem.text}", problem.hint)
    if len(positional_values) > len(face.names):
        raise _refusal(
            f"`functools.partial` binds {len(positional_values)} inputs of task `{face.name}` by position, "
            f"which takes {len(face.names)}",
            f"Its inputs are {listed(face.inputs)}",
        )
    for name in bound:
        if name not in face.inputs:
            hint = did_you_mean(name, face.inputs, f"Its inputs are {listed(face.inputs)}")
            raise _refusal(
                f"`functools.partial` binds `{name}`, which task `{face.name}` does not take", hint
            )
    first = dict(zip(face.names, positional_values, strict=False))
    for name in first.keys() & bound.keys():
        raise _refusal(
            f"`functools.partial` binds `{name}` of task `{face.name}` twice", "Remove one of the two"
        )
    ratio = None if min_success_ratio is None else float(min_success_ratio)
    limits = Mapped((), concurrency, ratio, min_successes)
    bound = {**first, **bound}
    return MapTask(definition, bound, tuple(name for name in face.names if name not in bound), limits)


def _taken_apart(task: Any) -> tuple[TaskDefinition, tuple[Any, ...], dict[str, Any]]:
    """The task, and what `functools.partial` binds by position and by name."""
    inner = task.func if isinstance(task, functools.partial) else task
    if isinstance(inner, TaskDefinition):
        return (inner, task.args, dict(task.keywords)) if inner is not task else (inner, (), {})
    match inner:
        case Workflow():
            what, hint = f"workflow `{inner.name}`", "Map the tasks in it, or put what it does into one task"
        case MapTask():
            what = f"task `{inner.definition.name}`, which is mapped already"
            hint = "Put a list of lists through a task that loops over the inner list"
        case Ordered():
            what, hint = (
                f"`{inner!r}`, the result of a call",
                "Map the task, then call: `map_task(task)(x=xs)`",
            )
        case _ if callable(inner):
            name = getattr(inner, "__qualname__", type(inner).__name__)
            what, hint = f"`{name}`, which is no task", "Put `@task` above its definition"
        case _:
            what, hint = f"`{inner!r}`, which is no task", "Give it a `@task`, or a plugin's task"
    raise _refusal(f"`map_task` is given {what}", hint)


def _refusal(text: str, hint: str) -> MapError:
    tracer = current_tracer.get()
    position = author_position()
    place = Place(getattr(tracer, "name", ""), position=position)
    return MapError(text, place, hint=hint)
