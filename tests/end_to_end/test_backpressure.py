"""Bounded admission: tenants that submit more than they may run, in one process and in several."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint.core import task, workflow
from hardpoint.executor import AdmissionRefusedError, AsyncExecutor, Execution, Executor
from hardpoint.executor.cli.entry import run_command_line
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.waiting import PATIENCE_S as OTHERS_PATIENCE_S
from hardpoint.plugin_api import ErrorKind

PATIENCE_S = 60.0
FLOOD = 2_000


@task
def hold(door: str, number: int) -> int:
    """Note when it begins and ends; in between wait for the door."""
    with open(f"{door}.marks", "a") as file:
        file.write(f"+{number}\n")
    while door and not Path(door).exists():
        time.sleep(0.005)
    with open(f"{door}.marks", "a") as file:
        file.write(f"-{number}\n")
    return number


@workflow
def held(door: str, number: int = 0) -> int:
    return hold(door=door, number=number)


@task
def same(number: int) -> int:
    return number


@workflow
def short(number: int) -> int:
    return same(number=number)


@task
def doze(number: int) -> int:
    time.sleep(0.1)
    return number


@workflow
def slow(number: int) -> int:
    return doze(number=number)


class Store:
    """A folder with a journal and an operator's file."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.home = folder / "home"
        self.door = folder / "door"
        self.config = folder / "limits.toml"
        self.limit(max_running=2)

    def limit(self, tenant: str = "*", **limits: int) -> None:
        lines = "\n".join(f"{name} = {value}" for name, value in limits.items())
        self.config.write_text(f'[tenants."{tenant}"]\n{lines}\n')

    def executor(self, **more: Any) -> Executor:
        return Executor(self.home, journal=self.url, workers=2, config=self.config, **more)

    def hold(self, executor: Executor, number: int, **terms: Any) -> Execution:
        return executor.submit_with(held, {"door": str(self.door), "number": number}, **terms)

    def queue(self, executor: Executor, number: int, **terms: Any) -> str:
        return executor.enqueue(held, {"door": str(self.door), "number": number}, **terms)

    def open(self) -> None:
        self.door.touch()

    def marks(self) -> list[str]:
        path = Path(f"{self.door}.marks")
        return path.read_text().split() if path.exists() else []

    @property
    def environ(self) -> dict[str, str]:
        more = {"HARDPOINT_HOME": str(self.home), "HARDPOINT_JOURNAL": self.url}
        return {**os.environ, **more, "HARDPOINT_CONFIG": str(self.config)}


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else "sqlite"
    made = Store(tmp_path, url)
    yield made
    made.open()


