"""`kill -9` of executors at random moments, while two of them share a store and drive functions and arrays.

What is counted, from outside: each function appends its number to a file when it starts. What is allowed:
it may start again only if it was in flight, by the journal, when its executor was killed.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

# Run as a file, it finds only what lies beside it.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.prove.killing_rig import STORES, Store, Watch, fleet, kill_again_and_again, wait_for_all
from tests.prove.shard import run_shard

NODES, WIDTH, ITEMS = 120, 12, 150
EXECUTORS = 2

FLOW = f"""
import functools
import os
import time

from hardpoint.core import map_task, task, workflow


@task
def mark(number: int, place: str, after: int = 0) -> int:
    with open(place, "a") as file:
        file.write(f"{{number}}\\n")
    time.sleep(float(os.environ["MARK_S"]))
    return number


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def layers(place: str) -> int:
    heads = [mark(number=number, place=place) for number in range({WIDTH})]
    done = list(heads)
    for layer in range(1, {NODES // WIDTH}):
        heads = [mark(number=layer * {WIDTH} + n, place=place, after=heads[n]) for n in range({WIDTH})]
        done += heads
    return total(numbers=done)


@workflow
def array(place: str, numbers: list[int]) -> int:
    return total(numbers=map_task(functools.partial(mark, place=place))(number=numbers))


@workflow
def narrow(place: str, numbers: list[int]) -> int:
    return total(numbers=map_task(functools.partial(mark, place=place), concurrency=3)(number=numbers))
"""

RUNS = {"layers": range(NODES), "array": range(ITEMS), "narrow": range(ITEMS // 3)}


def starts(place: Path) -> Counter[int]:
    """How often each function began, by its own account."""
    return Counter(int(line) for line in place.read_text().split()) if place.exists() else Counter()


def prove(folder: Path, kind: str, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill executors of one store so many times; return what was counted and every broken promise."""
    (folder / "flow.py").write_text(FLOW)
    places = {flow: folder / f"marks-{flow}" for flow in RUNS}
    # So long that every kill meets somebody at work.
    with Store(folder, kind, MARK_S=str(0.012 * kills)) as store:
        runs = {
            flow: store.queue(flow, place=places[flow], **inputs)
            for flow, inputs in (
                ("layers", {}),
                ("array", {"numbers": json.dumps(list(RUNS["array"]))}),
                ("narrow", {"numbers": json.dumps(list(RUNS["narrow"]))}),
            )
        }
        watch = Watch(store)
        with fleet(store, EXECUTORS) as executors:

            def progress() -> int:
                return sum(place.stat().st_size for place in places.values() if place.exists()) // 3

            killed = kill_again_and_again(store, executors, watch, kills, dice, progress)
            rows = wait_for_all(store, list(runs.values()))
        broken = watch.repeated(list(runs.values()))
        broken += [
            f"`{flow}` ended as {row.phase.value} with {row.outputs}"
            for (flow, numbers), row in zip(RUNS.items(), rows, strict=True)
            if row.outputs != {"result": sum(numbers)}
        ]
    extra = 0
    for flow, numbers in RUNS.items():
        counted = starts(places[flow])
        broken += [f"{len(set(numbers) - set(counted))} of `{flow}` never ran"] * (
            set(counted) != set(numbers)
        )
        extra += counted.total() - len(counted)
    if extra > watch.in_flight:
        broken.append(f"{extra} extra starts, {watch.in_flight} allowed")
    return {
        "kills": killed,
        "runs": len(runs),
        "extra_starts": extra,
        "in_flight_at_kills": watch.in_flight,
        "broken": "; ".join(broken),
    }


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""

    def shard_of(folder: Path, shard: int, kills: int, dice: random.Random) -> dict[str, Any]:
        return prove(folder, STORES[shard % len(STORES)], kills, dice)

    return run_shard(shard_of, kills=10)


if __name__ == "__main__":
    sys.exit(main())
