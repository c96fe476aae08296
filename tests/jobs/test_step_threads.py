"""The real threads behind steps: bounded, replaced when they hang, never in the way of a process's end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hardpoint.executor.clock import SystemClock
from hardpoint.executor.engine.job_context import CallGate, CallGivenUpError
from hardpoint.executor.engine.steps import THREADS_PER_GROUP, Answer, Step, StepThreads
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.rates import Rates

PATIENCE_S = 30.0


class Runner:
    """Step threads, and an engine that waits to be woken."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.threads = StepThreads(self.woken.set)

    def until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            assert self.woken.wait(PATIENCE_S)
            self.woken.clear()
            self.threads.deliver()


@pytest.fixture
def runner() -> Runner:
    return Runner()


def test_answers_arrive_on_the_threads_that_deliver(runner: Runner) -> None:
    answers: list[Any] = []
    here: list[threading.Thread] = []

    def then(answer: Answer[Any]) -> None:
        answers.append(answer.value)
        here.append(threading.current_thread())

    for number in range(200):
        runner.threads.submit("a", lambda number=number: number, then)  # type: ignore[misc]
    runner.until(lambda: len(answers) == 200)
    assert sorted(answers) == list(range(200))
    assert set(here) == {threading.current_thread()}


def test_a_group_has_so_many_threads_and_another_its_own(runner: Runner) -> None:
    go = threading.Event()
    answers: list[Answer[Any]] = []
    inside = threading.Semaphore(0)

    def wait() -> None:
        inside.release()
        go.wait(PATIENCE_S)

    for _ in range(3 * THREADS_PER_GROUP):
        runner.threads.submit("slow", wait, answers.append)
    for _ in range(THREADS_PER_GROUP):
        assert inside.acquire(timeout=PATIENCE_S)
    runner.threads.submit("quick", lambda: "here", answers.append)
    runner.until(lambda: bool(answers))
    assert answers[0].value == "here"
    assert not inside.acquire(blocking=False)
    go.set()
    runner.until(lambda: len(answers) == 3 * THREADS_PER_GROUP + 1)


def test_a_thread_that_hangs_is_replaced_and_its_answer_comes_late(runner: Runner) -> None:
    go = threading.Event()
    answers: list[Answer[Any]] = []
    late: list[Answer[Any]] = []
    inside = threading.Semaphore(0)

    def hang() -> str:
        inside.release()
        go.wait(PATIENCE_S)
        return "late"

    stuck: list[Step] = [
        runner.threads.submit("a", hang, answers.append, late.append) for _ in range(THREADS_PER_GROUP)
    ]
    for _ in stuck:
        assert inside.acquire(timeout=PATIENCE_S)
    runner.threads.submit("a", lambda: "next", answers.append)
    for step in stuck:
        assert step.began is not None
        assert not step.done
        runner.threads.give_up(step)
    runner.until(lambda: bool(answers))
    assert [answer.value for answer in answers] == ["next"]
    go.set()
    runner.until(lambda: len(late) == THREADS_PER_GROUP)
    assert {answer.value for answer in late} == {"late"}
    assert len(answers) == 1


def test_a_call_that_was_given_up_changes_nothing_any_more(runner: Runner) -> None:
    rates = Rates(list, MemoryLedger(), SystemClock())
    gate, go = CallGate("a", rates, lambda: True), threading.Event()
    late: list[Answer[Any]] = []
    inside = threading.Event()

    def create() -> None:
        inside.set()
        go.wait(PATIENCE_S)
        with gate.write():
            raise AssertionError("the gate let it through")

    step = runner.threads.submit("a", create, late.append, late.append)
    assert inside.wait(PATIENCE_S)
    runner.threads.give_up(step)
    go.set()
    runner.until(lambda: bool(late))
    assert late[0].error is not None
    assert late[0].error.code == CallGivenUpError.__name__
    with gate.write():
        assert [counts.calls for counts in rates.counts()] == [1]


def test_a_stream_does_not_take_a_thread_of_its_group(runner: Runner) -> None:
    go = threading.Event()
    answers: list[Answer[Any]] = []
    for _ in range(2 * THREADS_PER_GROUP):
        runner.threads.stream("a", lambda: assert_set(go), answers.append)
    runner.threads.submit("a", lambda: "here", answers.append)
    runner.until(lambda: bool(answers))
    assert answers[0].value == "here"
    runner.threads.post(go.set)
    runner.until(lambda: len(answers) == 2 * THREADS_PER_GROUP + 1)


def assert_set(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


def test_a_plugin_that_hangs_does_not_keep_the_process_alive() -> None:
    program = (
        "import threading\n"
        "from hardpoint.executor.engine.steps import StepThreads\n"
        "inside = threading.Event()\n"
        "steps = StepThreads(lambda: None)\n"
        "def hang():\n"
        "    inside.set()\n"
        "    threading.Event().wait()\n"
        "steps.submit('a', hang, print)\n"
        "inside.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=PATIENCE_S, check=False)
    assert done.returncode == 0


def test_closed_threads_end(runner: Runner) -> None:
    answers: list[Answer[Any]] = []
    runner.threads.submit("closing", threading.current_thread, answers.append)
    runner.until(lambda: bool(answers))
    thread = answers[0].value
    assert thread is not None
    runner.threads.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
