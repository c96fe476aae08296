"""Python tasks share the workers, cores, memory and devices of their machine."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

from hardpoint.core import Resources, map_task, task, workflow
from hardpoint.executor import Executor
from hardpoint.executor.journal.events import AttemptFailed, CancelRequested

PATIENCE_S = 60.0


def overlap(place: str, name: str, seconds: float) -> int:
    """Note when this ran."""
    begins = time.time()
    time.sleep(seconds)
    with open(f"{place}/{name}", "w") as file:
        json.dump([begins, time.time()], file)
    return 1


@task(resources=Resources(cpu=2.0))
def heavy(place: str, number: int) -> int:
    return overlap(place, f"heavy{number}", 0.3)


@task(resources=Resources(cpu=64.0, gpu=8))
def enormous(place: str) -> int:
    return overlap(place, "enormous", 0.0)


@task
def light(place: str, number: int) -> int:
    return overlap(place, f"light{number}", 0.3)


@task(interruptible=True)
def patient(place: str, number: int) -> int:
    Path(place, f"began{number}").touch()
    while not Path(place, "open").exists():
        time.sleep(0.01)
    return number


@workflow
def three_heavy(place: str) -> list[int]:
    return [heavy(place=place, number=number) for number in range(3)]


@workflow
def one_enormous(place: str) -> int:
    return enormous(place=place)


@workflow
def many_light(place: str, numbers: list[int]) -> list[int]:
    return map_task(functools.partial(light, place=place))(number=numbers)


@workflow
def patience(place: str) -> list[int]:
    return [patient(place=place, number=number) for number in range(2)]


@workflow
def one_light(place: str) -> int:
    return light(place=place, number=0)


def most_at_once(folder: Path, pattern: str) -> int:
    spans = [json.loads(path.read_text()) for path in folder.glob(pattern)]
    return max(sum(bool(begins <= moment < ends) for begins, ends in spans) for moment, _ in spans)


def configured(folder: Path, text: str) -> Path:
    path = folder / "hardpoint.toml"
    path.write_text(text)
    return path


def test_cores_that_tasks_ask_for_are_not_given_out_twice(tmp_path: Path) -> None:
    config = configured(tmp_path, "[local]\nworkers = 3\ncpu = 4\n")
    with Executor(tmp_path / "home", config=config) as executor:
        execution = executor.submit(three_heavy, place=str(tmp_path))
        assert execution.result(PATIENCE_S) == [1, 1, 1]
    assert most_at_once(tmp_path, "heavy*") == 2


def test_a_task_that_wants_more_than_the_machine_has_gets_all_of_it(tmp_path: Path) -> None:
    with Executor(tmp_path / "home", workers=1) as executor:
        assert executor.submit(one_enormous, place=str(tmp_path)).result(PATIENCE_S) == 1


def test_items_of_a_run_with_max_parallelism(tmp_path: Path) -> None:
    with Executor(tmp_path / "home", workers=4) as executor:
        inputs = {"place": str(tmp_path), "numbers": list(range(6))}
        execution = executor.submit_with(many_light, inputs, max_parallelism=2)
        assert execution.result(PATIENCE_S) == [1] * 6
    assert most_at_once(tmp_path, "light*") == 2


def test_one_project_does_not_keep_another_from_the_workers(tmp_path: Path) -> None:
    flood, late = tmp_path / "flood", tmp_path / "late"
    flood.mkdir()
    late.mkdir()
    with Executor(tmp_path / "home", workers=2) as executor:
        first = executor.submit_with(
            many_light, {"place": str(flood), "numbers": list(range(40))}, project="flood"
        )
        while not list(flood.glob("light*")):
            time.sleep(0.01)
        second = executor.submit_with(one_light, {"place": str(late)}, project="late")
        assert second.result(PATIENCE_S) == 1
        assert len(list(flood.glob("light*"))) < 20
        assert first.result(PATIENCE_S) == [1] * 40


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_interruptible_task_gives_way_and_runs_again(tmp_path: Path) -> None:
    with Executor(tmp_path / "home", workers=2) as executor:
        # Workers are given calls ahead until it is known that they take long.
        executor.submit(one_light, place=str(tmp_path)).result(PATIENCE_S)
        greedy = executor.submit_with(patience, {"place": str(tmp_path)}, project="greedy")
        wait_for(lambda: len(list(tmp_path.glob("began*"))) == 2)
        fair = executor.submit_with(one_light, {"place": str(tmp_path)}, project="fair")
        assert fair.result(PATIENCE_S) == 1
        (tmp_path / "open").touch()
        assert greedy.result(PATIENCE_S) == [0, 1]
        history = executor.journal.read(greedy.id)
    assert sum(type(event) is CancelRequested for event in history) == 1
    (failed,) = (event for event in history if type(event) is AttemptFailed)
    assert (failed.error.code, failed.budget.value) == ("Preempted", "nobody")
