"""Several executors on one store: who drives what, what a death or a freeze costs, who hears commands."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hardpoint_jobservice import JobServicePlugin
from postgres_server import PostgresServer

from hardpoint.core import Workflow, task, workflow
from hardpoint.core.loading import find_workflow
from hardpoint.executor import AsyncExecutor, Execution, Executor
from hardpoint.executor.adoption import LOOK_EVERY_S
from hardpoint.executor.api import AdoptingError
from hardpoint.executor.cli.entry import run_command_line
from hardpoint.executor.journal.events import AbortRequested, RunPhase
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import Append, Command, JournalUnreachableError
from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    ErrorKind,
    HardpointError,
    Idempotency,
    JobRef,
    Outputs,
    Parameter,
    Phase,
    PollPolicy,
    Prepared,
    Shape,
    Status,
    TaskDefinition,
    TaskType,
    hookimpl,
)
from hardpoint.plugin_api.testing.jobservice import JobService
from hardpoint.registry import NoPluginError

PATIENCE_S = 60.0
LEASE_S = 2.0
ELSEWHERE = "another-machine/0/1/1/1"
TESTS = Path(__file__).resolve().parents[1]

FLOWS = """
import os
import time

from hardpoint.core import task, workflow
from hardpoint_jobservice import JobTask

job = JobTask("job", url=os.environ.get("JOBS_URL", ""), duration_s=1.0)


@task
def mark(place: str, number: int, after: int = 0) -> int:
    with open(place, "a") as file:
        file.write(f"{number}\\n")
    while number == 2 and not os.path.exists(place + ".open"):
        time.sleep(0.01)
    return number


@workflow
def chain(place: str) -> int:
    last = mark(place=place, number=0)
    for number in range(1, 6):
        last = mark(place=place, number=number, after=last)
    return last


@workflow
def one_job() -> int:
    return job(value=7)


@workflow
def jobs(place: str) -> int:
    first = [job(value=number) for number in range(4)]
    return mark(place=place, number=job(value=first[0]), after=first[3])
"""

DRIVER = """
import json
import os
import sys

from hardpoint.executor import Executor
from hardpoint.plugin_api import PollPolicy
from hardpoint_jobservice import JobServicePlugin


def say(*words):
    print(json.dumps(words), flush=True)


def taken(execution):
    say("taken", execution.id)
    execution.future.add_done_callback(lambda future: ended(execution.id, future))


def ended(execution, future):
    error = future.exception()
    say("ended", execution, type(error).__name__ if error else future.result().phase.value)


if __name__ == "__main__":
    plugins = {"jobservice": JobServicePlugin(poll=PollPolicy(first_s=0.05, fraction=0.2, max_s=0.5))}
    with Executor(plugins=plugins, lease_s=float(sys.argv[1]), workers=2) as executor:
        executor.adopt_abandoned(taken=taken, refused=lambda error: say("refused", error.code))
        say("up", os.getpid())
        sys.stdin.readline()
        executor.drain(grace_s=20.0)
    say("left")
"""


class Store:
    """A folder with flows, and where its journal lies."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.url = url
        self.place = folder / "marks"
        self.jobs_url = ""
        (folder / "flows.py").write_text(FLOWS)
        (folder / "drive.py").write_text(DRIVER)

    def executor(self, **settings: Any) -> Executor:
        return Executor(self.home, journal=self.url, workers=1, **settings)

    def queue(self, flow: str, **inputs: Any) -> str:
        """Queue a run with the command line; return its id."""
        words = [f"--{name}={value}" for name, value in inputs.items()]
        done = subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", "run", "--detach", "flows.py", flow, *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def environ(self) -> dict[str, str]:
        more = {"HARDPOINT_HOME": str(self.home), "HARDPOINT_JOURNAL": self.url}
        more["JOBS_URL"] = self.jobs_url
        return {**os.environ, "PYTHONPATH": PYTHONPATH, **more}

    def events(self, execution: str) -> list[Any]:
        journal = open_journal(self.home, self.url)
        try:
            return list(journal.read(execution))
        finally:
            journal.close()

    def kinds(self, execution: str) -> list[str]:
        return [type(event).__name__ for event in self.events(execution)]

    def phase(self, execution: str) -> RunPhase:
        journal = open_journal(self.home, self.url)
        try:
            return journal.row(execution).phase
        finally:
            journal.close()

    def open(self) -> None:
        """Let the third link of chains go on, which waits for this."""
        Path(f"{self.place}.open").touch()

    def marks(self) -> list[str]:
        return self.place.read_text().split() if self.place.exists() else []


