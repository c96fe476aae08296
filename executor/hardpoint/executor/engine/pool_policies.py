"""What holds for each pool, whether services, this machine or a run set its limits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hardpoint.executor.config.pool_policy import pool_policy
from hardpoint.executor.config.settings import LocalSettings, Settings
from hardpoint.executor.engine.run import Run
from hardpoint.executor.throttle.policy import PoolPolicy
from hardpoint.plugin_api import ResourceClaim, ResourcePool, Resources

WORKERS = "local:workers"
_OF_RUN = "run:"
_CORE = 1000
"""Units of a core: tasks may want a fraction."""


def run_pool(run: str) -> str:
    """The pool whose capacity is a run's `max_parallelism`."""
    return f"{_OF_RUN}{run}"


class PoolPolicies:
    """Owned by the engine's thread.

    Args:
        declared: Asked for plugins' pools each time, since plugins are loaded as they are needed.
        settings: The operator's file.
        runs: Those of this engine.
    """

    def __init__(
        self,
        declared: Callable[[], Iterable[ResourcePool]],
        settings: Settings,
        runs: Mapping[str, Run],
    ) -> None:
        self._declared = declared
        self._settings = settings
        self._runs = runs
        self._live: dict[str, bytes] = {}
        self._local = _capacities(settings.local)

    def policy(self, pool: str) -> PoolPolicy:
        """Capacity of a pool, and its tenants'."""
        if pool.startswith(_OF_RUN):
            run = self._runs.get(pool.removeprefix(_OF_RUN))
            return PoolPolicy(capacity=run.max_parallelism if run is not None else None)
        local = self._local.get(pool)
        declared = self._declared() if local is None else [ResourcePool(pool, local)]
        return pool_policy(pool, declared, self._settings, self._live.get(pool))

    def follow(self, pool: str, settings: bytes | None) -> None:
        """Go by what an operator has set live, or no more."""
        if settings is None:
            self._live.pop(pool, None)
        else:
            self._live[pool] = settings

    def claims(self, resources: Resources) -> tuple[ResourceClaim, ...]:
        """What a Python task holds of this machine while it runs: never more than there is of anything."""
        wanted = {
            "local:cpu": round((resources.cpu or 0.0) * _CORE),
            "local:memory": resources.memory_bytes or 0,
            "local:gpu": resources.gpu,
        }
        most = {pool: min(units, self._local[pool]) for pool, units in wanted.items()}
        held = (ResourceClaim(pool, units) for pool, units in most.items() if units > 0)
        return (ResourceClaim(WORKERS), *held)


def _capacities(local: LocalSettings) -> dict[str, int]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    devices = sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))
    return {
        WORKERS: 1,
        "local:cpu": round((local.cpu or os.cpu_count() or 1) * _CORE),
        "local:memory": local.memory_bytes or memory,
        "local:gpu": devices if local.gpu is None else local.gpu,
    }
