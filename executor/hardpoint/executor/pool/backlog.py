"""Calls that no worker has room for yet, by the archive they need, oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from hardpoint.executor.pool.messages import FunctionCall


class Backlog:
    """First come, first served for each archive; archives in the order of their oldest call.

    >>> backlog = Backlog()
    >>> call = FunctionCall(1, "e1", "train", 1, "train", {})
    >>> backlog.append("a", call)
    >>> len(backlog), backlog.codes(), backlog.first("a") is call
    (1, ['a'], True)
    >>> backlog.discard({1}), len(backlog)
    ((1,), 0)
    """

    __slots__ = ("_by_code", "_length")

    def __init__(self) -> None:
        self._by_code: dict[str, deque[FunctionCall]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[FunctionCall]:
        return (call for calls in self._by_code.values() for call in calls)

    def append(self, code: str, call: FunctionCall) -> None:
        """A call that comes last."""
        self._by_code.setdefault(code, deque()).append(call)
        self._length += 1

    def put_back(self, code: str, calls: Iterable[FunctionCall]) -> None:
        """Calls that were here before, in order: they go first."""
        given = list(calls)
        if not given:
            return
        self._by_code.setdefault(code, deque()).extendleft(reversed(given))
        self._length += len(given)

    def codes(self) -> list[str]:
        """Archives with calls waiting, the one with the oldest call first."""
        if len(self._by_code) == 1:
            return list(self._by_code)
        return sorted(self._by_code, key=lambda code: self._by_code[code][0].ticket)

    def first(self, code: str) -> FunctionCall | None:
        """The call that is next for an archive."""
        calls = self._by_code.get(code)
        return calls[0] if calls else None

    def take(self, code: str) -> FunctionCall:
        """Remove and return that call."""
        calls = self._by_code[code]
        call = calls.popleft()
        self._length -= 1
        if not calls:
            del self._by_code[code]
        return call

    def discard(self, tickets: set[int]) -> tuple[int, ...]:
        """Drop these calls; return the tickets that were here."""
        found = tuple(call.ticket for call in self if call.ticket in tickets)
        if found:
            kept = {
                code: deque(call for call in calls if call.ticket not in tickets)
                for code, calls in self._by_code.items()
            }
            self._by_code = {code: calls for code, calls in kept.items() if calls}
            self._length -= len(found)
        return found
