"""`hardpoint pools explain NAME`: who holds a pool, and who waits for it and why."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import patience, say, say_json, text_table
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.pools import heading
from hardpoint.executor.cli.wording import duration, iso
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.pool_line import InLine, line_of
from hardpoint.executor.pool_reading import PoolReading, held_since, load_plugins, running_rows, settings_of
from hardpoint.executor.pool_view import PoolReport, pool_reports
from hardpoint.executor.situation import Busy
from hardpoint.executor.view import existing_store
from hardpoint.plugin_api import UsageError
from hardpoint.registry import Registry

SHOWN = 50
"""Lines that are printed of those who hold, and of those who wait."""


class UnknownPoolError(UsageError):
    """Nobody declares or sets a pool of that name, and nobody has used it."""


class Explained(msgspec.Struct, frozen=True):
    """A pool, who holds it and who waits for it."""

    report: PoolReport
    busy: tuple[Busy, ...]
    line: list[InLine]
    now: float


def explain_pool(home: str, name: str, *, as_json: bool) -> int:
    """Print who holds a pool and who waits for it.

    Args:
        home: As typed.
        name: Of the pool.
        as_json: Print one object.

    Raises:
        UnknownPoolError: There is none.
    """
    with existing_store(home) as (folder, journal), patience("looking"):
        registry = the_registry(folder)
        load_plugins(registry)
        reading = PoolReading(journal, registry, settings_of(folder))
        found = _explained(journal, registry, reading, name)
    if as_json:
        say_json(_as_told(found))
    else:
        say(*_lines(found))
    return DONE


def _explained(journal: Journal, registry: Registry, reading: PoolReading, name: str) -> Explained:
    known = reading.names()
    declared = any(name.startswith(each[:-1]) for each in known if each.endswith("*"))
    if name not in known and not declared:
        raise UnknownPoolError(
            f"No pool `{name}`: nobody declares, sets or uses it",
            hint=did_you_mean(name, known, "`hardpoint pools` lists all"),
        )
    now, policy = time.time(), reading.policies.policy
    running = running_rows(journal)
    (report,) = pool_reports([name], reading.rows, running, policy, now)
    busy = held_since(journal, name)
    return Explained(report, busy, line_of(name, busy, reading.rows, running, policy, now), now)


def _lines(found: Explained) -> Iterator[str]:
    yield heading(found.report)
    if found.busy:
        yield from ["", *_table(["RUN", "NODE", "TENANT", "UNITS", "FOR"], _held_rows(found))]
    if found.line:
        rows = [
            [
                str(each.place or ""),
                each.execution,
                f"{each.project}/{each.domain}",
                str(each.waiting),
                str(each.units),
                each.words,
            ]
            for each in found.line
        ]
        yield from ["", *_table(["NEXT", "RUN", "TENANT", "WAITING", "UNITS", "WHY"], rows)]
    if not (found.busy or found.line):
        yield "Nobody holds it, and nobody waits for it"


def _held_rows(found: Explained) -> list[list[str]]:
    return [
        [
            *each.holder,
            "/".join(each.tenant),
            str(each.claims[0].units),
            "" if each.since is None else duration(found.now - each.since),
        ]
        for each in found.busy
    ]


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    more = [f"… and {len(rows) - SHOWN} more: `--json` tells all"] if len(rows) > SHOWN else []
    return [*text_table(headers, rows[:SHOWN]), *more]


def _as_told(found: Explained) -> dict[str, Any]:
    held = [
        {
            "execution": each.holder[0],
            "node": each.holder[1],
            "project": each.tenant.project,
            "domain": each.tenant.domain,
            "units": each.claims[0].units,
            "since": iso(each.since),
        }
        for each in found.busy
    ]
    report = msgspec.to_builtins(found.report)
    return {**report, "holders": held, "line": msgspec.to_builtins(found.line)}
