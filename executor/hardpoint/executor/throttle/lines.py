"""A waiting line in which places change all the time."""

from __future__ import annotations

import heapq
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Key = tuple[Any, ...]


class Line(Generic[T]):
    """A heap whose members may move and leave; what they left behind is skipped when it comes to the top.

    Keys must differ between members. Every operation takes O(log members), amortised.

    >>> line = Line[str]()
    >>> line.put("a", (1,)); line.put("b", (2,)); line.put("a", (3,))
    >>> line.first(), len(line)
    ('b', 2)
    >>> line.drop("b"); line.first()
    'a'
    """

    __slots__ = ("_heap", "keys")

    def __init__(self) -> None:
        self._heap: list[tuple[Key, T]] = []
        # By member; an entry of the heap is in force if it holds this very key, not an equal one.
        self.keys: dict[T, Key] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def put(self, member: T, key: Key) -> None:
        """Let a member in, or move it."""
        if self.keys.get(member) is key:
            return
        self.keys[member] = key
        heap = self._heap
        if len(self.keys) == 1:
            self._heap = [(key, member)]
        elif len(heap) > 2 * len(self.keys) + 16:
            self._heap = heap = [(key, member) for member, key in self.keys.items()]
            heapq.heapify(heap)
        else:
            heapq.heappush(heap, (key, member))

    def drop(self, member: T) -> None:
        """Take a member out, if it is in."""
        self.keys.pop(member, None)

    def first(self) -> T | None:
        """The member with the smallest key."""
        heap, keys = self._heap, self.keys
        while heap:
            key, member = heap[0]
            if keys.get(member) is key:
                return member
            heapq.heappop(heap)
        return None

    def first_key(self) -> Key:
        """The smallest key; the line must not be empty."""
        self.first()
        return self._heap[0][0]

    def in_order(self) -> list[T]:
        """All members, smallest first: O(n log n)."""
        return sorted(self.keys, key=self.keys.__getitem__)
