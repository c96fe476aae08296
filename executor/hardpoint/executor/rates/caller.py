"""Whose call it is that a thread makes: bound around a step, read by the gate that its calls pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from hardpoint.plugin_api import ErrorInfo, ErrorKind, HardpointError, ThrottledError

T = TypeVar("T")


class RateReachedError(ThrottledError):
    """The call was not made: its turn comes too late to wait for. Nothing was used up."""


class Turn(Protocol):
    """A place in front of a gate, held until the call for which it was taken has passed."""

    def over(self) -> None:
        """Give it back; any number of times, from any thread."""


class Passed(Protocol):
    """A call that has gone out."""

    def throttled(self, retry_after_s: float | None) -> None:
        """The service refused it because there were too many."""


class Caller:
    """One step, as the gate knows it.

    Args:
        account: At the service; empty if it is not known.
        turn: What the step waited for before it was started, if it did.
    """

    __slots__ = ("account", "last", "turn", "waited_s")

    def __init__(self, account: str = "", turn: Turn | None = None) -> None:
        self.account = account
        self.turn = turn
        self.last: Passed | None = None
        """The latest call, until the service is known to have throttled it."""
        self.waited_s = 0.0
        """At the gate: not the plugin's doing."""

    def run(self, call: Callable[[], T]) -> T:
        """Make calls on this step's behalf.

        A plugin may find out that its last call was throttled after that has left the gate.
        """
        # Put back afterwards: steps of a virtual clock run inside one another on one thread.
        outer, _here.caller = _here.caller, self
        try:
            return call()
        except HardpointError as error:
            if self.last is not None and (throttling := throttling_of(error)) is not None:
                self.last.throttled(throttling.retry_after_s)
            raise
        finally:
            _here.caller = outer
            self.end_turn()

    def end_turn(self) -> None:
        """Others need not wait for this step any more."""
        if self.turn is not None:
            self.turn.over()


def throttling_of(error: BaseException) -> ErrorInfo | None:
    """An error as data if it says that the service throttles; the gate itself refuses calls as well.

    >>> throttling_of(ThrottledError("slow down", retry_after_s=2.0)).retry_after_s
    2.0
    >>> throttling_of(RateReachedError("not yet", retry_after_s=2.0))
    """
    if not isinstance(error, HardpointError) or isinstance(error, RateReachedError):
        return None
    return error.info() if error.kind is ErrorKind.THROTTLED else None


class _Here(threading.local):
    caller: Caller | None = None


_here = _Here()


def current_caller() -> Caller:
    """Who makes the calls of this thread; outside of any step, nobody in particular."""
    return _here.caller or Caller()
