"""Who holds a pool and who waits for it, in the order in which those who wait would be granted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hardpoint.executor.explain import Waiting, of_pool
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.journal.shared import PoolRows
from hardpoint.executor.situation import Busy, Claimant, PolicyOf, of_wanted, rebuild

_MORE = 1 << 40


class InLine(msgspec.Struct, frozen=True):
    """Nodes of a run that wait for the same units.

    Args:
        execution: The run; in angle brackets the executor, if it is not known which of its runs.
        project, domain: Its tenant.
        units: What each wants.
        waiting: How many.
        place: Of the first of them, in the order of all, from 1; None if more than the capacity is in their
            way.
        cause: What is in the way.
        words: The same for people.
    """

    execution: str
    project: str
    domain: str
    units: int
    waiting: int
    place: int | None
    cause: str
    words: str


def line_of(
    pool: str,
    busy: Sequence[Busy],
    rows: PoolRows,
    running: Sequence[ExecutionRow],
    policy: PolicyOf,
    now: float,
) -> list[InLine]:
    """Who waits for a pool, those first who would be granted first if units became free one after the other.

    Args:
        pool: Name.
        busy: Who holds it.
        rows: From the store.
        running: Runs that have begun.
        policy: What holds for each pool.
        now: Seconds since the epoch.
    """
    mine = rows._replace(wanted=tuple(each for each in rows.wanted if each.pool == pool))
    wanted = of_wanted(mine, running, now)
    rebuilt = rebuild(msgspec.structs.replace(wanted, busy=tuple(busy)), policy, now)
    throttle = rebuilt.throttle
    granted = throttle.decide(now)
    whys = {lot: throttle.why(lot, now) for lot in rebuilt.lots}
    throttle.resize(pool, _MORE)
    places: dict[tuple[str, str], int] = {}
    for holder in (*granted, *throttle.decide(now)):
        places.setdefault(holder, len(places) + 1)
    found = [
        _in_line(each, None if (why := whys[lot]) is None else of_pool(each.execution, "", why), places)
        for each, lot in zip(wanted.claimants, rebuilt.lots, strict=True)
    ]
    return sorted(found, key=lambda each: (each.place is None, each.place or 0, each.execution))


def _in_line(each: Claimant, wait: Waiting | None, places: dict[tuple[str, str], int]) -> InLine:
    of_those = [places[each.execution, node] for node in each.nodes if (each.execution, node) in places]
    return InLine(
        each.execution,
        *each.tenant,
        each.claims[0].units,
        len(each.nodes),
        min(of_those, default=None),
        "nothing" if wait is None else wait.cause.value,
        "about to be granted" if wait is None else wait.words,
    )
