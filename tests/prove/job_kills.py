"""`kill -9` of executors that drive external jobs through a service that loses replies and fails.

The service keeps its own books: whatever happened to executors and replies, each attempt may have started
one job, no job may be left behind, and none may have gone unread.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from hardpoint.executor.journal.events import AttemptStarted, ChunkStarted, Event
from hardpoint.plugin_api.testing.jobservice import JobService

# Run as a file, it finds only what lies beside it.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.prove.killing_rig import STORES, Store, Watch, fleet, kill_again_and_again, wait_for_all
from tests.prove.shard import run_shard

KINDS = ("jobservice", "jobservice_name", "jobservice_search", "jobservice_array")
WIDTH = 8
EXECUTORS = 2
SETTLING_S = 0.5
FAULTS = {"p_lost": 0.04, "p_500": 0.04, "p_malformed": 0.02, "listing_lag_s": SETTLING_S / 2}

DRIVER = """
import json
import os
import sys
import threading

from hardpoint.core import map_task, task, workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import PollPolicy
from hardpoint_jobservice import JobServicePlugin, JobTask

# Workers import this file too, and they have other arguments: what it needs comes from the environment.
KIND, URL, WIDTH, LAYERS, SETTLING_S = json.loads(os.environ["JOB_KILLS"])
ONE = "jobservice" if KIND == "jobservice_array" else KIND
work = JobTask("work", type=ONE, url=URL, duration_s=0.3)
item = JobTask("item", type=KIND, url=URL, duration_s=0.3)


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def single() -> int:
    heads = [work(value=number) for number in range(WIDTH)]
    for _ in range(LAYERS - 1):
        heads = [work(value=head) for head in heads]
    return total(numbers=heads)


@workflow
def mapped(numbers: list[int]) -> int:
    for _ in range(LAYERS):
        numbers = map_task(item, concurrency=WIDTH - 2)(value=numbers)
    return total(numbers=numbers)


plugin = JobServicePlugin(settling_delay_s=SETTLING_S, poll=PollPolicy(first_s=0.05, fraction=0.2, max_s=0.5))
if __name__ == "__main__":
    with Executor(plugins={KIND: plugin}, workers=2) as executor:
        if sys.argv[1:] == ["queue"]:
            numbers = list(range(WIDTH))
            runs = [executor.enqueue(single, {}), executor.enqueue(mapped, {"numbers": numbers})]
            print(json.dumps(runs))
        else:
            executor.adopt_abandoned()
            threading.Event().wait()
"""


def settings_of(kind: str, url: str, kills: int) -> str:
    """What the driver is told: so many layers of jobs that every kill meets some."""
    return json.dumps([kind, url, WIDTH, kills + 2, SETTLING_S])


def jobs_by_token(events: list[Event]) -> dict[str, int]:
    """How many jobs the service may have started under each token."""
    tokens: dict[str, int] = {}
    for event in events:
        match event:
            case AttemptStarted() if event.token:
                tokens[event.token] = 1
            case ChunkStarted():
                tokens[event.token] = sum(last - first + 1 for first, last in event.items)
            case _:
                pass
    return tokens


def prove(folder: Path, store_kind: str, kind: str, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill executors of one store so many times; return what the service counted and every broken promise."""
    (folder / "drive.py").write_text(DRIVER)
    with JobService(seed=dice.randrange(10**6), **FAULTS) as service:
        settings = settings_of(kind, service.url, kills)
        with Store(folder, store_kind, JOB_KILLS=settings) as store:
            runs = json.loads(store.answer("drive.py", "queue"))
            watch = Watch(store)
            with fleet(store, EXECUTORS, ["drive.py"]) as executors:

                def progress() -> int:
                    return service.stats().total.requests // 4

                killed = kill_again_and_again(store, executors, watch, kills, dice, progress)
                rows = wait_for_all(store, runs)
            stats = service.stats().total
            broken = watch.repeated(runs)
            tokens = [jobs_by_token(store.journal.read(run)) for run in runs]
    expected = {"result": sum(range(WIDTH))}
    for row in rows:
        if row.outputs != expected:
            broken.append(f"`{row.workflow}` ended as {row.phase.value} with {row.outputs}: {row.error}")
    allowed = sum(sum(each.values()) for each in tokens)
    if stats.created != allowed:
        broken.append(f"{stats.created} jobs, {allowed} allowed")
    if stats.orphans or stats.cancelled or stats.double_submits:
        broken.append(
            f"{stats.orphans} orphans, {stats.cancelled} cancelled, {stats.double_submits} submitted twice"
        )
    faults = sum(stats.faults.values())
    return {"kills": killed, "jobs": stats.created, "faults": faults, "broken": "; ".join(broken)}


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""

    def shard_of(folder: Path, shard: int, kills: int, dice: random.Random) -> dict[str, Any]:
        return prove(
            folder, STORES[shard % len(STORES)], KINDS[shard // len(STORES) % len(KINDS)], kills, dice
        )

    return run_shard(shard_of, kills=6)


if __name__ == "__main__":
    sys.exit(main())
