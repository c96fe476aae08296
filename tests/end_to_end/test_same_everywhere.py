"""The same workflow gives the same answer as plain Python, on a memory journal and on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hardpoint.core import Retry, Workflow, node, task, workflow
from hardpoint.executor import ExecutionFailedError, Executor


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


class Parts(NamedTuple):
    low: list[int]
    high: list[int]


@task
def split(numbers: list[int], at: int = 3) -> Parts:
    """Split in two."""
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


@task(retry=Retry(3, delay_s=0.0))
def flaky(place: str, until: int) -> int:
    path = Path(place)
    tries = len(path.read_text()) if path.exists() else 0
    path.write_text("x" * (tries + 1))
    if tries + 1 < until:
        raise ConnectionError(f"try {tries + 1}")
    return tries + 1


@task
def broken(n: int) -> int:
    raise ValueError(f"n is {n}")


@task
def note(text: str) -> None:
    print(text)


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
    node(note(text="first")) >> node(text)
    return text


@workflow
def retried(place: str) -> int:
    return flaky(place=place, until=3)


@workflow
def failing(n: int) -> int:
    return add(numbers=[broken(n=n), 1])


def plain(flow: Workflow[..., Any], home: Path, inputs: dict[str, Any]) -> Any:
    return flow(**inputs)


def in_memory(flow: Workflow[..., Any], home: Path, inputs: dict[str, Any]) -> Any:
    with Executor(home, journal="memory") as executor:
        return executor.submit(flow, **inputs).result(60)


def on_disk(flow: Workflow[..., Any], home: Path, inputs: dict[str, Any]) -> Any:
    with Executor(home) as executor:
        return executor.submit(flow, **inputs).result(60)


Face = Callable[[Workflow[..., Any], Path, dict[str, Any]], Any]


@pytest.mark.parametrize("face", [plain, in_memory, on_disk])
@pytest.mark.parametrize(
    ("flow", "inputs", "expected"),
    [
        (sums, {"numbers": [1, 2, 3, 4]}, 10),
        (sums, {"numbers": [], "at": 0}, 0),
        (nested, {"numbers": [5, 10**30]}, f"a={10**30 + 5}/1.5,b={10**30 + 5}/2.0"),
    ],
)
def test_same_outputs(
    face: Face, flow: Workflow[..., Any], inputs: dict[str, Any], expected: object, tmp_path: Path
) -> None:
    assert face(flow, tmp_path / "home", inputs) == expected


@pytest.mark.parametrize("face", [in_memory, on_disk])
def test_retries_are_the_same(face: Face, tmp_path: Path) -> None:
    assert face(retried, tmp_path / "home", {"place": str(tmp_path / "tries")}) == 3


def test_a_plain_call_raises_what_the_task_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n is 4"):
        failing(n=4)


@pytest.mark.parametrize("face", [in_memory, on_disk])
def test_a_failed_run_names_the_node_and_shows_the_authors_traceback(face: Face, tmp_path: Path) -> None:
    with pytest.raises(ExecutionFailedError) as caught:
        face(failing, tmp_path / "home", {"n": 4})
    error = caught.value
    assert error.outcome.node == "broken"
    assert "failed at node `broken`: ValueError: n is 4" in error.message
    assert 'raise ValueError(f"n is {n}")' in error.message
    assert "hardpoint/executor" not in error.message
