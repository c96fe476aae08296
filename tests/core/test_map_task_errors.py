"""Each mistake with `map_task` has a message of its own, with the author's line and a hint."""

from __future__ import annotations

import functools
import textwrap
from pathlib import Path

import pytest

from hardpoint.core import map_task, task
from hardpoint.core.compile_errors import CompileErrors, MapError
from hardpoint.core.loading import find_workflow
from hardpoint.plugin_api import UsageError

HEADER = """
import functools
from typing import NamedTuple
from hardpoint.core import map_task, task, workflow

class Parts(NamedTuple):
    small: int
    large: str

@task
def load(n: int = 3) -> list[float]: ...

@task
def named() -> dict[str, float]: ...

@task
def scale(x: float, factor: float = 1.0) -> float: ...

@task
def add(x: float, y: float) -> float: ...

@task
def rows(xs: list[int]) -> int: ...

@task
def split(x: float) -> Parts: ...

@task
def nothing() -> int: ...

@task
def wrong(x: object) -> int: ...

@workflow
def inner(x: float) -> float:
    return scale(x)

def plain(x: float) -> float: ...
"""
HEADER_LINES = HEADER.count("\n")

CASES = {
    "a promise that is no list": (
        """
        @workflow
        def flow(x: float) -> list[float]:
            return map_task(add)(x=[1.0], y=scale(x))
        """,
        "TypeMismatchError",
        "Input `y` of node `add` in workflow `flow` is mapped and wants `list[float]`, "
        "but `scale.result` is `float`",
        "If it is the same for every item, bind it: `map_task(functools.partial(add, y=...))`",
    ),
    "an input that is no list": (
        """
        @workflow
        def flow(x: float) -> list[float]:
            return map_task(scale)(x)
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` is mapped and wants `list[float]`, "
        "but input `x` is `float`",
        "If it is the same for every item, bind it: `map_task(functools.partial(scale, x=...))`",
    ),
    "a list meant for every item": (
        """
        @workflow
        def flow(xs: list[int]) -> list[int]:
            return map_task(rows)(xs=xs)
        """,
        "TypeMismatchError",
        "Input `xs` of node `rows` in workflow `flow` is mapped and wants `list[list[int]]`, "
        "but input `xs` is `list[int]`",
        "If it is the same for every item, bind it: `map_task(functools.partial(rows, xs=...))`",
    ),
    "a list of another type": (
        """
        @workflow
        def flow(xs: list[str]) -> list[float]:
            return map_task(scale)(xs)
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` wants `list[float]`, but input `xs` is `list[str]`",
        "Change one of the two annotations, or convert the value in a task between them",
    ),
    "a list with None in it": (
        """
        @workflow
        def flow(xs: list[float]) -> list[float]:
            return map_task(scale)(map_task(scale, min_successes=1)(xs))
        """,
        "TypeMismatchError",
        "Input `x` of node `scale_2` in workflow `flow` wants `list[float]`, "
        "but `scale.result` is `list[float | None]`",
        "Accept `list[float | None]` there, or take out in a task what does not fit",
    ),
    "a plain value": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale)(x=3.0)
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` is mapped and wants `list[float]`, not a `float`",
        "If it is the same for every item, bind it: `map_task(functools.partial(scale, x=...))`",
    ),
    "a text": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale)(x="abc")
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` is mapped and wants `list[float]`, not a `str`",
        "If it is the same for every item, bind it: `map_task(functools.partial(scale, x=...))`",
    ),
    "a dict": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale)(x={"a": 1.0})
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` is mapped and wants `list[float]`, not a `dict`",
        "Items are taken from lists only: pass `list(x.values())`, or a list of the keys",
    ),
    "a promise of a dict": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale)(named())
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` is mapped and wants `list[float]`, "
        "but `named.result` is `dict[str, float]`",
        "Items are taken from lists only: make a list of it in a task",
    ),
    "a range": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale)(range(3))
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` is mapped and wants `list[float]`, not a `range`",
        "Pass `list(...)` of it",
    ),
    "several outputs": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale)(split(1.0))
        """,
        "TypeMismatchError",
        "Input `x` of node `scale` in workflow `flow` wants `list[float]`, but `split` has several outputs",
        "Pass one of them: `split.small`, `split.large`",
    ),
    "a list as a bound value": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(functools.partial(scale, factor=load()))(load())
        """,
        "TypeMismatchError",
        "Input `factor` of node `scale` in workflow `flow` wants `float`, but `load.result` is `list[float]`",
        "Change one of the two annotations, or convert the value in a task between them",
    ),
    "the result used as one item": (
        """
        @workflow
        def flow() -> float:
            return scale(map_task(scale)(load()))
        """,
        "TypeMismatchError",
        "Input `x` of node `scale_2` in workflow `flow` wants `float`, but `scale.result` is `list[float]`",
        "Change one of the two annotations, or convert the value in a task between them",
    ),
    "nothing mapped": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(functools.partial(add, x=1.0))()
        """,
        "MapError",
        "Node `add` in workflow `flow` is mapped over nothing",
        "Give the call a list for at least one of `y`",
    ),
    "everything bound": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(functools.partial(add, x=1.0, y=2.0))()
        """,
        "MapError",
        "Node `add` in workflow `flow` is mapped over nothing",
        "Leave out of `functools.partial` what differs from item to item",
    ),
    "no inputs": (
        """
        @workflow
        def flow() -> list[int]:
            return map_task(nothing)()
        """,
        "MapError",
        "Node `nothing` in workflow `flow` is mapped over nothing",
        "Call the task itself: it takes nothing that could differ from item to item",
    ),
    "a missing input": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(add)(load())
        """,
        "UnboundInputError",
        "Input `y` of node `add` in workflow `flow` has no value",
        "Give the call a list for it, or bind it: `map_task(functools.partial(add, y=...))`",
    ),
    "an unknown input": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(functools.partial(scale, x=1.0))(factr=load())
        """,
        "UnknownInputError",
        "Node `scale` in workflow `flow` is given `factr`, which task `scale` does not take",
        "Did you mean `factor`?",
    ),
    "too many by position": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(functools.partial(scale, x=1.0))(load(), load())
        """,
        "UnknownInputError",
        "Node `scale` in workflow `flow` is given 2 inputs by position, but task `scale` takes 1",
        "Its inputs are `x`, `factor`",
    ),
    "bound and given": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(functools.partial(scale, factor=1.0))(load(), factor=load())
        """,
        "MapError",
        "Node `scale` in workflow `flow` is given `factor`, which is bound already",
        "Remove one of the two",
    ),
    "lists of two lengths": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(add)(x=[1.0, 2.0], y=[scale(1.0), 2.0, 3.0])
        """,
        "MapError",
        "Node `add` in workflow `flow` maps over lists that differ in length: `x` has 2, `y` has 3",
        "Give it lists of one length, or bind what is the same for all with `functools.partial`",
    ),
    "an option that is not there": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale)(load()).with_overrides(retries=3)
        """,
        "OverrideError",
        "Node `scale` has no option `retries`",
        "Did you mean `retry`?",
    ),
    "a workflow": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(inner)(load())
        """,
        "MapError",
        "`map_task` is given workflow `inner`",
        "Map the tasks in it, or put what it does into one task",
    ),
    "a function": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(functools.partial(plain))(load())
        """,
        "MapError",
        "`map_task` is given `plain`, which is no task",
        "Put `@task` above its definition",
    ),
    "a map": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(map_task(scale))(load())
        """,
        "MapError",
        "`map_task` is given task `scale`, which is mapped already",
        "Put a list of lists through a task that loops over the inner list",
    ),
    "a result": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(scale(1.0))(load())
        """,
        "MapError",
        "`map_task` is given `<promise of `scale.result`: float>`, the result of a call",
        "Map the task, then call: `map_task(task)(x=xs)`",
    ),
    "a number": (
        """
        @workflow
        def flow() -> list[float]:
            return map_task(3)(load())
        """,
        "MapError",
        "`map_task` is given `3`, which is no task",
        "Give it a `@task`, or a plugin's task",
    ),
}


