"""A thread in which one plugin's code runs, so that whoever waits for it can go on without it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
_Job: TypeAlias = tuple[Future[Any], Callable[[], Any]]


class LateError(Exception):
    """A call is not back in time.

    Args:
        message: How late it is.
        thread_ident: Where it hangs.
    """

    def __init__(self, message: str, thread_ident: int | None) -> None:
        super().__init__(message)
        self.thread_ident = thread_ident


class Lane:
    """Runs calls one after the other in a daemon thread of its own, which ends with this object.

    A call that is not back in time goes on in its thread, where nothing can stop it. Until it ends, if it
    ever does, those that come after it are refused at once.

    >>> Lane("sums").call(lambda: 1 + 1, budget_s=5.0)
    2
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._late: Future[Any] | None = None

    def call(self, function: Callable[[], T], *, budget_s: float) -> T:
        """Call it, and wait; the time of those before it is not counted.

        Raises:
            LateError: It is not back after `budget_s` seconds, or one before it is not.
            BaseException: What it raised, whatever that is.
        """
        with self._turn:
            thread = self._started()
            if self._late is not None and not self._late.done():
                raise LateError("an earlier call has not come back yet", thread.ident)
            self._late = None
            future: Future[T] = Future()
            self._jobs.put((future, function))
            try:
                return future.result(budget_s)
            except TimeoutError:
                if future.done():
                    return future.result()  # back at the last moment, or the error is the function's own
                self._late = future
                raise LateError(f"not finished after {budget_s:g} s", thread.ident) from None
            except KeyboardInterrupt:
                self._late = future
                raise

    def _started(self) -> threading.Thread:
        if self._thread is None:
            self._thread = threading.Thread(
                target=_serve, args=(self._jobs,), name=f"plugin {self._name}", daemon=True
            )
            self._thread.start()
            weakref.finalize(self, self._jobs.put, None)
        return self._thread


def _serve(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        future, function = job
        try:
            future.set_result(function())
        except BaseException as error:  # SystemExit and friends must not get further than this plugin
            future.set_exception(error)
        del job, future, function