PYTHONPATH = os.pathsep.join([str(TESTS / "jobservice_plugin"), *sys.path])


class Process:
    """An executor in a process of its own, which takes up what nobody drives."""

    def __init__(self, store: Store, lease_s: float = LEASE_S) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "drive.py", str(lease_s)],
            cwd=store.folder,
            env=store.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._listen, daemon=True),
            threading.Thread(target=self._complain, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.until("up")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def _complain(self) -> None:
        assert self._process.stderr is not None
        self._errors += self._process.stderr

    def until(self, *words: Any) -> list[Any]:
        """Wait until it says something that begins so; return all that it said."""
        end = time.monotonic() + PATIENCE_S
        try:
            while (said := self._said.get(timeout=end - time.monotonic()))[: len(words)] != list(words):
                pass
        except queue.Empty:
            raise AssertionError(f"it never said {words}: {''.join(self._errors)}") from None
        return said

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def leave(self) -> str:
        """Let it drain and end; return what it wrote to stderr."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join()
        return "".join(self._errors)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else "sqlite"
    return Store(tmp_path, url)


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts executors in processes of their own; none is left afterwards."""
    started: list[Process] = []

    def begin(store: Store, **more: Any) -> Process:
        started.append(Process(store, **more))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


class Taken:
    """Collects the runs that an executor takes up."""

    def __init__(self) -> None:
        self.executions: queue.SimpleQueue[Execution] = queue.SimpleQueue()
        self.refused: queue.SimpleQueue[HardpointError] = queue.SimpleQueue()

    def adopt(self, executor: Executor, **more: Any) -> None:
        executor.adopt_abandoned(taken=self.executions.put, refused=self.refused.put, **more)

    def next(self) -> Execution:
        return self.executions.get(timeout=PATIENCE_S)


@task
def nothing(number: int) -> int:
    return number


@task
def wait_for(place: str) -> bool:
    while not Path(place).exists():
        time.sleep(0.01)
    return True


@workflow
def short(number: int) -> int:
    return nothing(number=nothing(number=number))


@workflow
def held(place: str) -> bool:
    return wait_for(place=place)


JOBS = {"jobservice": JobServicePlugin(poll=PollPolicy(first_s=0.05, fraction=0.2, max_s=0.5))}


def until(execution: Execution, kind: str) -> None:
    """Wait until such an event is journaled."""
    assert any(event.kind == kind for event in execution.events()), kind


def test_each_queued_run_gets_one_of_many_executors(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    taken = Taken()
    with ExitStack() as stack:
        executors = [stack.enter_context(store.executor()) for _ in range(3)]
        ids = [executors[0].enqueue(short, {"number": number}) for number in range(24)]
        for executor in executors:
            taken.adopt(executor)
        outcomes = {each.id: each.outcome(PATIENCE_S) for each in (taken.next() for _ in ids)}
    assert [outcomes[id].outputs for id in ids] == [{"result": number} for number in range(24)]
    assert [store.kinds(id).count("Adopted") for id in ids] == [1] * 24
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert taken.refused.empty()


def until_there(happened: Callable[[], bool]) -> None:
    """Wait for something that only another process knows."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_runs_of_a_killed_executor_are_taken_up_at_once(store: Store, start: Callable[..., Process]) -> None:
    first = start(store, lease_s=600.0)
    execution = store.queue("chain", place=store.place)
    first.until("taken", execution)
    second = start(store, lease_s=600.0)
    until_there(lambda: "2" in store.marks())
    first.kill()
    second.until("taken", execution)
    store.open()
    second.until("ended", execution, "SUCCEEDED")
    assert store.marks() == ["0", "1", "2", "2", "3", "4", "5"]
    assert second.leave() == ""


def test_a_lease_on_another_machine_must_lapse(store: Store) -> None:
    taken = Taken()
    with store.executor(lease_s=LEASE_S) as executor:
        execution = executor.enqueue(short, {"number": 1})
        claimed = executor.journal.claim(execution, ELSEWHERE, time.time())
        assert claimed is not None
        taken.adopt(executor)
        assert taken.next().result(PATIENCE_S) == 1
        adopted = next(event for event in store.events(execution) if type(event).__name__ == "Adopted")
        assert 0.0 <= adopted.at - claimed.lease_until <= 3.0


def test_a_frozen_executor_that_wakes_up_does_no_harm(store: Store, start: Callable[..., Process]) -> None:
    with JobService() as service:
        store.jobs_url = service.url
        first = start(store)
        execution = store.queue("jobs", place=store.place)
        first.until("taken", execution)
        until_there(lambda: service.stats().total.created >= 2)
        first.send(signal.SIGSTOP)
        second = start(store)
        second.until("taken", execution)
        first.send(signal.SIGCONT)
        first.until("ended", execution, "LeaseLostError")
        second.until("ended", execution, "SUCCEEDED")
        stats = service.stats().total
    events = [(type(event).__name__, event) for event in store.events(execution)]
    successes = Counter(event.node for kind, event in events if kind == "AttemptSucceeded")
    assert set(successes.values()) == {1}
    tokens = {event.token for kind, event in events if kind == "AttemptStarted" and event.token}
    assert (stats.created, stats.double_submits, stats.orphans, stats.cancelled) == (len(tokens), 0, 0, 0)
    assert len(tokens) == 5
    assert store.marks() == ["0"]

    # What woke up is as good as new.
    second.leave()
    store.open()
    again = store.queue("chain", place=store.place)
    first.until("ended", again, "SUCCEEDED")
    assert first.leave() == ""


def test_an_abort_of_a_run_that_nobody_drives_waits_for_its_executor(store: Store) -> None:
    taken = Taken()
    with store.executor() as asking, store.executor() as executor:
        execution = asking.enqueue(held, {"place": str(store.place)})
        asking.abort(execution, "enough")
        taken.adopt(executor)
        outcome = taken.next().outcome(PATIENCE_S)
        assert outcome.phase is RunPhase.ABORTED
        assert outcome.error is not None
        assert outcome.error.message == "enough"
        assert executor.journal.commands([execution]) == []
    assert "AttemptStarted" not in store.kinds(execution)


def test_an_abort_reaches_a_run_wherever_it_is_driven(store: Store) -> None:
    with store.executor() as driving, store.executor() as asking:
        execution = driving.submit(held, place=str(store.place))
        for event in execution.events():
            if event.kind == "AttemptStarted":
                break
        asked_at = time.time()
        command = Command("once", execution.id, "abort", {"reason": "enough"})
        for _ in range(3):
            asking.journal.send(command)
        assert execution.outcome(PATIENCE_S).phase is RunPhase.ABORTED
        requests = [event for event in store.events(execution.id) if type(event).__name__ == "AbortRequested"]
        assert len(requests) == 1
        assert requests[0].at - asked_at < 1.5


def test_an_abort_that_comes_too_late_is_dropped(store: Store) -> None:
    with store.executor() as executor:
        execution = executor.submit(short, number=1)
        assert execution.result(PATIENCE_S) == 1
        executor.abort(execution.id)
        execution.abort()
        assert executor.journal.commands([execution.id]) == []
        assert executor.journal.row(execution.id).phase is RunPhase.SUCCEEDED


def load(store: Store, flow: str) -> Workflow[..., Any]:
    return find_workflow(store.folder / "flows.py", flow)


def test_draining_hands_over_at_once_what_needs_nothing_of_this_process(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Taken()
    with JobService() as service, store.executor(plugins=JOBS) as staying:
        monkeypatch.setenv("JOBS_URL", service.url)
        leaving = store.executor(plugins=JOBS)
        busy = leaving.submit(held, place=str(store.folder / "go"))
        free = leaving.submit(load(store, "one_job"))
        until(busy, "AttemptStarted")
        until(free, "JobCreated")
        drain = threading.Thread(target=leaving.drain, args=(PATIENCE_S,))
        drain.start()
        taken.adopt(staying)
        adopted = taken.next()
        assert (adopted.id, adopted.result(PATIENCE_S)) == (free.id, 7)
        assert not busy.done
        (store.folder / "go").touch()
        drain.join(PATIENCE_S)
        assert busy.result() is True
        assert service.stats().total.created == 1


class RareHandler:
    """A service in memory whose jobs end at once."""

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        return Prepared("here")

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        return JobRef(request.token, "here")

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        return JobRef(request.token, "here")

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        return {job.id: Status(Phase.SUCCEEDED) for job in jobs}

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        return {"result": 7}

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Nothing is left to cancel."""


class RarePlugin:
    """Not installed: only an executor that is given it can run its tasks."""

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        yield TaskType("rare", Shape.JOB, RareHandler, idempotency=Idempotency.TOKEN)


rare_task = TaskDefinition(
    name="rare",
    task_type="rare",
    file=Path(__file__),
    inputs={"value": Parameter(int)},
    outputs={"result": int},
)


@workflow
def rare() -> int:
    result: int = rare_task(value=1)
    return result


def test_a_run_is_left_to_an_executor_that_has_its_plugin(store: Store) -> None:
    able, unable = Taken(), Taken()
    with store.executor(plugins={"rare": RarePlugin()}) as equipped, store.executor() as bare:
        execution = equipped.enqueue(rare, {})
        unable.adopt(bare)
        assert isinstance(unable.refused.get(timeout=PATIENCE_S), NoPluginError)
        with pytest.raises(NoPluginError):
            bare.resume(execution)
        able.adopt(equipped)
        assert able.next().result(PATIENCE_S) == 7
        assert unable.executions.empty()
    assert store.kinds(execution).count("Adopted") == 1


def test_a_busy_executor_takes_no_more_than_it_may(store: Store) -> None:
    taken = Taken()
    with store.executor() as executor:
        ids = [executor.enqueue(held, {"place": str(store.folder / f"go{n}")}) for n in range(5)]
        taken.adopt(executor, max_runs=2)
        first = [taken.next() for _ in range(2)]
        assert [each.id for each in first] == ids[:2]
        until(first[0], "AttemptStarted")
        with pytest.raises(queue.Empty):
            taken.executions.get(timeout=2.5 * LOOK_EVERY_S)
        for n in range(5):
            (store.folder / f"go{n}").touch()
        rest = [taken.next() for _ in range(3)]
        assert all(each.result(PATIENCE_S) is True for each in (*first, *rest))
    assert [each.id for each in rest] == ids[2:]


def test_a_run_that_cannot_be_read_holds_up_no_other(store: Store) -> None:
    taken = Taken()
    with store.executor() as executor:
        broken = executor.enqueue(short, {"number": 1})
        journal = executor.journal
        hole = Append(broken, journal.row(broken).fence, first_seq=5, events=[AbortRequested(0.0, "")])
        journal.commit([hole], durable=False)
        sound = executor.enqueue(short, {"number": 2})
        taken.adopt(executor)
        adopted = taken.next()
        assert (adopted.id, adopted.result(PATIENCE_S)) == (sound, 2)
        refused = taken.refused.get(timeout=PATIENCE_S)
        assert refused.message == (
            f"The journal of run `{broken}` is damaged from event 2 on: events 2 to 4 are missing"
        )
        assert journal.row(broken).owner == ""


def test_a_store_that_is_away_is_a_transient_error(tmp_path: Path) -> None:
    with PostgresServer() as server, Executor(tmp_path, journal=server.make_database()) as executor:
        assert executor.submit(short, number=1).result(PATIENCE_S) == 1
        server.kill9()
        with pytest.raises(JournalUnreachableError) as caught:
            executor.submit(short, number=2)
        assert caught.value.kind is ErrorKind.TRANSIENT
        assert f"The journal `postgresql://postgres@127.0.0.1:{server.port}/t1` cannot be reached" in str(
            caught.value
        )
        server.start()
        assert executor.submit(short, number=3).result(PATIENCE_S) == 3


def test_an_executor_goes_on_when_its_database_is_back(tmp_path: Path, start: Callable[..., Process]) -> None:
    with PostgresServer() as server:
        store = Store(tmp_path, server.make_database())
        process = start(store)
        execution = store.queue("chain", place=store.place)
        until_there(lambda: "2" in store.marks())
        server.kill9()
        store.open()
        server.start()
        process.until("ended", execution, "SUCCEEDED")
        server.kill9()
        server.start()
        again = store.queue("chain", place=store.place)
        process.until("ended", again, "SUCCEEDED")
        process.leave()
    assert Counter(store.marks()) == dict.fromkeys("012345", 2)


def test_an_executor_can_leave_while_its_database_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with PostgresServer() as server:
        executor = Executor(tmp_path, journal=server.make_database(), lease_s=2.0)
        execution = executor.submit(held, place=str(tmp_path / "door"))
        until(execution, "AttemptStarted")
        server.kill9()
        executor.drain(grace_s=0.0)
        assert "the leases of unfinished runs lapse by themselves" in caplog.text
        server.start()
        (tmp_path / "door").touch()
        with Executor(tmp_path, journal=server.url("t1"), lease_s=2.0) as other:
            other.adopt_abandoned()
            until_there(lambda: other.journal.row(execution.id).phase is RunPhase.SUCCEEDED)


def test_closing_waits_also_for_what_was_only_just_submitted() -> None:
    for _ in range(5):
        with Executor(journal="memory", workers=1) as executor:
            execution = executor.submit(short, number=1)
        assert execution.outcome().phase is RunPhase.SUCCEEDED


def test_an_executor_takes_up_runs_only_once_at_a_time(tmp_path: Path) -> None:
    with Executor(tmp_path) as executor:
        executor.adopt_abandoned()
        with pytest.raises(AdoptingError) as caught:
            executor.adopt_abandoned()
    assert str(caught.value) == "This executor takes up abandoned runs already"


def test_the_async_face_takes_up_and_aborts(tmp_path: Path) -> None:
    async def drive() -> RunPhase:
        async with AsyncExecutor(tmp_path) as executor:
            execution = await executor.submit(held, place=str(tmp_path / "never"))
            await executor.adopt_abandoned(max_runs=4)
            await executor.abort(execution.id)
            return (await execution.outcome()).phase

    assert asyncio.run(drive()) is RunPhase.ABORTED


def test_the_environment_chooses_the_journal(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARDPOINT_JOURNAL", store.url)
    with Executor(store.home) as executor:
        execution = executor.submit(short, number=1)
        execution.result(PATIENCE_S)
    assert (store.home / "hardpoint.db").exists() is (store.url == "sqlite")

    def said(line: str) -> Any:
        assert run_command_line([*line.split(), "--home", str(store.home), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert [each["execution"] for each in said("executions list")] == [execution.id]
    assert said("executions show last")["phase"] == "SUCCEEDED"
    assert said("executions events last")[-1]["kind"] == "Ended"
    assert said("executions resume last")["outputs"] == {"result": 1}