@pytest.mark.parametrize(("body", "code", "text", "hint"), CASES.values(), ids=CASES)
def test_one_mistake(tmp_path: Path, body: str, code: str, text: str, hint: str) -> None:
    file = tmp_path / "flow.py"
    file.write_text(HEADER + textwrap.dedent(body).lstrip("\n"))
    with pytest.raises(CompileErrors) as caught:
        find_workflow(file, "flow").compile()
    (error,) = caught.value.errors
    assert (error.code, error.text, error.hint) == (code, text, hint)
    assert error.place.workflow == "flow"
    assert str(error.place.position) == f"{file}:{HEADER_LINES + 3}"


def test_a_bad_annotation_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    body = (
        "\n@workflow\ndef flow() -> None:\n    map_task(wrong)([1])\n    map_task(wrong)([1])\n    wrong(1)\n"
    )
    file.write_text(HEADER + body)
    with pytest.raises(CompileErrors) as caught:
        find_workflow(file, "flow").compile()
    assert [each.code for each in caught.value.errors] == ["UnsupportedAnnotationError"]


@task
def scaled(x: float, factor: float = 1.0) -> float:
    return x * factor


LIMITS = [
    (
        {"concurrency": -1},
        "has `concurrency` `-1`, which is no number of items",
        "Write how many items may run at a time, or 0 for as many as there is room for",
    ),
    (
        {"concurrency": True},
        "has `concurrency` `True`, which is no number of items",
        "Write how many items may run at a time, or 0 for as many as there is room for",
    ),
    (
        {"min_success_ratio": 0},
        "has `min_success_ratio` `0`, which is not above 0 and at most 1",
        "Write which part of the items must succeed, such as 0.9; if all may fail, `min_successes=0`",
    ),
    (
        {"min_success_ratio": 1.5},
        "has `min_success_ratio` `1.5`, which is not above 0 and at most 1",
        "Write which part of the items must succeed, such as 0.9; if all may fail, `min_successes=0`",
    ),
    (
        {"min_successes": -1},
        "has `min_successes` `-1`, which is no number of items",
        "Write how many items must succeed; 0 if all may fail",
    ),
    (
        {"min_successes": 1, "min_success_ratio": 0.5},
        "has both `min_success_ratio` and `min_successes`",
        "Keep one of the two: a part of the items, or a number of them",
    ),
]


