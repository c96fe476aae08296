"""Runs through the real engine: cache, aborts, timeouts, crashes, drains, several at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hardpoint.core import Cache, Retry, node, task, workflow
from hardpoint.executor import AsyncExecutor, ExecutionFailedError, ExecutionOwnedError, Executor
from hardpoint.executor.api import ExecutorClosedError
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import LEASE_S, ExecutionNotFoundError
from hardpoint.plugin_api import JournaledEvent, hookimpl


def note_in(place: str, line: str) -> None:
    with Path(place).open("a") as file:
        file.write(line + "\n")


@task(cache=Cache(ignore=("place",)))
def counted(number: int, place: str) -> int:
    note_in(place, str(number))
    return number * 2


@task
def slow(seconds: float, after: int = 0) -> float:
    time.sleep(seconds)
    return seconds


@task(timeout=timedelta(seconds=0.4))
def too_slow() -> int:
    time.sleep(30)
    return 0


@task
def dies(code: int) -> int:
    os._exit(code)


@task(retry=Retry(3, on=(KeyError,), delay_s=0.0))
def wrong_kind(place: str) -> int:
    note_in(place, "tried")
    raise ValueError("not a KeyError")


@task(retry=Retry(3, on=(LookupError,), delay_s=0.0))
def right_base(place: str) -> int:
    note_in(place, "tried")
    raise KeyError("a LookupError by birth")


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task
def marked(place: str, number: int, after: int = 0) -> int:
    note_in(place, str(number))
    time.sleep(0.05)
    return number


@workflow
def cached_flow(place: str, numbers: int = 3) -> int:
    return total(numbers=[counted(number=n, place=place) for n in range(3)])


@workflow
def slow_flow(seconds: float) -> float:
    first = slow(seconds=seconds)
    other = slow(seconds=seconds)
    last = slow(seconds=0.0)
    node(first) >> node(last)
    node(other) >> node(last)
    return last


@workflow
def too_slow_flow() -> int:
    return too_slow()


@workflow
def dying_flow(code: int) -> int:
    return total(numbers=[dies(code=code), 1])


@workflow
def wrong_kind_flow(place: str) -> int:
    return wrong_kind(place=place)


@workflow
def right_base_flow(place: str) -> int:
    return right_base(place=place)


@workflow
def waiting_flow() -> float:
    return slow.with_overrides(queue_timeout=0.2)(seconds=0.0)


@workflow
def chain_flow(place: str) -> int:
    last = marked(place=place, number=0)
    for number in range(1, 12):
        last = marked(place=place, number=number, after=last)
    return last


@workflow
def picky_flow(numbers: list[int]) -> int:
    return total(numbers=[numbers[5]])


def lines(place: Path) -> list[str]:
    return place.read_text().split() if place.exists() else []


def kinds(events: list[JournaledEvent]) -> list[str]:
    return [event.kind for event in events]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_second_run_takes_everything_from_the_cache(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    with Executor(home) as executor:
        assert executor.submit(cached_flow, place=str(place)).result(30) == 6
    with Executor(home) as executor:
        second = executor.submit(cached_flow, place=str(place))
        assert second.result(30) == 6
        assert kinds(list(second.events())).count("NodeCached") == 3
    assert sorted(lines(place)) == ["0", "1", "2"]


def test_another_tenant_has_a_cache_of_its_own(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    with Executor(home) as executor:
        executor.submit_with(cached_flow, {"place": str(place)}, project="one").result(30)
        executor.submit_with(cached_flow, {"place": str(place)}, project="two").result(30)
    assert len(lines(place)) == 6


def test_independent_nodes_run_side_by_side(home: Path) -> None:
    with Executor(home, workers=2) as executor:
        executor.submit(slow_flow, seconds=0.0).result(30)
        begun = time.monotonic()
        executor.submit(slow_flow, seconds=0.5).result(30)
        assert time.monotonic() - begun < 0.95


def test_an_abort_kills_what_runs_and_ends_the_run(home: Path) -> None:
    with Executor(home) as executor:
        execution = executor.submit(slow_flow, seconds=60.0)
        events = execution.events()
        while next(events).kind != "AttemptStarted":
            pass
        execution.abort("enough")
        outcome = execution.outcome(20)
        assert outcome.phase is RunPhase.ABORTED
        assert outcome.error is not None
        assert outcome.error.message == "enough"
        assert set(kinds(list(events))) >= {"AbortRequested", "AttemptCancelled", "Ended"}


def test_a_timeout_kills_the_attempt_and_is_the_authors_error(home: Path) -> None:
    with Executor(home) as executor, pytest.raises(ExecutionFailedError) as caught:
        executor.submit(too_slow_flow).result(30)
    error = caught.value.outcome.error
    assert error is not None
    assert error.code == "TimeoutExpired"


def test_a_worker_that_dies_fails_its_attempt_only(home: Path) -> None:
    with Executor(home, workers=1) as executor:
        other = executor.submit(slow_flow, seconds=0.3)
        dying = executor.submit(dying_flow, code=7)
        outcome = dying.outcome(30)
        assert outcome.node == "dies"
        assert outcome.error is not None
        assert "exit" in outcome.error.message
        assert other.result(30) == 0.0


@pytest.mark.parametrize(("flow", "tries"), [(wrong_kind_flow, 1), (right_base_flow, 3)])
def test_only_the_named_errors_are_tried_again(flow: Any, tries: int, home: Path, tmp_path: Path) -> None:
    with Executor(home) as executor, pytest.raises(ExecutionFailedError):
        executor.submit(flow, place=str(tmp_path / "tries")).result(30)
    assert len(lines(tmp_path / "tries")) == tries


def test_a_node_that_waits_too_long_for_its_start_fails(home: Path) -> None:
    with Executor(home, workers=1) as executor:
        blocking = executor.submit(slow_flow, seconds=60.0)
        outcome = executor.submit(waiting_flow).outcome(30)
        assert outcome.error is not None
        assert outcome.error.code == "QueueTimeoutExpired"
        blocking.abort()


def test_a_promised_item_that_is_not_there_fails_its_node(home: Path) -> None:
    with Executor(home) as executor:
        outcome = executor.submit(picky_flow, numbers=[1]).outcome(30)
        assert outcome.phase is RunPhase.FAILED
        assert outcome.node == "total"


def test_a_drained_run_goes_on_in_the_next_executor(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    executor = Executor(home)
    execution = executor.submit(chain_flow, place=str(place))
    while len(lines(place)) < 3:
        time.sleep(0.01)
    executor.drain()
    assert execution.outcome(1).phase is RunPhase.RUNNING
    before = len(lines(place))
    assert before < 12
    with Executor(home) as second:
        (recovered,) = second.recover()
        assert recovered.id == execution.id
        assert recovered.result(30) == 11
    assert lines(place) == [str(number) for number in range(12)]


def test_a_closed_executor_takes_nothing_more(home: Path) -> None:
    executor = Executor(home)
    executor.close()
    executor.close()
    with pytest.raises(ExecutorClosedError):
        executor.submit(slow_flow, seconds=0.0)


def test_a_failed_run_is_tried_again_where_it_failed(home: Path, tmp_path: Path) -> None:
    with Executor(home) as executor:
        execution = executor.submit(wrong_kind_flow, place=str(tmp_path / "tries"))
        with pytest.raises(ExecutionFailedError):
            execution.result(30)
        with pytest.raises(ExecutionFailedError):
            executor.resume(execution.id).result(30)
        assert executor.journal.row(execution.id).phase is RunPhase.FAILED
    assert len(lines(tmp_path / "tries")) == 2


def test_a_run_that_somebody_drives_cannot_be_resumed(home: Path) -> None:
    with Executor(home) as first, Executor(home) as second:
        execution = first.submit(slow_flow, seconds=0.5)
        with pytest.raises(ExecutionOwnedError):
            second.resume(execution.id)
        with pytest.raises(ExecutionNotFoundError):
            second.resume("nothing")
        assert execution.result(30) == 0.0


def test_an_engine_that_lost_its_lease_stops_writing(home: Path) -> None:
    with Executor(home) as first, Executor(home) as second:
        execution = first.submit(slow_flow, seconds=1.0)
        while not any(event.kind == "AttemptStarted" for event in execution.events()):
            time.sleep(0.01)
        second.journal.claim(execution.id, "thief", now=time.time() + 2 * LEASE_S)
        with pytest.raises(Exception, match="belongs to `thief` now"):
            execution.outcome(30)


def test_many_runs_at_once(home: Path) -> None:
    with Executor(home) as executor:
        runs = [executor.submit(slow_flow, seconds=0.01) for _ in range(20)]
        assert [run.result(60) for run in runs] == [0.0] * 20


def test_the_async_face(home: Path) -> None:
    async def drive() -> tuple[Any, list[str]]:
        async with AsyncExecutor(home) as executor:
            execution = await executor.submit(slow_flow, seconds=0.05)
            seen = [event.kind async for event in execution.events()]
            return await execution.result(), seen

    result, seen = asyncio.run(drive())
    assert result == 0.0
    assert seen[0] == "Submitted"
    assert seen[-1] == "Ended"


class Watcher:
    def __init__(self, fail: Callable[[], None] = lambda: None) -> None:
        self.seen: list[str] = []
        self._fail = fail

    @hookimpl
    def events_journaled(self, events: list[JournaledEvent]) -> None:
        self.seen += [event.id for event in events]
        self._fail()


def test_hook_events_journaled_sees_every_event_once_and_in_order(home: Path) -> None:
    watcher = Watcher()
    with Executor(home, plugins={"watcher": watcher}) as executor:
        execution = executor.submit(slow_flow, seconds=0.0)
        execution.result(30)
        count = len(list(execution.events()))
    assert watcher.seen == [f"{execution.id}/{seq}" for seq in range(1, count + 1)]


def test_an_observer_is_told_later_what_a_crash_kept_from_it(home: Path) -> None:
    with Executor(home) as executor:
        execution = executor.submit(slow_flow, seconds=0.0)
        execution.result(30)
        count = len(list(execution.events()))
    watcher = Watcher()
    for _ in range(2):
        with Executor(home, plugins={"watcher": watcher}) as executor:
            assert executor.recover() == []
    assert watcher.seen == [f"{execution.id}/{seq}" for seq in range(1, count + 1)]


def test_an_observer_that_raises_does_not_disturb_the_run(home: Path) -> None:
    def fail() -> None:
        raise RuntimeError("observer is broken")

    with Executor(home, plugins={"watcher": Watcher(fail)}) as executor:
        assert executor.submit(slow_flow, seconds=0.0).result(30) == 0.0


def test_a_file_changed_after_submit_is_not_used(home: Path, tmp_path: Path) -> None:
    from hardpoint.core.loading import find_workflow

    (tmp_path / "helper.py").write_text("VALUE = 'old'\n")
    (tmp_path / "flow.py").write_text(
        "import time\n"
        "from hardpoint.core import task, workflow\n"
        "@task\ndef wait(s: float) -> float:\n    time.sleep(s)\n    return s\n"
        "@task\ndef read(after: float) -> str:\n    from helper import VALUE\n    return VALUE\n"
        "@workflow\ndef flow() -> str:\n    return read(after=wait(s=0.5))\n"
    )
    flow = find_workflow(tmp_path / "flow.py", "flow")
    with Executor(home) as executor:
        execution = executor.submit(flow)
        (tmp_path / "helper.py").write_text("VALUE = 'new'\n")
        assert execution.result(30) == "old"
        assert executor.changed_files(execution.id) == ["helper.py"]


def test_a_script_that_runs_when_imported_is_told_to_guard_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from hardpoint.core import task, workflow\n"
        "from hardpoint.executor import run\n"
        "@task\ndef one(x: int) -> int:\n    return x + 1\n"
        "@workflow\ndef flow() -> int:\n    return one(1)\n"
        "run(flow)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "`script.py` starts a run when it is imported; workers import it to find its tasks" in done.stderr
    assert done.stderr.count('hint: Put the call under `if __name__ == "__main__":`') == 1
