"""What the records of a service say of those who shared it: how fairly, how fully, how fast."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.plugin_api.testing.jobservice import JobRecord


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
    """How fairly slots were shared from the time all tenants had a job until the first had none to start.

    Source of the index: Jain, Chiu and Hawe, "A quantitative measure of fairness and discrimination for
    resource allocation in shared computer systems", 1984.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if record.started is not None and record.ended is not None and record.label:
            spans.setdefault(attempts[record.label][0].project, []).append((record.started, record.ended))
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
    moves = sorted(
        [(record.started, 1) for record in records if record.started is not None]
        + [
            (record.ended, -1)
            for record in records
            if record.started is not None and record.ended is not None
        ]
    )
    return list(zip((at for at, _ in moves), itertools.accumulate(by for _, by in moves), strict=True))


def most_in_a_second(times: Sequence[float]) -> int:
    """How many fall into the fullest second.

    >>> most_in_a_second([0.0, 0.5, 0.99, 1.0, 1.98])
    4
    """
    ordered = sorted(times)
    most = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= 1.0:
            first += 1
        most = max(most, last + 1 - first)
    return most