@pytest.mark.parametrize(("limits", "text", "hint"), LIMITS)
def test_limits(limits: dict[str, int], text: str, hint: str) -> None:
    with pytest.raises(MapError) as caught:
        map_task(scaled, **limits)
    assert (caught.value.text, caught.value.hint) == (f"The map of task `scaled` {text}", hint)
    assert Path(caught.value.place.position.file).name == "test_map_task_errors.py"  # type: ignore[union-attr]


def test_partial_binds_what_the_task_has() -> None:
    def refusal(*args: float, **kwargs: float) -> tuple[str, str]:
        with pytest.raises(MapError) as caught:
            map_task(functools.partial(scaled, *args, **kwargs))
        return caught.value.text, caught.value.hint

    assert refusal(factr=1.0) == (
        "`functools.partial` binds `factr`, which task `scaled` does not take",
        "Did you mean `factor`?",
    )
    assert refusal(1.0, x=2.0) == (
        "`functools.partial` binds `x` of task `scaled` twice",
        "Remove one of the two",
    )
    assert refusal(1.0, 2.0, 3.0) == (
        "`functools.partial` binds 3 inputs of task `scaled` by position, which takes 2",
        "Its inputs are `x`, `factor`",
    )


PLAIN = [
    (([1.0], [1.0], [1.0]), {}, "is given 3 inputs by position, but takes 2", "Its inputs are `x`, `factor`"),
    (([1.0],), {"factr": [1.0]}, "is given `factr`, which its task does not take", "Did you mean `factor`?"),
    (([1.0],), {"x": [1.0]}, "is given `x` by position and by name", "Remove one of the two"),
    ((), {}, "is mapped over nothing", "Give the call a list for at least one of `x`, `factor`"),
    (
        (),
        {"factor": [1.0]},
        "has no value for `x`",
        "Give the call a list for it, or bind it: `map_task(functools.partial(scaled, x=...))`",
    ),
    (
        (3.0,),
        {},
        "wants a list for `x`, not a `float`",
        "If it is the same for every item, bind it: `map_task(functools.partial(scaled, x=...))`",
    ),
    (((1.0,),), {}, "wants a list for `x`, not a `tuple`", "Pass `list(...)` of it"),
]


@pytest.mark.parametrize(("args", "kwargs", "text", "hint"), PLAIN)
def test_a_call_outside_a_workflow(
    args: tuple[object, ...], kwargs: dict[str, object], text: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        map_task(scaled)(*args, **kwargs)
    assert str(caught.value) == f"The map of task `scaled` {text}\n\nhint: {hint}"


def test_a_bound_input_given_outside_a_workflow() -> None:
    with pytest.raises(UsageError) as caught:
        map_task(functools.partial(scaled, factor=2.0))([1.0], factor=[1.0])
    assert caught.value.message == "The map of task `scaled` is given `factor`, which is bound already"


def test_options_of_the_map() -> None:
    with pytest.raises(UsageError) as caught:
        map_task(scaled).with_overrides(timeout=-1)
    assert caught.value.message == "Option `timeout` of task `scaled` is `-1`, which is no duration"
