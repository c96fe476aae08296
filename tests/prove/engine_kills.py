"""`kill -9` of the engine at random moments of a 200-node run, again and again until the run is done.

What is counted, from outside: each task appends its number to a file when it starts. What is allowed:
a task may start again only if it was in flight, by the journal, when its engine was killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hardpoint.executor.api import open_journal
from hardpoint.executor.journal.events import AttemptStarted, AttemptSucceeded

NODES = 200
WIDTH = 20
RESUME_LIMIT_S = 120

FLOW = f"""
import time

from hardpoint.core import task, workflow


@task
def mark(place: str, number: int, after: int) -> int:
    with open(place, "a") as file:
        file.write(f"{{number}}\\n")
    time.sleep(0.004)
    return number


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def flow(place: str) -> int:
    heads = [mark(place=place, number=number, after=0) for number in range({WIDTH})]
    done = list(heads)
    for layer in range(1, {NODES // WIDTH}):
        heads = [mark(place=place, number=layer * {WIDTH} + n, after=heads[n]) for n in range({WIDTH})]
        done += heads
    return total(numbers=done)
"""


def hardpoint(folder: Path, *args: str) -> subprocess.Popen[bytes]:
    """Start the command line in a folder, with a store of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "hardpoint.executor.cli", *args],
        cwd=folder,
        env={**os.environ, "HARDPOINT_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def starts(folder: Path) -> Counter[int]:
    """How often each task began, by its own account."""
    marks = folder / "marks"
    return Counter(int(line) for line in marks.read_text().split()) if marks.exists() else Counter()


def journaled(folder: Path) -> tuple[str, set[str], set[str]]:
    """The run's id, the nodes whose success is journaled, and those in flight; "" before it is there."""
    journal = open_journal(folder / "home")
    rows = journal.rows()
    started: set[str] = set()
    succeeded: set[str] = set()
    for event in journal.read(rows[0].execution) if rows else []:
        if isinstance(event, AttemptStarted):
            started.add(event.node)
        elif isinstance(event, AttemptSucceeded):
            succeeded.add(event.node)
    journal.close()
    return (rows[0].execution if rows else ""), succeeded, started - succeeded


def attempts(folder: Path, execution: str) -> Counter[str]:
    """How often each node's start was journaled."""
    journal = open_journal(folder / "home")
    counted = Counter(each.node for each in journal.read(execution) if isinstance(each, AttemptStarted))
    journal.close()
    return counted


def kill(process: subprocess.Popen[bytes], folder: Path, more_starts: int, wait_s: float) -> bool:
    """Kill after so many more starts and a moment; say whether it was still alive."""
    wanted = starts(folder).total() + more_starts
    while process.poll() is None and starts(folder).total() < wanted:
        time.sleep(0.002)
    time.sleep(wait_s)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return alive


def prove(folder: Path, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill one run so many times; return what was counted and every broken promise."""
    (folder / "flow.py").write_text(FLOW)
    process = hardpoint(folder, "run", "flow.py", "flow", "--place", str(folder / "marks"), "--json")
    broken: list[str] = []
    killed = allowed = 0
    frozen: dict[str, int] = {}
    execution = ""
    for _ in range(kills):
        killed += kill(process, folder, dice.randint(0, 2 * NODES // kills), dice.random() * 0.02)
        execution, succeeded, in_flight = journaled(folder)
        allowed += len(in_flight)
        now = attempts(folder, execution) if execution else Counter[str]()
        broken += [f"{node} started again" for node, count in frozen.items() if now[node] != count]
        frozen = {node: now[node] for node in succeeded}
        again = ("executions", "resume", execution) if execution else ("run", "flow.py", "flow")
        place = () if execution else ("--place", str(folder / "marks"))
        process = hardpoint(folder, *again, *place, "--json")
    out, err = process.communicate(timeout=RESUME_LIMIT_S)
    answer = json.loads(out) if out else {"phase": err.decode()}
    if answer.get("outputs") != {"result": sum(range(NODES))}:
        broken.append(f"the run ended as {answer}")
    counted = starts(folder)
    if set(counted) != set(range(NODES)):
        broken.append(f"{NODES - len(counted)} tasks never ran")
    extra = counted.total() - len(counted)
    if extra > allowed:
        broken.append(f"{extra} extra starts, {allowed} allowed")
    return {
        "kills": killed,
        "extra_starts": extra,
        "in_flight_at_kills": allowed,
        "broken": "; ".join(broken),
    }


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = prove(Path(folder), options.kills, random.Random(options.shard))
    options.out.write_text(json.dumps(found))
    print(json.dumps(found))
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
