"""What is known of pools outside of the executors: from the store, the operator's file, and plugins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from hardpoint.executor.config.finding import find_settings
from hardpoint.executor.config.settings import NO_SETTINGS, Settings
from hardpoint.executor.engine.pool_policies import PoolPolicies
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import Event, RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow, Journal
from hardpoint.executor.journal.shared import PoolRows
from hardpoint.executor.situation import Busy, of_leases
from hardpoint.executor.view import tries_of
from hardpoint.plugin_api import HardpointError, RateLimit
from hardpoint.registry import Registry

RUNNING_MAX = 10_000
RUNS_READ = 50
"""Runs whose events are read to tell since when they hold what they hold."""


def settings_of(home: Path) -> Settings:
    """The operator's file, as an executor on that store that is started here would read it."""
    return find_settings(None, home, os.environ, Path.cwd())


def load_plugins(registry: Registry, names: Iterable[str] | None = None) -> None:
    """Load what declares pools and rates; a plugin that cannot be loaded declares nothing.

    Args:
        registry: Finds them.
        names: Task types; None: all that are installed.
    """
    wanted = [each.name for each in registry.installed()] if names is None else names
    for name in sorted(set(wanted)):
        with suppress(HardpointError):
            registry.require([name])


class PoolReading:
    """What holds for pools and what is held of them, read once.

    Args:
        journal: Of the store.
        registry: Plugins that were loaded declare.
        settings: The operator's file.
        runs: Whose `max_parallelism` is asked for, by id.
    """

    def __init__(
        self,
        journal: Journal,
        registry: Registry,
        settings: Settings = NO_SETTINGS,
        runs: dict[str, Run] | None = None,
    ) -> None:
        self.rows: PoolRows = journal.pools.rows()
        self.settings = settings
        self.registry = registry
        self.policies = PoolPolicies(registry.pools, settings, runs or {})
        for pool, body in self.rows.settings.items():
            self.policies.follow(pool, body)

    def names(self) -> set[str]:
        """Pools that plugins declare, the file or an operator sets, or somebody has used."""
        declared = {each.name for each in self.registry.pools()}
        used = {each.pool for each in self.rows.holdings} | {each.pool for each in self.rows.wanted}
        return declared | used | set(self.settings.pools) | set(self.rows.settings)

    def rates(self) -> tuple[RateLimit, ...]:
        """As declared, by plugins and in the file."""
        return (*self.registry.rates(), *self.settings.rates)


def running_rows(journal: Journal) -> list[ExecutionRow]:
    """Runs that have begun and not ended."""
    begun = [phase for phase in RunPhase if not phase.terminal and phase is not RunPhase.QUEUED]
    return journal.rows(limit=RUNNING_MAX, phases=begun)


def held_since(journal: Journal, pool: str) -> tuple[Busy, ...]:
    """Who holds units of a pool, the longest first; of the latest runs also since when."""
    busy = of_leases(journal.pools.leases(pool), PoolRows(), 0.0).busy
    runs = sorted({each.holder[0] for each in busy}, reverse=True)[:RUNS_READ]
    since = {run: started_at(journal.read(run)) for run in runs}
    found = (
        msgspec.structs.replace(each, since=since.get(run, {}).get(node))
        for each in busy
        for run, node in [each.holder]
    )
    return tuple(sorted(found, key=lambda each: (each.since or 0.0, each.holder)))


def started_at(events: Iterable[Event]) -> dict[str, float]:
    """When the last attempt of each node and item began."""
    return {each.node: each.started_at for each in tries_of(events)}
