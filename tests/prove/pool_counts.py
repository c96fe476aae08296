"""What the records of a service say of those who shared it: how fairly, how fully, how fast."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.plugin_api.testing.jobservice import JobRecord

Span: TypeAlias = tuple[float, float]
"""When something started and ended, in seconds since the epoch."""


class Shares(NamedTuple):
    """How tenants fared while all of them waited.

    Args:
        slot_s: Slot-seconds of each, as the service counted them.
        jain: Jain's index over these: 1 if all are equal, 1/n if one has everything.
        utilisation: Part of the capacity that was used.
        window_s: How long.
    """

    slot_s: dict[str, float]
    jain: float
    utilisation: float
    window_s: float


def shares(
    records: Sequence[JobRecord], attempts: Mapping[str, tuple[ExecutionRow, str]], capacity: int
) -> Shares:
    """How fairly the slots of a service were shared by those who are charged for its jobs."""
    spans: dict[str, list[Span]] = {}
    for record in records:
        if record.started is not None and record.ended is not None and record.label:
            spans.setdefault(attempts[record.label][0].project, []).append((record.started, record.ended))
    return shares_of(spans, capacity)


def shares_of(spans: Mapping[str, Sequence[Span]], capacity: int) -> Shares:
    """How fairly slots were shared from the time all tenants had a job until the first had none to start.

    Source of the index: Jain, Chiu and Hawe, "A quantitative measure of fairness and discrimination for
    resource allocation in shared computer systems", 1984.

    >>> shares_of({"a": [(0.0, 2.0), (2.0, 4.0)], "b": [(0.0, 1.0), (1.0, 4.0), (4.0, 5.0)]}, 2)
    Shares(slot_s={'a': 2.0, 'b': 2.0}, jain=1.0, utilisation=1.0, window_s=2.0)
    """
    begin = max(min(start for start, _ in each) for each in spans.values())
    end = min(max(start for start, _ in each) for each in spans.values())
    slot_s = {
        project: sum(max(0.0, min(last, end) - max(first, begin)) for first, last in each)
        for project, each in spans.items()
    }
    total = sum(slot_s.values())
    jain = total**2 / (len(slot_s) * sum(each**2 for each in slot_s.values()))
    return Shares(slot_s, jain, total / (capacity * (end - begin)), end - begin)


def running_over_time(records: Sequence[JobRecord]) -> list[tuple[float, int]]:
    """How many jobs ran from each moment on; of two things at one moment the end comes first."""
    started = [record for record in records if record.started is not None]
    return running_of((each.started or 0.0, each.ended) for each in started)


def running_of(spans: Iterable[tuple[float, float | None]]) -> list[tuple[float, int]]:
    """The same of spans, which may have no end yet.

    >>> running_of([(0.0, 2.0), (1.0, None), (2.0, 3.0)])
    [(0.0, 1), (1.0, 2), (2.0, 1), (2.0, 2), (3.0, 1)]
    """
    moves: list[tuple[float, int]] = []
    for start, end in spans:
        moves += [(start, 1)] if end is None else [(start, 1), (end, -1)]
    moves.sort()
    return list(zip((at for at, _ in moves), itertools.accumulate(by for _, by in moves), strict=True))


def most_in_a_second(times: Sequence[float]) -> int:
    """How many fall into the fullest second.

    >>> most_in_a_second([0.0, 0.5, 0.99, 1.0, 1.98])
    3
    """
    ordered = sorted(times)
    most = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= 1.0:
            first += 1
        most = max(most, last + 1 - first)
    return most
