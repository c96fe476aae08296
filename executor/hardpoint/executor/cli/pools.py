"""`hardpoint pools`: how pools and call rates stand, once or again and again."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import say, say_json, text_table
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.wording import duration, iso, plural
from hardpoint.executor.config.settings import Settings
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.pool_reading import PoolReading, load_plugins, running_rows, settings_of
from hardpoint.executor.pool_view import PoolReport, RateReport, pool_reports, rate_reports
from hardpoint.executor.throttle.explaining import Usage
from hardpoint.executor.view import existing_store
from hardpoint.registry import Registry

WATCH_EVERY_S = 1.0
_HEADERS = ["PROJECT", "DOMAIN", "GUARANTEE", "CAP", "WEIGHT", "HELD", "WAITING", "BORROWED"]


class Standing(msgspec.Struct, frozen=True):
    """Pools and rates at one moment."""

    pools: list[PoolReport]
    rates: list[RateReport]
    now: float


def list_pools(home: str, *, watch: bool, as_json: bool) -> int:
    """Print how pools and rates stand.

    Args:
        home: As typed.
        watch: Again every second, until Ctrl-C: on a terminal in place, elsewhere one after the other.
        as_json: Print one object; with `watch`, one a line.
    """
    registry = the_registry(home)
    load_plugins(registry)
    with existing_store(home) as (folder, journal):
        settings = settings_of(folder)
        if watch:
            with suppress(KeyboardInterrupt):
                _watch(journal, registry, settings, as_json=as_json)
        else:
            _print(standing(journal, registry, settings), as_json=as_json)
    return DONE


def standing(journal: Journal, registry: Registry, settings: Settings) -> Standing:
    """Pools and rates as they are now."""
    now = time.time()
    reading = PoolReading(journal, registry, settings)
    running = running_rows(journal) if reading.rows.wanted else []
    pools = pool_reports(reading.names(), reading.rows, running, reading.policies.policy, now)
    return Standing(pools, rate_reports(reading.rows, reading.rates(), now), now)


def _print(found: Standing, *, as_json: bool) -> None:
    if as_json:
        say_json(as_told(found))
    else:
        say(*lines(found))


def _watch(journal: Journal, registry: Registry, settings: Settings, *, as_json: bool) -> None:
    if sys.stdout.isatty() and not as_json:
        _watch_live(lambda: standing(journal, registry, settings))
        return
    while True:
        _print(standing(journal, registry, settings), as_json=as_json)
        time.sleep(WATCH_EVERY_S)


def _watch_live(look: Callable[[], Standing]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(Text("\n".join(lines(look()))), refresh=True)
            time.sleep(WATCH_EVERY_S)


def as_told(found: Standing) -> dict[str, Any]:
    """Pools and rates for programs."""
    rates = [
        {**msgspec.to_builtins(each), "closed_until": iso(each.closed_until), "next_at": iso(each.next_at)}
        for each in found.rates
    ]
    return {"pools": msgspec.to_builtins(found.pools), "rates": rates}


def lines(found: Standing) -> Iterator[str]:
    """Pools and rates for people."""
    if not (found.pools or found.rates):
        yield "No pools: no plugin declares one, hardpoint.toml and `hardpoint pools set` set none"
        return
    declared = [each for each in found.pools if each.pool.endswith("*") and not each.tenants]
    # What is in use comes first: of what is watched on a terminal, only the beginning is seen.
    used = [each for each in found.pools if each not in declared]
    for number, pool in enumerate(used):
        if number:
            yield ""
        yield heading(pool)
        if pool.tenants:
            rows = [_cells(each) for each in pool.tenants]
            yield from (f"  {line}" for line in text_table(_HEADERS, rows))
    if declared:
        yield from [""] * bool(used)
        yield from text_table(["EACH POOL", "CAPACITY"], list(_declared_rows(declared)))
    if found.rates:
        yield from ["", *rate_lines(found.rates, found.now)]


def broadest(names: Sequence[str]) -> list[str]:
    """Those that no other one covers.

    >>> broadest(["athena:*", "athena:eu-west-1*", "athena:team", "sql:*"])
    ['athena:*', 'sql:*']
    """
    return [each for each in names if not any(covers(other, each) for other in names)]


def covers(pattern: str, name: str) -> bool:
    """Whether what is declared under one name also holds for another, unless that says something itself."""
    return pattern.endswith("*") and name != pattern and name.startswith(pattern[:-1])


def _declared_rows(declared: Sequence[PoolReport]) -> Iterator[list[str]]:
    for name in broadest([each.pool for each in declared]):
        own = next(_units(each.capacity) for each in declared if each.pool == name)
        narrower = [each for each in declared if covers(name, each.pool)]
        low, high = (pick(map(_size, narrower), default=0.0) for pick in (min, max))
        words = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        yield [name, f"{own}; {words} under {plural(len(narrower), 'longer name')}" if narrower else own]


def _size(pool: PoolReport) -> float:
    return math.inf if pool.capacity is None else pool.capacity


def heading(pool: PoolReport) -> str:
    """A pool in one line."""
    if pool.pool.endswith("*"):
        return f"{pool.pool}  each: capacity {_units(pool.capacity)}"
    free = "" if pool.free is None else f", free {max(0, pool.free)}"
    over = f", {-pool.free} too many" if pool.free is not None and pool.free < 0 else ""
    return (
        f"{pool.pool}  capacity {_units(pool.capacity)}, held {pool.held}{free}{over}, waiting {pool.waiting}"
    )


def _units(units: int | None) -> str:
    return "unlimited" if units is None else str(units)


def _cells(usage: Usage) -> list[str]:
    name = [usage.project, ""] if usage.domain is None else ["", usage.domain]
    terms = [str(usage.guarantee or ""), "" if usage.cap is None else str(usage.cap), f"{usage.weight:g}"]
    return [*name, *terms, str(usage.held), str(usage.waiting), str(usage.borrowed or "")]


def rate_lines(rates: Sequence[RateReport], now: float) -> Iterator[str]:
    """Rates as a table: calls per second now, as declared, and whether an account is closed."""
    by_account: dict[str, dict[str, RateReport]] = {}
    for each in rates:
        by_account.setdefault(each.account, {})[each.kind] = each
    rows = []
    for account, kinds in by_account.items():
        closed_s = max((each.closed_until or 0.0) - now for each in kinds.values())
        closed = f"closed for {duration(closed_s)}" if closed_s > 0.0 else ""
        rows.append([account, _rate(kinds.get("read")), _rate(kinds.get("write")), closed])
    yield from text_table(["ACCOUNT", "READS/S", "WRITES/S", ""], rows)


def _rate(rate: RateReport | None) -> str:
    if rate is None:
        return ""
    below = rate.declared_per_s is not None and rate.per_s < rate.declared_per_s
    return f"{rate.per_s:g}" + (f" of {rate.declared_per_s:g}" if below else "")
