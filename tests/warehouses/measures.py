"""How well queries of many tenants were governed, by what the service saw of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.prove.pool_counts import most_in_a_second, running_of, shares_of
from tests.warehouses.warehouse import BEFORE, SLOTS, Warehouse

JAIN_LEAST = 0.98
CALLS_MOST = 3.0
NOTICE_S = 0.5
UTILISATION_LEAST = 0.75
"""Of short queries the wait for the next poll is a good part."""


class Measured(NamedTuple):
    """What was measured.

    Args:
        warehouse: The task type.
        queries: That the service ran, with those that came before.
        seconds: From the first start to the last end, at the service.
        jain: Jain's index over the slot-seconds of tenants, while all of them had something waiting.
        jain_held: The same of what they held of the slots, by the journal: while attempts were in flight.
        window_s: How long that was.
        utilisation: Of the slots, meanwhile: the part of the time in which the service ran something.
        most_at_once: Queries in flight.
        reads, writes: Calls of the API.
        reads_in_a_second, writes_in_a_second: Of them, in the fullest second.
        calls_per_query: Of both kinds.
        notice_median_s, notice_p90_s: From the end at the service to the end in the journal.
        slot_s: Slot-seconds of each tenant, meanwhile.
        names: Calls by name.
    """

    warehouse: str
    queries: int
    seconds: float
    jain: float
    jain_held: float
    window_s: float
    utilisation: float
    most_at_once: int
    reads: int
    writes: int
    reads_in_a_second: int
    writes_in_a_second: int
    calls_per_query: float
    notice_median_s: float
    notice_p90_s: float
    slot_s: Mapping[str, float]
    names: Mapping[str, int]


class Held(NamedTuple):
    """A slot that was held for a query, as the journal has it.

    Args:
        project: Whose query.
        began, ended: In seconds since the epoch.
    """

    project: str
    began: float
    ended: float


def measure(warehouse: Warehouse, slots: Mapping[str, Held]) -> Measured:
    """What the service saw.

    Args:
        warehouse: Where the queries ran.
        slots: What was held for them, by `Query.key`.
    """
    seen, calls = warehouse.seen(), warehouse.calls()
    ran: dict[str, list[tuple[float, float]]] = {}
    held: dict[str, list[tuple[float, float]]] = {}
    for each in seen:
        slot = slots[each.key]
        ran.setdefault(slot.project, []).append((each.started, each.ended))
        held.setdefault(slot.project, []).append((slot.began, slot.ended))
    del ran[BEFORE], held[BEFORE]
    shared = shares_of(ran, SLOTS)
    noticed = _deciles([slots[each.key].ended - each.ended for each in seen])
    reads, writes = ([each.at for each in calls if each.writes is kind] for kind in (False, True))
    return Measured(
        warehouse=warehouse.name,
        queries=len(seen),
        seconds=max(each.ended for each in seen) - min(each.started for each in seen),
        jain=shared.jain,
        jain_held=shares_of(held, SLOTS).jain,
        window_s=shared.window_s,
        utilisation=shared.utilisation,
        most_at_once=max(running for _, running in running_of((each.started, each.ended) for each in seen)),
        reads=len(reads),
        writes=len(writes),
        reads_in_a_second=most_in_a_second(reads),
        writes_in_a_second=most_in_a_second(writes),
        calls_per_query=len(calls) / len(seen),
        notice_median_s=noticed[4],
        notice_p90_s=noticed[8],
        slot_s=shared.slot_s,
        names=Counter(each.name for each in calls),
    )


def over_limits(found: Measured, warehouse: Warehouse) -> list[str]:
    """Limits that were not kept: on no machine, however busy."""
    rate = warehouse.rate
    limits: list[tuple[str, int, float]] = [("queries at once", found.most_at_once, SLOTS)]
    if rate is not None:
        limits += [
            ("reads in a second", found.reads_in_a_second, rate.reads_per_s + rate.burst),
            ("writes in a second", found.writes_in_a_second, rate.writes_per_s + rate.burst),
        ]
    return [f"{count} {what}, at most {most:g}" for what, count, most in limits if count > most]


def missed(found: Measured) -> list[str]:
    """What is not as good as it should be; on a machine that is busy with other things it may not be."""
    least = {"jain": JAIN_LEAST, "jain_held": JAIN_LEAST, "utilisation": UTILISATION_LEAST}
    most = {"notice_median_s": NOTICE_S, "notice_p90_s": NOTICE_S, "calls_per_query": CALLS_MOST}
    figures = found._asdict()
    low = [f"{name} {figures[name]:.3f} < {bound}" for name, bound in least.items() if figures[name] < bound]
    high = [f"{name} {figures[name]:.3f} > {bound}" for name, bound in most.items() if figures[name] > bound]
    return low + high


def _deciles(values: Sequence[float]) -> list[float]:
    return statistics.quantiles(values, n=10)
