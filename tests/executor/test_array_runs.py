"""Array nodes through the real engine and real workers."""

from __future__ import annotations

import functools
import time
from collections import Counter
from pathlib import Path

import pytest

from hardpoint.core import Cache, Retry, map_task, task, workflow
from hardpoint.executor import ExecutionFailedError, Executor
from hardpoint.executor.engine.array_feeder import WINDOW
from hardpoint.executor.journal.events import RunPhase


def note_in(place: str, line: str) -> None:
    with Path(place).open("a") as file:
        file.write(line + "\n")


def lines(place: Path) -> list[str]:
    return place.read_text().split() if place.exists() else []


@task
def scaled(x: int, factor: int) -> int:
    return x * factor


@task(cache=Cache(ignore=("place",)))
def remembered(x: int, place: str) -> int:
    note_in(place, str(x))
    return x


@task(retry=Retry(2, delay_s=0.0))
def flaky(x: int, place: str) -> int:
    note_in(place, str(x))
    if x % 3 == 0 and lines(Path(place)).count(str(x)) == 1:
        raise ValueError("the first time never works")
    return x


@task
def unless_listed(x: int, place: str, bad: list[int]) -> int:
    note_in(place, f"{x}")
    if x in bad and not Path(place + ".repaired").exists():
        raise ValueError(f"{x} is bad")
    return x


@task
def number_or_name(x: int) -> int | str:
    if x == 1:
        raise ValueError("not 1")
    return x if x % 2 else str(x)


@task
def overlapping(x: int, place: str) -> int:
    note_in(place, f"+{x}")
    time.sleep(0.2)  # long enough for a second worker to start on a busy machine
    note_in(place, f"-{x}")
    return x


@task
def late(x: int) -> int:
    time.sleep(x)
    return x


@workflow
def scaled_flow(xs: list[int], factor: int) -> list[int]:
    return map_task(functools.partial(scaled, factor=factor))(x=xs)


@workflow
def remembered_flow(xs: list[int], place: str) -> list[int]:
    return map_task(functools.partial(remembered, place=place))(x=xs)


@workflow
def flaky_flow(xs: list[int], place: str) -> list[int]:
    return map_task(functools.partial(flaky, place=place), concurrency=2)(x=xs)


@workflow
def strict_flow(xs: list[int], place: str, bad: list[int]) -> list[int]:
    return map_task(functools.partial(unless_listed, place=place, bad=bad), concurrency=1)(x=xs)


@workflow
def tolerant_flow(xs: list[int], place: str, bad: list[int]) -> list[int | None]:
    mapped = map_task(functools.partial(unless_listed, place=place, bad=bad), min_success_ratio=0.5)
    return mapped(x=xs)


@workflow
def variants_flow(xs: list[int]) -> list[int | str | None]:
    return map_task(number_or_name, min_successes=1)(x=xs)


@workflow
def overlapping_flow(xs: list[int], place: str) -> list[int]:
    return map_task(functools.partial(overlapping, place=place), concurrency=2)(x=xs)


@workflow
def pair_flow(xs: list[int], factors: list[int]) -> list[int]:
    return map_task(scaled)(x=xs, factor=factors)


@workflow
def late_flow(xs: list[int]) -> list[int]:
    return map_task(late.with_overrides(deadline=4.0))(x=xs)


def test_outputs_keep_the_order_of_the_items(tmp_path: Path) -> None:
    count = 3 * WINDOW
    with Executor(tmp_path) as executor:
        result = executor.submit(scaled_flow, xs=list(range(count)), factor=3).result(60)
        empty = executor.submit(scaled_flow, xs=[], factor=3).result(60)
    assert result == [3 * x for x in range(count)]
    assert empty == []


def test_items_are_cached_one_by_one(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with Executor(tmp_path / "home") as executor:
        first = executor.submit(remembered_flow, xs=[1, 2, 3], place=str(place)).result(30)
        second = executor.submit(remembered_flow, xs=[3, 4, 1], place=str(place)).result(30)
    assert (first, second) == ([1, 2, 3], [3, 4, 1])
    assert sorted(lines(place)) == ["1", "2", "3", "4"]


def test_each_item_has_attempts_of_its_own(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with Executor(tmp_path / "home") as executor:
        assert executor.submit(flaky_flow, xs=list(range(9)), place=str(place)).result(30) == list(range(9))
    assert Counter(lines(place)) == {str(x): 1 + (x % 3 == 0) for x in range(9)}


def test_a_resumed_run_tries_only_what_did_not_succeed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with Executor(tmp_path / "home") as executor:
        execution = executor.submit(strict_flow, xs=[1, 2, 3, 4], place=str(place), bad=[3])
        with pytest.raises(ExecutionFailedError, match=r"failed at node `unless_listed\[2\]`: ValueError"):
            execution.result(30)
        assert lines(place) == ["1", "2", "3"]
        Path(f"{place}.repaired").touch()
        assert executor.resume(execution.id).result(30) == [1, 2, 3, 4]
    assert lines(place) == ["1", "2", "3", "3", "4"]


def test_failures_within_the_ratio_are_none(tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    with Executor(tmp_path / "home") as executor:
        allowed = executor.submit(tolerant_flow, xs=[1, 2, 3, 4], place=place, bad=[2, 4])
        assert allowed.result(30) == [1, None, 3, None]
        refused = executor.submit(tolerant_flow, xs=[1, 2, 3, 4], place=place, bad=[1, 2, 4])
        error = refused.outcome(30).error
    assert error is not None
    assert error.message.startswith("3 of 4 items failed, and 2 must succeed; the last: ")


def test_gaps_among_values_of_a_union(tmp_path: Path) -> None:
    with Executor(tmp_path / "home") as executor:
        assert executor.submit(variants_flow, xs=[0, 1, 3]).result(30) == ["0", None, 3]


def test_concurrency_is_a_ceiling(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with Executor(tmp_path / "home", workers=4) as executor:
        executor.submit(overlapping_flow, xs=list(range(12)), place=str(place)).result(30)
    running = most = 0
    for line in lines(place):
        running += 1 if line[0] == "+" else -1
        most = max(most, running)
    assert most == 2


def test_lists_of_different_length_fail_before_any_item(tmp_path: Path) -> None:
    with Executor(tmp_path / "home") as executor:
        outcome = executor.submit(pair_flow, xs=[1, 2], factors=[1, 2, 3]).outcome(30)
    assert outcome.phase is RunPhase.FAILED
    assert outcome.error is not None
    assert (
        outcome.error.message
        == "The lists that node `scaled` maps over differ in length: `x` has 2, `factor` has 3"
    )


def test_a_deadline_ends_an_item_that_runs(tmp_path: Path) -> None:
    begun = time.monotonic()
    with Executor(tmp_path / "home") as executor:
        outcome = executor.submit(late_flow, xs=[0, 30]).outcome(30)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.node) == ("DeadlineExpired", "late[1]")
    assert time.monotonic() - begun < 15


def test_an_abort_ends_items_in_flight(tmp_path: Path) -> None:
    with Executor(tmp_path / "home") as executor:
        execution = executor.submit(overlapping_flow, xs=list(range(2000)), place=str(tmp_path / "place"))
        events = execution.events()
        while next(events).kind != "AttemptSucceeded":
            pass
        execution.abort("enough")
        outcome = execution.outcome(30)
    assert outcome.phase is RunPhase.ABORTED
