"""No credit for idleness: where a tenant begins that comes back."""

from __future__ import annotations

from typing import Generic, TypeVar

from hardpoint.executor.throttle.keys import ShareKey
from hardpoint.executor.throttle.lines import Line

T = TypeVar("T")


class Busy(Generic[T]):
    """Siblings that hold or want something, and the least slot time per weight among them, at any time.

    Siblings that hold equally much per weight use slot time equally fast, so their order stays; they form
    a line, and the least of all is the least of the heads. Different amounts per weight are few. Changes
    are only noted until somebody asks.

    Source: start-time fair queueing, Goyal, Vin, Cheng, SIGCOMM 1996: a flow that was idle starts at the
    virtual time of the server.

    >>> busy = Busy[str]()
    >>> busy.put("a", (1.0, 2.0, 0.0, 0.0, "a")); busy.put("b", (1.0, 0.0, 30.0, 0.0, "b"))
    >>> busy.least(10), busy.least(20)
    (20.0, 30.0)
    >>> busy.leave("a", 50.0); busy.leave("b", 30.0); busy.least(60)
    50.0
    """

    __slots__ = ("_keys", "_lines", "_moved", "_used")

    def __init__(self) -> None:
        self._keys: dict[T, ShareKey] = {}
        self._lines: dict[float, Line[T]] = {}
        self._moved: dict[T, ShareKey] = {}
        # The most that anybody had used who left: where all begin after everybody was idle.
        self._used = float("-inf")

    def put(self, member: T, key: ShareKey) -> None:
        """Let a sibling in, or note that its key has changed."""
        self._moved[member] = key

    def leave(self, member: T, used: float) -> None:
        """A sibling holds and wants nothing any more.

        Args:
            member: Who.
            used: Its slot time per weight, in microseconds.
        """
        self._moved.pop(member, None)
        self._drop(member)
        self._used = max(self._used, used)

    def least(self, now_us: int) -> float:
        """The least slot time per weight among the busy; if nobody is, the most of those who were."""
        for member, key in self._moved.items():
            self._drop(member)
            self._keys[member] = key
            self._lines.setdefault(key[1], Line()).put(member, key[2:])
        self._moved.clear()
        heads = (line.first_key()[0] + ratio * now_us for ratio, line in self._lines.items())
        return min(heads, default=self._used)

    def _drop(self, member: T) -> None:
        key = self._keys.pop(member, None)
        if key is not None:
            line = self._lines[key[1]]
            line.drop(member)
            if not line:
                del self._lines[key[1]]
