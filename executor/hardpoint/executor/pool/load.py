"""How much work is worth queueing on a worker: judged by how long the calls of each task took lately."""

from __future__ import annotations

TARGET_S = 0.015
"""Queued work per worker: enough to hide the engine's reaction time, little enough to be overtaken."""

WINDOW_MAX = 64
FIRST_WINDOW = 2

_WEIGHT = 0.2
# What a call costs besides its own run: decoding, the pipe, waking up.
_OVERHEAD_S = 50e-6
_UNKNOWN_S = TARGET_S / FIRST_WINDOW


class Durations:
    """Moving averages of what calls took, by task and over all.

    >>> durations = Durations()
    >>> durations.window()
    2
    >>> durations.record("fast", 0.0001)
    >>> durations.window(), durations.is_known("fast"), durations.is_known("slow")
    (64, True, False)
    """

    __slots__ = ("_all_s", "_by_task_s")

    def __init__(self) -> None:
        self._by_task_s: dict[str, float] = {}
        self._all_s = _UNKNOWN_S

    def record(self, task: str, duration_s: float) -> None:
        """One call ended."""
        took_s = duration_s + _OVERHEAD_S
        known_s = self._by_task_s.get(task)
        if known_s is None:
            if not self._by_task_s:
                self._all_s = took_s
            self._by_task_s[task] = took_s
        else:
            self._by_task_s[task] = known_s + _WEIGHT * (took_s - known_s)
        self._all_s += _WEIGHT * (took_s - self._all_s)

    def is_known(self, task: str) -> bool:
        """Whether a call of that task ended before."""
        return task in self._by_task_s

    def expected_s(self, task: str) -> float:
        """How long a call of that task will probably take."""
        return self._by_task_s.get(task, _UNKNOWN_S)

    def window(self) -> int:
        """How many calls of the usual mix a worker is to hold."""
        return max(1, min(WINDOW_MAX, int(TARGET_S / self._all_s)))
