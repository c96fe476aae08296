"""What happened to the jobs of one tenant, in order: what a client asks for that does not want to poll."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardpoint.plugin_api.testing.jobservice.board import Job, JobState

KEPT = 100_000
"""Changes that are remembered; a client that falls further behind has to poll."""

Change = tuple[int, "Job", "JobState"]


class Changes:
    """Numbered from 1.

    >>> changes = Changes()
    >>> changes.last, changes.since(0)
    (0, [])
    """

    def __init__(self) -> None:
        self.last = 0
        self._kept: deque[Change] = deque(maxlen=KEPT)
        self._waiting: list[Callable[[], None]] = []

    def add(self, job: Job) -> None:
        """A job has the state it has from now on."""
        self.last += 1
        self._kept.append((self.last, job, job.state))
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def since(self, number: int, limit: int = 1000) -> list[Change]:
        """The changes after that number, oldest first."""
        if number >= self.last or not self._kept:
            return []
        first = self._kept[0][0]
        start = max(0, number + 1 - first)
        return [self._kept[i] for i in range(start, min(len(self._kept), start + limit))]

    def when_more(self, call: Callable[[], None]) -> Callable[[], None]:
        """Call once with the next change; returns what takes that back."""
        self._waiting.append(call)

        def take_back() -> None:
            if call in self._waiting:
                self._waiting.remove(call)

        return take_back
