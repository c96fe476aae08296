"""Workflows with what they must do: the same wherever they run."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from hardpoint.core import Cache, Retry, Workflow, map_task, node, task, workflow

PLACE = "<a file of its own>"
"""Stands in a case's inputs for the path of a file that nobody else writes."""


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


class Parts(NamedTuple):
    low: list[int]
    high: list[int]


def times_called(place: str, what: object = "x") -> int:
    """Count calls in a file; this one included."""
    with Path(place).open("a") as file:
        file.write(f"{what}\n")
    return Path(place).read_text().split().count(str(what))


@task
def split(numbers: list[int], at: int = 3) -> Parts:
    return Parts([n for n in numbers if n < at], [n for n in numbers if n >= at])


@task
def add(numbers: list[int]) -> int:
    return sum(numbers)


@task
def point(x: int, y: float = 1.5) -> Point:
    return Point(x, y)


@task
def describe(points: dict[str, Point], note: str | None = None) -> str:
    return ",".join(f"{key}={value.x}/{value.y}" for key, value in points.items()) + (note or "")


@task
def first_even(numbers: list[int]) -> int | None:
    return next((n for n in numbers if n % 2 == 0), None)


@task
def number_or_text(text: str) -> int | str:
    return int(text) if text.isdigit() else text


@task
def doubled(value: int | str | None) -> str:
    return f"{type(value).__name__}:{value}{value}"


@task
def say(text: str) -> None:
    print(text)


@task(retry=Retry(3, delay_s=0.0))
def third_time_lucky(place: str) -> int:
    tries = times_called(place)
    if tries < 3:
        raise ConnectionError(f"try {tries}")
    return tries


@task(retry=Retry(2, delay_s=0.0))
def never(n: int) -> int:
    raise ValueError(f"n is {n}")


@task(retry=Retry(5, on=(KeyError,), delay_s=0.0))
def wrong_error(n: int) -> int:
    raise ValueError(f"n is {n}")


@task(timeout=timedelta(seconds=0.5), retry=Retry(2, delay_s=0.0))
def too_slow(n: int) -> int:
    time.sleep(60)
    return n


@task(cache=Cache(ignore=("place", "after")))
def remembered(n: int, place: str, after: int = 0) -> int:
    return n * 10 + times_called(place)


@task
def scaled(x: int, factor: int = 2) -> int:
    return x * factor


@task(retry=Retry(2, delay_s=0.0))
def second_time_lucky(x: int, place: str) -> int:
    if x % 2 and times_called(place, x) == 1:
        raise ValueError(f"{x} never works at once")
    return x


@task
def picky(x: int, bad: list[int]) -> str:
    if x in bad:
        raise ValueError(f"{x} is bad")
    return f"<{x}>"


@workflow
def sums(numbers: list[int], at: int = 3) -> int:
    low, high = split(numbers=numbers, at=at)
    return add(numbers=[add(numbers=low), add(numbers=high)])


@workflow
def nested(numbers: list[int]) -> str:
    total = sums(numbers=numbers)
    first = point(x=total)
    second = point(x=first.x, y=2.0)
    text = describe(points={"a": first, "b": second})
    node(say(text="first")) >> node(text)
    return text


@workflow
def optional(numbers: list[int]) -> str:
    return doubled(value=first_even(numbers=numbers))


@workflow
def union(text: str) -> str:
    return doubled(value=number_or_text(text=text))


@workflow
def retried(place: str) -> int:
    return third_time_lucky(place=place)


@workflow
def failing(n: int) -> int:
    return add(numbers=[never(n=n), 1])


@workflow
def not_retried(n: int) -> int:
    return wrong_error(n=n)


@workflow
def timed_out() -> int:
    return too_slow(n=1)


@workflow
def cached(place: str) -> list[int]:
    first = remembered(n=4, place=place)
    return [first, remembered(n=4, place=place, after=add(numbers=[first]))]


@workflow
def mapped(xs: list[int]) -> int:
    return add(numbers=map_task(functools.partial(scaled, factor=3), concurrency=2)(x=xs))


@workflow
def mapped_pairs(xs: list[int], factors: list[int]) -> list[int]:
    return map_task(scaled)(x=xs, factor=factors)


@workflow
def mapped_retries(place: str) -> list[int]:
    return map_task(functools.partial(second_time_lucky, place=place))(x=[0, 1, 2, 3])


