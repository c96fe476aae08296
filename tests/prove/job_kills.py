"""`kill -9` of an engine that drives external jobs through a service that loses replies and fails.

The service keeps its own books: whatever happened to engine and replies, each attempt may have started
one job, no job may be left behind, and none may have gone unread.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hardpoint.plugin_api.testing.jobservice import JobService

KINDS = ("jobservice", "jobservice_name", "jobservice_search")
JOBS = 60
SETTLING_S = 0.5
PLUGIN_FOLDER = Path(__file__).resolve().parents[1] / "jobservice_plugin"
FAULTS = {"p_lost": 0.04, "p_500": 0.04, "p_malformed": 0.02, "listing_lag_s": SETTLING_S / 2}

DRIVER = """
import json
import os

from hardpoint.core import task, workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import PollPolicy
from hardpoint_jobservice import JobServicePlugin, JobTask

# Workers import this file too, and they have other arguments: what it needs comes from the environment.
KIND, URL, JOBS, SETTLING_S = json.loads(os.environ["JOB_KILLS"])
work = JobTask("work", type=KIND, url=URL, duration_s=0.3)


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def flow() -> int:
    first = [work(value=number) for number in range(JOBS // 2)]
    return total(numbers=first + [work(value=number) for number in first])


plugin = JobServicePlugin(settling_delay_s=SETTLING_S, poll=PollPolicy(first_s=0.05, fraction=0.2, max_s=0.5))
if __name__ == "__main__":
    with Executor("home", plugins={KIND: plugin}) as executor:
        rows = executor.journal.rows()
        running = executor.resume(rows[0].execution) if rows else executor.submit(flow)
        outcome = running.outcome(120)
        starts = [event for event in running.events() if event.kind == "AttemptStarted"]
        jobs = {event.data["token"] for event in starts if event.data["token"]}
        error = outcome.error.message if outcome.error else ""
        print(json.dumps([outcome.phase.value, outcome.outputs, len(jobs), error]))
"""


def start(folder: Path, kind: str, url: str) -> subprocess.Popen[str]:
    """Start an engine that submits the run, or goes on with it."""
    return subprocess.Popen(
        [sys.executable, "drive.py"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PLUGIN_FOLDER),
            "JOB_KILLS": json.dumps([kind, url, JOBS, SETTLING_S]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def prove(folder: Path, kind: str, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill one run so many times; return what the service counted and every broken promise."""
    (folder / "drive.py").write_text(DRIVER)
    killed = 0
    with JobService(seed=dice.randrange(10**6), **FAULTS) as service:
        for _ in range(kills):
            process = start(folder, kind, service.url)
            wanted = service.stats().total.requests + dice.randint(1, 60)
            while process.poll() is None and service.stats().total.requests < wanted:
                time.sleep(0.005)
            killed += process.poll() is None
            process.kill()
            process.communicate()
        process = start(folder, kind, service.url)
        out, err = process.communicate(timeout=150)
        stats = service.stats().total
    broken = [] if process.returncode == 0 else [err[-2000:]]
    phase, outputs, tokens, error = json.loads(out.splitlines()[-1]) if out else ("", {}, 0, "")
    expected = {"result": 2 * sum(range(JOBS // 2))}
    if (phase, outputs) != ("SUCCEEDED", expected):
        broken.append(f"the run ended as {phase} with {outputs}: {error}")
    if stats.created != tokens:
        broken.append(f"{stats.created} jobs for {tokens} tokens")
    if stats.orphans or stats.cancelled:
        broken.append(f"{stats.orphans} orphans, {stats.cancelled} cancelled")
    faults = sum(stats.faults.values())
    return {"kills": killed, "jobs": stats.created, "faults": faults, "broken": "; ".join(broken)}


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kind = KINDS[options.shard % len(KINDS)]
        found = prove(Path(folder), kind, options.kills, random.Random(options.shard))
    options.out.write_text(json.dumps(found))
    print(json.dumps(found))
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
