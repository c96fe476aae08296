"""Headroom: pools that are closed or full, and accounts whose service throttles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from hardpoint.core.compile_errors import listed
from hardpoint.executor.doctor.findings import About, ok, warning
from hardpoint.executor.journal.shared import PoolRows
from hardpoint.executor.pool_view import PoolReport, RateReport
from hardpoint.executor.rates.aimd import CUT
from hardpoint.executor.rates.rate_state import RateState
from hardpoint.plugin_api import Finding

FULL_LONG_S = 600.0
"""A pool that somebody waits for, and in which nothing has moved for so long, is stuck rather than busy."""
LATELY_S = 600.0
"""How long a service's throttling is told of."""

OwnerOf = Callable[[str], str]
"""The distribution that runs a task type."""


def of_quota(
    pools: Sequence[PoolReport], rates: Sequence[RateReport], rows: PoolRows, owner_of: OwnerOf, now: float
) -> Iterator[About]:
    """What the store says of pools and rates, each told of the plugin whose task type it begins with.

    Args:
        pools, rates: As they stand.
        rows: From the store.
        owner_of: Whose a task type is; `HOST` if nobody's.
        now: Seconds since the epoch.
    """
    wrong = [
        *(About(owner_of(_type(each.pool)), found) for each in pools for found in _of_pool(each, rows, now)),
        *(
            About(owner_of(_type(each.account)), found)
            for each in rates
            for found in _of_rate(each, rows, now)
        ),
    ]
    yield from wrong
    by_owner: dict[str, list[PoolReport]] = {}
    for each in pools:
        if not each.pool.endswith("*"):
            by_owner.setdefault(owner_of(_type(each.pool)), []).append(each)
    told = {each.plugin for each in wrong}
    yield from (About(owner, _headroom(found)) for owner, found in by_owner.items() if owner not in told)


def _type(name: str) -> str:
    return name.partition(":")[0]


def _of_pool(pool: PoolReport, rows: PoolRows, now: float) -> Iterator[Finding]:
    if pool.capacity == 0:
        yield warning(
            "quota",
            f"pool `{pool.pool}` is closed: its capacity is 0",
            f"Open it with `hardpoint pools set {pool.pool} --capacity N`, or raise it in hardpoint.toml",
        )
        return
    moved_at = max((each.since for each in rows.holdings if each.pool == pool.pool), default=now)
    if pool.free is None or pool.free > 0 or not pool.waiting or now - moved_at < FULL_LONG_S:
        return
    yield warning(
        "quota",
        f"pool `{pool.pool}` is full: {pool.held} of {pool.capacity} held, {pool.waiting} waiting, "
        f"and nothing has moved for {_minutes(now - moved_at)}",
        f"`hardpoint pools explain {pool.pool}` shows who holds it",
    )


def _of_rate(rate: RateReport, rows: PoolRows, now: float) -> Iterator[Finding]:
    if rate.closed_until is not None:
        yield warning(
            "quota",
            f"account `{rate.account}` is closed to {rate.kind}s for {rate.closed_until - now:.0f} s: "
            "its service asked to wait",
            "It opens by itself; ask the service for a higher quota if this comes again and again",
        )
        return
    cut_at = _cut_at(rate, rows)
    declared = rate.declared_per_s
    if declared is None or rate.per_s > declared * CUT or now - cut_at > LATELY_S:
        return
    yield warning(
        "quota",
        f"account `{rate.account}` is down to {rate.per_s:.3g} of {declared:g} {rate.kind}s/s: "
        f"its service throttled {_minutes(now - cut_at)} ago",
        f'Lower `[rates."{rate.account}"]` in hardpoint.toml to what the service bears, '
        "or ask it for a higher quota",
    )


def _cut_at(rate: RateReport, rows: PoolRows) -> float:
    bodies: Iterable[bytes] = (
        each.body for each in rows.rates if (each.account, each.kind) == (rate.account, rate.kind)
    )
    return max((msgspec.msgpack.decode(body, type=RateState).cut_at for body in bodies if body), default=0.0)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"


def _headroom(pools: Sequence[PoolReport]) -> Finding:
    limited = [each for each in pools if each.capacity]
    if not limited:
        return ok("quota", f"no limit on {listed(each.pool for each in pools)}")
    fullest = max(limited, key=lambda each: each.held / (each.capacity or 1))
    among = f", the fullest of {len(pools)} pools" if len(pools) > 1 else ""
    return ok("quota", f"pool `{fullest.pool}`: {fullest.held} of {fullest.capacity} held{among}")
