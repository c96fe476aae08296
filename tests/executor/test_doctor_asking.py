"""Calls that may hang, and clocks of services."""

from __future__ import annotations

import threading
import time

import pytest

from hardpoint.executor.doctor.asking import Ask, ask_all
from hardpoint.plugin_api import Severity
from hardpoint.plugin_api.clock_skew import clock_finding
from hardpoint.plugin_api.testing.fakes import FakeClock


def no_thread(thread: int) -> str:
    return "overdue"


def test_answers_come_in_the_order_of_the_questions_however_long_each_takes() -> None:
    late = threading.Event()

    def first() -> str:
        late.wait(10.0)
        return "first"

    def second() -> str:
        late.set()
        return "second"

    asks = [Ask("a", first, no_thread), Ask("b", second, no_thread)]
    assert ask_all(asks, limit_s=30.0, at_once=2) == [("a", "first"), ("b", "second")]


def test_one_that_hangs_is_left_behind_and_the_others_are_asked() -> None:
    forever = threading.Event()
    threads = []

    def overdue(thread: int) -> str:
        threads.append(thread)
        return "overdue"

    def hang() -> str:
        forever.wait()
        return "late"

    asks = [Ask("a", hang, overdue), Ask("b", lambda: "b", no_thread)]
    assert ask_all(asks, limit_s=0.3, at_once=1) == [("a", "overdue"), ("b", "b")]
    assert threads[0] in {each.ident for each in threading.enumerate()}
    forever.set()


def test_no_more_are_asked_at_once_than_allowed() -> None:
    lock = threading.Lock()
    running = most = 0

    def count() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return ""

    ask_all([Ask("a", count, no_thread)] * 12, limit_s=30.0, at_once=3)
    assert most <= 3


def test_what_a_call_raises_is_no_answer_and_no_hang() -> None:
    with pytest.raises(ZeroDivisionError):
        ask_all([Ask("a", lambda: str(1 // 0), no_thread)], limit_s=30.0, at_once=1)


@pytest.mark.parametrize(
    ("date", "severity"),
    [
        ("Tue, 14 Nov 2023 22:13:20 GMT", Severity.OK),
        ("Tue, 14 Nov 2023 22:13:22 GMT", Severity.OK),
        ("Tue, 14 Nov 2023 22:13:23 GMT", Severity.WARNING),
        ("Tue, 14 Nov 2023 22:13:17 GMT", Severity.OK),
        ("Tue, 14 Nov 2023 22:13:16 GMT", Severity.WARNING),
        ("yesterday", Severity.OK),
        ("", Severity.OK),
    ],
)
def test_the_date_of_an_answer_is_believed_to_the_second(date: str, severity: Severity) -> None:
    found = clock_finding(date, FakeClock(1_700_000_000.0))
    assert found.severity is severity
    assert bool(found.hint) is (severity is Severity.WARNING)
