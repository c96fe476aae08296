"""`kill -9` of executors, and of their database, while four of them share a pool whose capacity is changed.

The service keeps its own books: at no moment may more jobs run than the pool has, or than were held when it
was lowered, and in the end nothing may be held.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

from hardpoint.plugin_api.testing.jobservice import JobService

# Run as a file, it finds only what lies beside it.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.prove.killing_rig import STORES, Store
from tests.prove.pool_rig import Limits, Load, Sharing, sharing
from tests.prove.shard import run_shard

EXECUTORS, SLOTS, JOBS_A_KILL = 4, 8, 40
DURATIONS_S = (0.2, 0.3, 0.4, 0.5)


def prove(folder: Path, kind: str, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill executors of one store so many times; return what was counted and every broken promise."""
    jobs = EXECUTORS * (kills + 2) * JOBS_A_KILL // len(DURATIONS_S)
    loads = [[Load(f"p{number}", jobs // EXECUTORS, each)] for number, each in enumerate(DURATIONS_S)]
    total = sum(load.chains for each in loads for load in each)
    with (
        JobService(seed=dice.randrange(10**6)) as service,
        Store(folder, kind) as store,
        sharing(store, service, Limits(SLOTS), loads) as share,
    ):
        databases = _kill_again_and_again(share, kills, dice)
        rows = share.finish()
        broken = share.over_admitted() + share.leaked()
        stats = service.stats().total
    broken += [f"a run of {row.project} ended as {row.phase.value}: {row.error}" for row in rows if row.error]
    if (stats.created, stats.orphans, stats.cancelled, stats.double_submits) != (total, 0, 0, 0):
        broken.append(
            f"{stats.created} jobs of {total}, {stats.orphans} orphans, {stats.cancelled} cancelled"
        )
    return {
        "kills": kills,
        "kills_of_the_database": databases,
        "jobs": stats.created,
        "settings": len(share.settings) - 1,
        "most_at_once": stats.max_running,
        "broken": "; ".join(broken),
    }


def _kill_again_and_again(share: Sharing, kills: int, dice: random.Random) -> int:
    """Kill somebody, again and again, after some progress, and change the capacity; return the databases."""
    databases, living, server = 0, list(range(EXECUTORS)), share.store.server
    for kill in range(1, kills + 1):
        share.until_ended(kill * JOBS_A_KILL - dice.randrange(JOBS_A_KILL))
        if server is not None and dice.random() < 0.3:
            server.kill9()
            time.sleep(dice.random())
            server.start()
            databases += 1
        else:
            killed = dice.choice(living)
            share.kill(killed)
            living.remove(killed)
            living.append(len(share.processes))
            share.start()
            share.until_up()
        share.set_capacity(dice.choice([None, *range(2, 2 * SLOTS)]))
    share.set_capacity(2 * SLOTS)
    return databases


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""

    def shard_of(folder: Path, shard: int, kills: int, dice: random.Random) -> dict[str, Any]:
        return prove(folder, STORES[shard % len(STORES)], kills, dice)

    return run_shard(shard_of, kills=6)


if __name__ == "__main__":
    sys.exit(main())