@workflow
def tolerant(bad: list[int]) -> list[str | None]:
    return map_task(functools.partial(picky, bad=bad), min_success_ratio=0.5)(x=[1, 2, 3, 4])


@workflow
def strict(bad: list[int]) -> list[str]:
    return map_task(functools.partial(picky, bad=bad), concurrency=1)(x=[1, 2, 3, 4])


@workflow
def mapped_inside(xs: list[int], ys: list[int]) -> list[int]:
    return [mapped(xs=xs), mapped(xs=ys)]


@dataclass(frozen=True)
class Failure:
    """How a run fails.

    Args:
        node: Where.
        code: Of the error.
        message: Of the error.
        raises: What a plain call raises.
    """

    node: str
    code: str
    message: str
    raises: type[Exception] | None = None


@dataclass(frozen=True)
class Case:
    """A run.

    Args:
        flow: Its workflow.
        inputs: Of it.
        result: What it returns, or how it fails.
        attempts: Of nodes and items, where they are not one.
        plain: What a plain call returns, if that is something else.
        not_done: Nodes that do not succeed, with their states.
    """

    flow: Workflow[..., Any]
    inputs: Mapping[str, Any]
    result: Any
    attempts: Mapping[str, int] = field(default_factory=dict)
    plain: Any = None
    not_done: Mapping[str, str] = field(default_factory=dict)


BIG = 10**30
BAD = Failure("never", "ValueError", "n is 4", ValueError)

CASES = {
    "functions": Case(sums, {"numbers": [1, 2, 3, 4]}, 10),
    "empty lists": Case(sums, {"numbers": [], "at": 0}, 0),
    "sub-workflows": Case(nested, {"numbers": [5, BIG]}, f"a={BIG + 5}/1.5,b={BIG + 5}/2.0"),
    "a value": Case(optional, {"numbers": [1, 2]}, "int:22"),
    "no value": Case(optional, {"numbers": [1]}, "NoneType:NoneNone"),
    "a number": Case(union, {"text": "7"}, "int:77"),
    "a text": Case(union, {"text": "x"}, "str:xx"),
    "retries": Case(
        retried, {"place": PLACE}, 3, {"third_time_lucky": 3}, Failure("", "", "", ConnectionError)
    ),
    "a failure": Case(
        failing, {"n": 4}, BAD, {"never": 2, "add": 0}, None, {"never": "FAILED", "add": "SKIPPED"}
    ),
    "another error": Case(
        not_retried,
        {"n": 5},
        Failure("wrong_error", "ValueError", "n is 5", ValueError),
        not_done={"wrong_error": "FAILED"},
    ),
    "a timeout": Case(
        timed_out,
        {},
        Failure("too_slow", "TimeoutExpired", "Node `too_slow` ran longer than its timeout of 0.5 s"),
        {"too_slow": 2},
        not_done={"too_slow": "FAILED"},
    ),
    "a cache": Case(cached, {"place": PLACE}, [41, 41], {"remembered_1": 0}, [41, 42]),
    "an array": Case(mapped, {"xs": [1, 2, 3, 4, 5]}, 45),
    "an empty array": Case(mapped, {"xs": []}, 0),
    "an array of pairs": Case(mapped_pairs, {"xs": [1, 2], "factors": [5, 6]}, [5, 12]),
    "lists of two lengths": Case(
        mapped_pairs,
        {"xs": [1, 2], "factors": [5]},
        Failure(
            "scaled",
            "UserError",
            "The lists that node `scaled` maps over differ in length: `x` has 2, `factor` has 1",
            Exception,
        ),
        {"scaled": 0},
        not_done={"scaled": "FAILED"},
    ),
    "retries of items": Case(
        mapped_retries,
        {"place": PLACE},
        [0, 1, 2, 3],
        {"second_time_lucky[1]": 2, "second_time_lucky[3]": 2},
        Failure("", "", "", ValueError),
    ),
    "allowed failures": Case(tolerant, {"bad": [2, 3]}, ["<1>", None, None, "<4>"]),
    "a failed item": Case(
        strict,
        {"bad": [2]},
        Failure("picky[1]", "ValueError", "2 is bad", ValueError),
        not_done={"picky": "FAILED"},
    ),
    "arrays in sub-workflows": Case(mapped_inside, {"xs": [1, 2], "ys": [1]}, [9, 3]),
}
