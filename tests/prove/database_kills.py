"""`kill -9` of PostgreSQL at random moments, while two executors drive functions, arrays and external jobs.

Executors wait for their database and go on: no function starts twice, no attempt has two jobs, and what was
confirmed before the kill is there after it.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardpoint.plugin_api.testing.jobservice import JobService

# Run as a file, it finds only what lies beside it.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.prove.engine_kills import FLOW, ITEMS, NODES, starts
from tests.prove.job_kills import DRIVER, FAULTS, KINDS, WIDTH, jobs_by_token, settings_of
from tests.prove.killing_rig import LOOK_EVERY_S, Store, Watch, fleet, wait_for_all
from tests.prove.shard import run_shard

EXECUTORS = 2


def prove(folder: Path, kind: str, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill the database so many times; return what was counted and every broken promise."""
    (folder / "flow.py").write_text(FLOW)
    (folder / "drive.py").write_text(DRIVER)
    marks = folder / "marks"
    with JobService(seed=dice.randrange(10**6), **FAULTS) as service:
        settings = settings_of(kind, service.url, kills)
        with Store(folder, "postgresql", JOB_KILLS=settings, MARK_S="0.02") as store:
            numbers = list(range(NODES, NODES + ITEMS))
            runs = [
                *json.loads(store.answer("drive.py", "queue")),
                store.queue("layers", place=marks),
                store.queue("array", place=marks, numbers=json.dumps(numbers)),
            ]
            with fleet(store, EXECUTORS, ["drive.py"]):

                def progress() -> int:
                    requests = service.stats().total.requests
                    return requests + (marks.stat().st_size // 4 if marks.exists() else 0)

                killed = kill_database(store, kills, dice, progress)
                rows = wait_for_all(store, runs)
            stats = service.stats().total
            tokens = [jobs_by_token(store.journal.read(run)) for run in runs]
            broken = Watch(store).repeated(runs)
    expected = [sum(range(WIDTH)), sum(range(WIDTH)), sum(range(NODES)), sum(numbers)]
    for row, result in zip(rows, expected, strict=True):
        if row.outputs != {"result": result}:
            broken.append(f"`{row.workflow}` ended as {row.phase.value} with {row.outputs}: {row.error}")
    counted = starts(marks)
    if dict(counted) != dict.fromkeys(range(NODES + ITEMS), 1):
        again = {number: count for number, count in counted.items() if count != 1}
        broken.append(f"{NODES + ITEMS - len(counted)} functions never began; several times: {again}")
    allowed = sum(sum(each.values()) for each in tokens)
    if stats.created != allowed or stats.orphans or stats.cancelled or stats.double_submits:
        broken.append(f"{stats.created} jobs, {allowed} allowed; {stats.orphans} orphans")
    return {
        "kills": killed,
        "runs": len(runs),
        "functions": counted.total(),
        "jobs": stats.created,
        "broken": "; ".join(broken),
    }


def kill_database(store: Store, kills: int, dice: random.Random, progress: Callable[[], int]) -> int:
    """Kill the server again and again, each time after some progress; start it again after a moment."""
    assert store.server is not None
    for _ in range(kills):
        wanted = progress() + dice.randint(1, 60)
        deadline = time.monotonic() + 1.5
        while progress() < wanted and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        store.server.kill9()
        time.sleep(dice.random())
        store.server.start()
    return kills


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""

    def shard_of(folder: Path, shard: int, kills: int, dice: random.Random) -> dict[str, Any]:
        return prove(folder, KINDS[shard % len(KINDS)], kills, dice)

    return run_shard(shard_of, kills=5)


if __name__ == "__main__":
    sys.exit(main())
