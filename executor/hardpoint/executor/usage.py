"""What jobs used, as their services told it: summed over the attempts of a run, by task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import msgspec

from hardpoint.executor.view import Try

Usage = Mapping[str, float]


class TaskUsage(msgspec.Struct, frozen=True):
    """What the attempts of one task used.

    Args:
        task: Its name.
        attempts: Those of which something is told; also those that failed or were cancelled.
        usage: Their sums, by name.
    """

    task: str
    attempts: int
    usage: dict[str, float]


def summed(usages: Iterable[Usage]) -> dict[str, float]:
    """Sums by name, the same in whatever order they come.

    >>> summed([{"bytes": 1.0}, {"slot_ms": 2.0}, {"bytes": 0.5}])
    {'bytes': 1.5, 'slot_ms': 2.0}
    """
    found: dict[str, list[float]] = {}
    for usage in usages:
        for name, value in usage.items():
            found.setdefault(name, []).append(value)
    return {name: math.fsum(found[name]) for name in sorted(found)}


def by_task(tries: Iterable[Try], task_of: Callable[[str], str]) -> list[TaskUsage]:
    """What each task used, in the order in which they began; nothing of tasks of which nothing is told.

    Args:
        tries: Attempts.
        task_of: The task of a node or item.
    """
    told: dict[str, list[Usage]] = {}
    for each in tries:
        if each.usage:
            told.setdefault(task_of(each.node), []).append(each.usage)
    return [TaskUsage(task, len(usages), summed(usages)) for task, usages in told.items()]
