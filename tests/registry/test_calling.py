"""Calling a plugin: what it does costs nobody but itself, and other processes can read that it failed."""

from __future__ import annotations

import gc
import threading
import time
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from hardpoint.plugin_api import ErrorInfo
from hardpoint.plugin_api.hookspecs import COOLING_S, FAILURES_MAX
from hardpoint.registry.calling import LATE, LEFT_OUT, Calls, Place
from hardpoint.registry.lane import Lane, LateError
from hardpoint.registry.troubles import Notice
from hardpoint.registry.verdicts import Finder, Verdicts, files_digest

PLACE = Place("acme/plugin", "admit_execution")
LONG_S = 30.0
SHORT_S = 0.05


class Desk:
    """Calls with a clock that stands still until it is moved, and a distribution for `acme/plugin`."""

    def __init__(self, folder: Path) -> None:
        info = folder / "acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        self.home = PathDistribution(info)
        self.now = 1_000.0
        self.verdicts = Verdicts(folder / "verdicts")
        self.calls = self.new_calls()

    def new_calls(self) -> Calls:
        """As another process has them."""
        home = {PLACE.plugin: self.home}
        return Calls(lambda: self.now, Notice(self.verdicts, home.get))

    def fail(self, times: int = 1, place: Place = PLACE) -> ErrorInfo:
        def broken() -> ErrorInfo:
            raise ZeroDivisionError

        return [self.calls.call(place, broken, budget_s=LONG_S) for _ in range(times)][-1]

    def written(self) -> str:
        verdict = self.verdicts.read(Finder.BREAKER, PLACE.plugin, files_digest(self.home))
        return "" if verdict is None else verdict.summary


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_a_plugin_returns_comes_back(desk: Desk) -> None:
    assert desk.calls.call(PLACE, lambda: 7, budget_s=LONG_S) == 7
    assert desk.calls.troubles() == ()


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), GeneratorExit(), AssertionError()])
def test_whatever_it_raises_is_told_as_data(desk: Desk, error: BaseException) -> None:
    def plugin_code() -> None:
        raise error

    answer = desk.calls.call(PLACE, plugin_code, budget_s=LONG_S)
    assert isinstance(answer, ErrorInfo)
    assert answer.code == type(error).__name__
    assert "in plugin_code" in answer.traceback
    [trouble] = desk.calls.troubles()
    assert (trouble.plugin, trouble.hook, trouble.failures, trouble.since) == (*PLACE, 1, 1_000.0)


def test_ctrl_c_passes(desk: Desk) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.calls.call(PLACE, interrupted, budget_s=LONG_S)


def test_one_that_hangs_costs_its_budget_once_and_says_where_it_hangs(desk: Desk) -> None:
    end = threading.Event()

    def hanging_plugin() -> None:
        end.wait(LONG_S)

    first = desk.calls.call(PLACE, hanging_plugin, budget_s=SHORT_S)
    assert isinstance(first, ErrorInfo)
    assert (first.code, first.message) == (LATE, "not finished after 0.05 s")
    assert "in hanging_plugin" in first.traceback
    began = time.perf_counter()
    second = desk.calls.call(PLACE, lambda: 1, budget_s=LONG_S)
    assert isinstance(second, ErrorInfo)
    assert second.message == "an earlier call has not come back yet"
    assert time.perf_counter() - began < LONG_S / 2
    end.set()


def test_one_that_hangs_keeps_no_other_waiting(desk: Desk) -> None:
    end = threading.Event()
    desk.calls.call(PLACE, lambda: end.wait(LONG_S), budget_s=SHORT_S)
    others = [Place("other/plugin", PLACE.hook), Place(PLACE.plugin, "diagnose")]
    assert [desk.calls.call(each, lambda: "well", budget_s=LONG_S) for each in others] == ["well", "well"]
    end.set()


