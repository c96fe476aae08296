"""A value that is made at most once, by whichever thread asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Make a value on first use; threads that ask meanwhile wait for it, and for nothing else.

    If making it raises, nothing is kept and the next caller tries again.

    >>> value = Once(lambda: print("made") or 7)
    >>> value.made is None, value.get(), value.get(), value.made
    made
    (True, 7, 7, 7)
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self.made: T | None = None

    def get(self) -> T:
        """The value."""
        if self.made is not None:
            return self.made
        with self._lock:
            if self.made is None:
                self.made = self._make()
            return self.made
