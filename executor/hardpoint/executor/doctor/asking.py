"""Calls that may hang, a few at a time and each for a limited time."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Ask(msgspec.Struct, Generic[T], frozen=True):
    """A call that somebody waits for.

    Args:
        whose: Whom it is about.
        call: What to call.
        overdue: What to take for an answer if there is none in time; gets the thread that hangs.
    """

    whose: str
    call: Callable[[], T]
    overdue: Callable[[int], T]


def ask_all(asks: Sequence[Ask[T]], *, limit_s: float, at_once: int) -> list[tuple[str, T]]:
    """Make calls, each in a thread of its own.

    A call that takes too long is left behind in its thread, which ends with the process.

    Args:
        asks: In the order in which they begin.
        limit_s: Longest that one call is waited for.
        at_once: How many are made at a time.

    Returns:
        Whom each is about, with its answer, in the order of `asks`.

    Raises:
        BaseException: What a call raised.

    >>> ask_all([Ask("a", lambda: 1, lambda thread: 0)], limit_s=5.0, at_once=2)
    [('a', 1)]
    """
    waiting = deque(enumerate(asks))
    ends: dict[int, float] = {}
    threads: dict[int, threading.Thread] = {}
    answers: dict[int, T] = {}
    done: queue.SimpleQueue[tuple[int, Callable[[], T]]] = queue.SimpleQueue()
    while waiting or ends:
        while waiting and len(ends) < at_once:
            number, ask = waiting.popleft()
            threads[number] = _begin(number, ask, done)
            ends[number] = monotonic() + limit_s
        try:
            number, answer = done.get(timeout=max(0.0, min(ends.values()) - monotonic()))
        except queue.Empty:
            number = min(ends, key=lambda each: ends[each])
            answer = partial(asks[number].overdue, threads[number].ident or 0)
        if ends.pop(number, None) is not None:
            answers[number] = answer()
    return [(ask.whose, answers[number]) for number, ask in enumerate(asks)]


def _begin(
    number: int, ask: Ask[T], done: queue.SimpleQueue[tuple[int, Callable[[], T]]]
) -> threading.Thread:
    def run() -> None:
        future: Future[T] = Future()
        try:
            future.set_result(ask.call())
        except BaseException as error:  # raised again where somebody waits
            future.set_exception(error)
        done.put((number, future.result))

    thread = threading.Thread(target=run, name=f"doctor {ask.whose}", daemon=True)
    thread.start()
    return thread
