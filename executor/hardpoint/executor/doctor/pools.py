"""Reads from the store how pools and rates stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hardpoint.executor.config.settings import Settings
from hardpoint.executor.doctor.findings import HOST, About, error
from hardpoint.executor.doctor.quota import OwnerOf, of_quota
from hardpoint.executor.journal.opening import existing_journal
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.pool_reading import PoolReading, running_rows
from hardpoint.executor.pool_view import pool_reports, rate_reports
from hardpoint.plugin_api import HardpointError
from hardpoint.registry import Registry


def of_pools(
    home: Path, url: str, registry: Registry, settings: Settings, owner_of: OwnerOf, now: float
) -> Iterator[About]:
    """Headroom, of every pool and rate that the store, the operator and the loaded plugins know.

    Args:
        home: The store's folder.
        url: Of its journal.
        registry: Has loaded the plugins.
        settings: The operator's.
        owner_of: Whose a task type is.
        now: Seconds since the epoch.
    """
    try:
        journal = existing_journal(home, url)
        try:
            yield from _read(journal, registry, settings, owner_of, now)
        finally:
            journal.close()
    except HardpointError as problem:
        yield About(HOST, error("store", problem.message, problem.hint))


def _read(
    journal: Journal, registry: Registry, settings: Settings, owner_of: OwnerOf, now: float
) -> Iterator[About]:
    reading = PoolReading(journal, registry, settings)
    running = running_rows(journal) if reading.rows.wanted else []
    pools = pool_reports(reading.names(), reading.rows, running, reading.policies.policy, now)
    rates = rate_reports(reading.rows, reading.rates(), now)
    yield from of_quota(pools, rates, reading.rows, owner_of, now)
