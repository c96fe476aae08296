"""What a type checker knows of `map_task`; mypy reads this file, and pytest runs it."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, assert_type

import pytest

from hardpoint.core import MapTask, map_task, task, workflow
from hardpoint.core.compile_errors import MapError


class Parts(NamedTuple):
    small: int
    large: int


@task
def scale(x: float, factor: float) -> float:
    return x * factor


@task
def parts(n: int) -> Parts:
    return Parts(n, n)


@task
def pair(n: int) -> tuple[int, str]:
    return n, str(n)


@task
def note(n: int) -> None:
    return None


@task
def maybe(n: int) -> int | None:
    return n or None


@map_task
@task
def squares(x: int) -> int:
    return x * x


def plain(x: int) -> int:
    return x


def test_results_are_lists() -> None:
    bound = functools.partial(scale, factor=2.0)
    assert_type(map_task(bound, concurrency=10)(x=[1.0]), list[float])
    assert_type(map_task(scale)(x=[1.0], factor=[2.0]), list[float])
    assert_type(map_task(pair)(n=[1]), list[tuple[int, str]])
    assert_type(map_task(maybe)(n=[1]), list[int | None])
    assert_type(squares([1, 2]), list[int])


def test_items_may_be_missing_where_they_may_fail() -> None:
    bound = functools.partial(scale, factor=2.0)
    assert_type(map_task(bound, min_success_ratio=0.5)(x=[1.0]), list[float | None])
    assert_type(map_task(scale, min_successes=1)(x=[1.0], factor=[2.0]), list[float | None])
    assert_type(map_task(maybe, min_successes=1)(n=[1]), list[int | None])


def test_tasks_without_one_result() -> None:
    assert_type(map_task(note), MapTask[None])
    # Its fields become lists, which no annotation can say.
    assert_type(map_task(parts)(n=[1]), Any)


def test_overrides_keep_the_type() -> None:
    assert_type(map_task(scale, min_successes=1).with_overrides(timeout=3), MapTask[list[float | None]])
    with pytest.raises(TypeError):
        map_task(scale).with_overrides("name")  # type: ignore[call-arg]


def test_what_cannot_be_mapped_is_an_error() -> None:
    @workflow
    def flow(x: int) -> int:
        return x

    with pytest.raises(MapError):
        map_task(plain)  # type: ignore[call-overload]
    with pytest.raises(MapError):
        map_task(flow)  # type: ignore[call-overload]