def test_one_that_comes_back_late_is_called_again() -> None:
    lane, end = Lane("late"), threading.Event()
    with pytest.raises(LateError):
        lane.call(lambda: end.wait(LONG_S), budget_s=SHORT_S)
    end.set()
    deadline = time.monotonic() + LONG_S
    while True:
        try:
            assert lane.call(lambda: "back", budget_s=LONG_S) == "back"
            break
        except LateError:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_calls_of_one_plugin_are_made_one_at_a_time_and_in_one_thread(desk: Desk) -> None:
    seen: list[tuple[int, str]] = []

    def note(caller: int) -> None:
        seen.append((caller, "in"))
        time.sleep(0.002)
        seen.append((caller, threading.current_thread().name))

    callers = [
        threading.Thread(target=lambda n=n: desk.calls.call(PLACE, lambda: note(n), budget_s=LONG_S))
        for n in range(5)
    ]
    for each in callers:
        each.start()
    for each in callers:
        each.join(LONG_S)
    assert [caller for caller, _ in seen[::2]] == [caller for caller, _ in seen[1::2]]
    assert {name for _, name in seen} == {"in", "plugin acme/plugin admit_execution"}


def test_a_plugins_own_timeout_is_not_taken_for_lateness(desk: Desk) -> None:
    def gives_up() -> None:
        raise TimeoutError("the vault does not answer")

    answer = desk.calls.call(PLACE, gives_up, budget_s=LONG_S)
    assert isinstance(answer, ErrorInfo)
    assert answer.message == "TimeoutError: the vault does not answer"
    assert desk.calls.call(PLACE, lambda: "well", budget_s=LONG_S) == "well"


def test_its_thread_ends_with_whoever_called() -> None:
    lane = Lane("short-lived")
    lane.call(lambda: None, budget_s=LONG_S)
    [thread] = [each for each in threading.enumerate() if each.name == "plugin short-lived"]
    del lane
    gc.collect()
    thread.join(LONG_S)
    assert not thread.is_alive()


def test_after_enough_failures_it_is_not_called_until_it_has_cooled(desk: Desk) -> None:
    desk.fail(FAILURES_MAX)
    called: list[str] = []
    left_out = desk.calls.call(PLACE, lambda: called.append("too early"), budget_s=LONG_S)
    assert isinstance(left_out, ErrorInfo)
    assert (left_out.code, left_out.retry_after_s) == (LEFT_OUT, COOLING_S)
    assert "it failed 3 times: ZeroDivisionError" in left_out.message
    desk.now += COOLING_S
    desk.calls.call(PLACE, lambda: called.append("trial"), budget_s=LONG_S)
    desk.calls.call(PLACE, lambda: called.append("well"), budget_s=LONG_S)
    assert called == ["trial", "well"]
    assert desk.calls.troubles() == ()


def test_a_trial_that_fails_begins_another_wait(desk: Desk) -> None:
    desk.fail(FAILURES_MAX)
    desk.now += COOLING_S
    assert desk.fail().code == "ZeroDivisionError"
    assert desk.fail().code == LEFT_OUT
    [trouble] = desk.calls.troubles()
    assert (trouble.failures, trouble.since) == (FAILURES_MAX + 1, 1_000.0)


def test_another_process_can_read_that_a_breaker_opened_until_it_recovers(desk: Desk) -> None:
    desk.fail(FAILURES_MAX - 1)
    assert desk.written() == ""
    desk.fail()
    assert desk.written().startswith("`admit_execution` failed 3 times in a row: ZeroDivisionError")
    desk.now += COOLING_S
    desk.calls.call(PLACE, lambda: None, budget_s=LONG_S)
    assert desk.written() == ""


def test_a_process_in_which_the_hook_works_takes_the_notice_of_another_down(desk: Desk) -> None:
    desk.fail(FAILURES_MAX)
    later = desk.new_calls()
    later.call(Place(PLACE.plugin, "diagnose"), lambda: None, budget_s=LONG_S)
    assert desk.written() != "", "another hook that works says nothing about this one"
    later.call(PLACE, lambda: None, budget_s=LONG_S)
    assert desk.written() == ""


def test_a_built_in_plugin_leaves_nothing_behind(desk: Desk, tmp_path: Path) -> None:
    desk.fail(FAILURES_MAX, Place("built in", "admit_execution"))
    assert len(desk.calls.troubles()) == 1
    assert list(tmp_path.glob("verdicts/*/*")) == []