def until(happened: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def most_at_once(marks: list[str]) -> int:
    now = most = 0
    for mark in marks:
        now += 1 if mark[0] == "+" else -1
        most = max(most, now)
    return most


def begun(marks: list[str]) -> list[int]:
    return [int(mark[1:]) for mark in marks if mark[0] == "+"]


def phase(executor: Executor, execution: str) -> RunPhase:
    return executor.journal.row(execution).phase


def started_after_s(execution: Execution) -> float:
    """Seconds from the submit to the start of the first attempt."""
    submitted = 0.0
    for event in execution.events():
        if event.kind == "Submitted":
            submitted = event.at
        if event.kind == "AttemptStarted":
            return event.at - submitted
    raise AssertionError("it ended without a start")


def test_what_is_too_much_waits_and_begins_by_priority_then_age(store: Store) -> None:
    with store.executor() as executor:
        first = [store.hold(executor, n) for n in (1, 2)]
        until(lambda: len(store.marks()) == 2)
        store.limit(max_running=1)  # read at the start of an executor: this one keeps to 2
        terms: list[dict[str, Any]] = [{}, {"qos": "low"}, {"priority": 7}, {"qos": "high"}, {}]
        later = [store.hold(executor, n, **each) for n, each in enumerate(terms, 3)]
        assert [each.queued for each in (*first, *later)] == [False] * 2 + [True] * 5
        assert {phase(executor, each.id) for each in later} == {RunPhase.QUEUED}
        with pytest.raises(TimeoutError):
            later[0].result(0.05)
        store.open()
        assert [each.result(PATIENCE_S) for each in later] == [3, 4, 5, 6, 7]
        order = [executor.journal.row(each.id).started_at or 0.0 for each in later]
    assert [number for _, number in sorted(zip(order, range(3, 8), strict=True))] == [6, 5, 3, 7, 4]
    assert most_at_once(store.marks()) <= 2


def test_a_stream_that_begins_in_the_queue_tells_everything(store: Store) -> None:
    with store.executor() as executor:
        for n in (1, 2):
            store.hold(executor, n)
        waiting = store.hold(executor, 3)
        kinds: list[str] = []
        reader = threading.Thread(target=lambda: kinds.extend(event.kind for event in waiting.events()))
        reader.start()
        store.open()
        reader.join(PATIENCE_S)
    assert kinds == ["Submitted", "Adopted", "AttemptStarted", "AttemptSucceeded", "Ended"]


def test_beyond_the_queue_a_submit_is_refused(store: Store) -> None:
    store.limit(max_running=1, max_queued=1)
    with store.executor() as executor:
        running, waiting = [store.hold(executor, n) for n in (1, 2)]
        with pytest.raises(AdmissionRefusedError) as caught:
            store.hold(executor, 3)
        error = caught.value
        assert (error.kind, error.retry_after_s) == (ErrorKind.THROTTLED, 10.0)
        assert str(error) == (
            "The queue of tenant `default/development` is full: `max_queued` is 1\n\n"
            "hint: Try again in about 10 s, or raise `max_queued` in the table "
            '`[tenants."default/development"]` of hardpoint.toml; '
            "`hardpoint executions list --phase queued` shows what waits"
        )
        with pytest.raises(AdmissionRefusedError):
            store.queue(executor, 4)
        other = store.hold(executor, 5, project="other")
        assert not other.queued
        store.open()
        assert [each.result(PATIENCE_S) for each in (running, waiting, other)] == [1, 2, 5]
        again = store.hold(executor, 6)
        assert again.result(PATIENCE_S) == 6
        assert len(executor.journal.rows()) == 4


def test_a_queue_is_bounded_where_nobody_set_anything(tmp_path: Path) -> None:
    with Executor(tmp_path, journal="memory") as executor:
        for number in range(1000):
            executor.enqueue(short, {"number": number})
        with pytest.raises(AdmissionRefusedError):
            executor.enqueue(short, {"number": 1000})
        assert executor.submit(short, number=7).result(PATIENCE_S) == 7


def test_the_bound_holds_over_several_executors(store: Store) -> None:
    executors = [store.executor() for _ in range(3)]
    handles = [store.hold(executor, n) for n in range(4) for executor in executors]
    assert sum(not each.queued for each in handles) == 2
    until(lambda: len(store.marks()) == 2)
    time.sleep(1.5)  # longer than anybody needs to look for room
    assert len(store.marks()) == 2
    store.open()
    assert [each.result(PATIENCE_S) for each in handles] == [n for n in range(4) for _ in range(3)]
    for executor in executors:
        executor.close()
    assert most_at_once(store.marks()) == 2


def test_a_run_that_was_taken_up_elsewhere_still_has_its_handle(store: Store) -> None:
    with store.executor() as adopting:
        store.limit(max_running=0)  # for an executor that reads it now
        submitting = store.executor()
        blocking = [store.hold(adopting, n) for n in (1, 2)]
        waiting = store.hold(submitting, 3)
        adopting.adopt_abandoned()
        store.open()
        assert [each.result(PATIENCE_S) for each in blocking] == [1, 2]
        assert waiting.result(PATIENCE_S) == 3
        assert [event.kind for event in waiting.events()][-1] == "Ended"
        assert adopting.journal.row(waiting.id).owner == ""
        submitting.close()


def test_a_run_that_was_taken_up_elsewhere_can_be_aborted_by_its_handle(store: Store) -> None:
    with store.executor() as adopting:
        store.limit(max_running=0)
        submitting = store.executor()
        waiting = store.hold(submitting, 1)
        adopting.adopt_abandoned()
        until(lambda: len(store.marks()) == 1)
        waiting.abort("enough")
        outcome = waiting.outcome(PATIENCE_S)
        assert (outcome.phase, outcome.error and outcome.error.message) == (RunPhase.ABORTED, "enough")
        submitting.close()


def test_queued_runs_can_be_aborted_from_everywhere(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in store.environ.items():
        monkeypatch.setenv(name, value)
    with store.executor() as executor, store.executor() as other:
        for n in (1, 2):
            store.hold(executor, n)
        own, by_id, by_command = [store.hold(executor, n) for n in (3, 4, 5)]
        detached = store.queue(executor, 6)
        began_s = time.monotonic()
        own.abort("enough")
        other.abort(by_id.id, "enough")
        other.abort(detached, "enough")
        outcomes = [each.outcome(PATIENCE_S) for each in (own, by_id)]
        assert time.monotonic() - began_s < 5.0
        assert [each.phase for each in outcomes] == [RunPhase.ABORTED] * 2
        assert [each.error.message for each in outcomes if each.error] == ["enough"] * 2
        assert run_command_line(["executions", "abort", by_command.id]) == 0
        assert by_command.outcome(PATIENCE_S).phase is RunPhase.ABORTED
        assert phase(executor, detached) is RunPhase.QUEUED
        other.adopt_abandoned()
        until(lambda: phase(executor, detached) is RunPhase.ABORTED)
        assert [event.kind for event in own.events()] == ["Submitted", "Adopted", "AbortRequested", "Ended"]
        store.open()
    assert sorted(begun(store.marks())) == [1, 2]


def test_draining_leaves_the_queue_to_the_next(store: Store) -> None:
    first = store.executor()
    handles = [store.hold(first, n) for n in range(4)]
    first.drain(grace_s=0.0)
    assert handles[3].outcome(0).phase is RunPhase.QUEUED
    with store.executor() as second:
        assert [phase(second, each.id) for each in handles[2:]] == [RunPhase.QUEUED] * 2
        recovered = {each.id: each for each in second.recover()}
        assert set(recovered) == {each.id for each in handles}
        store.open()
        assert [recovered[each.id].result(PATIENCE_S) for each in handles] == [0, 1, 2, 3]


def test_a_queued_run_goes_on_before_others_although_nobody_takes_those_up(store: Store) -> None:
    store.limit(max_running=1)
    with store.executor() as executor:
        running = store.hold(executor, 1)
        store.queue(executor, 2, priority=5)
        waiting = store.hold(executor, 3)
        store.open()
        assert running.result(PATIENCE_S) == 1
        began_s = time.monotonic()
        assert waiting.result(PATIENCE_S) == 3
        assert time.monotonic() - began_s >= OTHERS_PATIENCE_S - 1.0
        assert store.hold(executor, 4).result(1.5) == 4


PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from flows import held, slow
from hardpoint.executor import Executor

if __name__ == "__main__":
    door, how, count = sys.argv[2], sys.argv[3], int(sys.argv[4])
    executor = Executor(workers=2, project="flood")
    if how == "adopt":
        executor.adopt_abandoned()
    for number in range(count):
        if how == "hold":
            executor.submit(held, door=door, number=number)
        else:
            executor.submit(slow, number=number)
        if number == 9:
            print("under way", flush=True)
    print("up", flush=True)
    sys.stdin.readline()
    executor.drain(0.0)
"""
FLOWS = Path(__file__).read_text().partition("@task")[2].partition("class Store")[0]


class Process:
    """An executor in a process of its own."""

    def __init__(self, store: Store, how: str, count: int = 0) -> None:
        head = "import time\nfrom pathlib import Path\nfrom hardpoint.core import task, workflow\n\n@task"
        (store.folder / "flows.py").write_text(head + FLOWS)
        (store.folder / "process.py").write_text(PROCESS)
        self._process = subprocess.Popen(
            [sys.executable, "process.py", str(store.folder), str(store.door), how, str(count)],
            cwd=store.folder,
            env=store.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line.strip())

    def until(self, word: str) -> None:
        while self._said.get(timeout=PATIENCE_S) != word:
            pass

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(store: Store) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(how: str, count: int = 0) -> Process:
        started.append(Process(store, how, count))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def test_queued_runs_survive_their_executor(store: Store, start: Callable[..., Process]) -> None:
    process = start("hold", 5)
    process.until("up")
    until(lambda: len(begun(store.marks())) == 2)
    process.kill()
    with store.executor() as executor:
        ids = [row.execution for row in executor.journal.rows(phases=[RunPhase.QUEUED])]
        assert len(ids) == 3
        store.open()
        executor.adopt_abandoned()
        until(lambda: {row.phase for row in executor.journal.rows()} == {RunPhase.SUCCEEDED})
    assert sorted(set(begun(store.marks()))) == [0, 1, 2, 3, 4]


def test_a_flood_of_one_tenant_does_not_delay_anothers_submit(
    store: Store, start: Callable[..., Process]
) -> None:
    store.limit("flood", max_running=2, max_queued=FLOOD)
    with store.executor() as executor:
        executor.submit(short, number=0).result(PATIENCE_S)  # its workers are there
        flood = start("slow", FLOOD)
        flood.until("under way")
        waits_s = []
        for number in range(8):
            began_s = time.monotonic()
            execution = executor.submit(short, number=number)
            submitted_s = time.monotonic() - began_s
            waits_s.append(submitted_s + started_after_s(execution))
            assert execution.result(PATIENCE_S) == number
            time.sleep(0.3)
        flood.until("up")
        still = len(executor.journal.rows(limit=FLOOD, phases=[RunPhase.QUEUED]))
        assert still > FLOOD / 4, "the flood is over before it has begun"
        waits_s.append(started_after_s(executor.submit(short, number=9)))
    assert max(waits_s) < 1.0, waits_s


def test_a_flood_in_the_queue_does_not_stand_before_another_tenant(
    store: Store, start: Callable[..., Process]
) -> None:
    store.limit("flood", max_queued=FLOOD)
    with store.executor() as executor:
        for number in range(FLOOD):
            executor.enqueue(short, {"number": number}, project="flood")
        adopter = start("adopt")
        adopter.until("up")
        until(lambda: executor.journal.queue.running("flood", "development") > 0)
        id = executor.enqueue(short, {"number": 1}, project="other")
        enqueued_s = time.monotonic()
        until(lambda: phase(executor, id) is RunPhase.SUCCEEDED)
        took_s = time.monotonic() - enqueued_s
        still = len(executor.journal.queue.first("flood", "development", FLOOD))
        assert still > FLOOD / 4
    assert took_s < 5.0


def test_asyncio_programs_wait_in_the_queue_too(tmp_path: Path) -> None:
    config = tmp_path / "limits.toml"
    config.write_text('[tenants."*"]\nmax_running = 1\nmax_queued = 3\n')

    async def main() -> list[Any]:
        async with AsyncExecutor(tmp_path / "home", journal="memory", config=config) as executor:
            gate = tmp_path / "gate"
            first = await executor.submit_with(held, {"door": str(gate), "number": 0})
            rest = [await executor.submit_with(short, {"number": n}, qos="high") for n in range(3)]
            with pytest.raises(AdmissionRefusedError):
                await executor.submit(short, number=4)
            gate.touch()
            return [await each.result() for each in (first, *rest)]

    assert asyncio.run(main()) == [0, 0, 1, 2]


def test_the_command_line_refuses_and_shows_terms(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.limit(max_queued=1)
    for name, value in store.environ.items():
        monkeypatch.setenv(name, value)
    Process(store, "none").kill()
    monkeypatch.chdir(store.folder)
    words = ["run", "--detach", "flows.py", "short", "--number", "1", "--qos", "high"]
    words += ["--priority=-3", "--max-parallelism", "4"]
    assert run_command_line(words) == 0
    id = capsys.readouterr().out.strip()
    assert run_command_line([*words, "--json"]) == 2
    captured = capsys.readouterr()
    (refused,) = json.loads(captured.err)
    assert (captured.out, refused["code"]) == ("", "AdmissionRefusedError")
    assert run_command_line(["executions", "show", id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["phase"], told["priority"], told["qos"], told["max_parallelism"]) == (
        "QUEUED",
        97,
        "high",
        4,
    )
    assert run_command_line(["executions", "show", id]) == 0
    shown = capsys.readouterr().out
    assert "Priority  97, qos high\nParallel  at most 4 nodes\n" in shown
    assert run_command_line(["run", "flows.py", "short", "--number", "1", "--qos", "hihg"]) == 2
    assert "Did you mean `high`?" in capsys.readouterr().err
    assert run_command_line(["run", "flows.py", "short", "--number", "1", "--max-parallelism", "x"]) == 2
    assert "Option `--max-parallelism` is `x`, not a whole number from 0 on" in capsys.readouterr().err
