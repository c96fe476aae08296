"""How fairly, how fully and how fast the throttle shares: the workload of the reference, on a virtual clock.

    python benchmarks/fairness.py           # a table
    python benchmarks/fairness.py --json    # for programs; exit code 1 if a target is missed

A grant is the decision on one slot that became free, with 100,000 waiting nodes of 1,000 tenants on one pool,
in CPU time; to give the slot back costs as much again as the line below it says.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fairness_reference import (
    CAP,
    END_S,
    REACHED,
    REACHED_BY_PREEMPTION,
    SLOTS,
    TENANTS,
    Ends,
    Figures,
    Job,
    Meter,
    arrivals,
    mean,
    reference,
)

from hardpoint.executor.throttle import Holder, PoolPolicy, Tenant, TenantPolicy, Throttle
from hardpoint.plugin_api import ResourceClaim

SEEDS = range(8)
POOL = "athena:primary"


class Governed:
    """The workload of one seed, through the real throttle."""

    def __init__(self, seed: int, *, preempting: bool) -> None:
        policy = PoolPolicy(capacity=SLOTS, each_project=TenantPolicy(cap=CAP))
        self._throttle = Throttle(lambda pool: policy)
        self._lots = {
            name: self._throttle.lot(
                name, Tenant(name, "production"), [ResourceClaim(POOL)], since=0.0, preemptible=preempting
            )
            for name in TENANTS
        }
        self._jobs = deque(arrivals(seed))
        self._known: dict[Holder, Job] = {}
        self._numbers: dict[Holder, int] = {}
        self._ends = Ends()
        self._meter = Meter(REACHED_BY_PREEMPTION if preempting else REACHED)

    def run(self) -> Figures:
        """Play it to the end."""
        meter = self._meter
        holders: dict[int, Holder] = {}
        while (now := min(self._jobs[0].at if self._jobs else END_S, self._ends.next_at)) < END_S:
            meter.advance(now)
            for number, job in self._ends.pop(now):
                self._throttle.release(holders.pop(number), now)
                meter.held[job.tenant] -= 1
            while self._jobs and self._jobs[0].at <= now:
                job = self._jobs.popleft()
                holder = (job.tenant, str(len(self._known)))
                self._known[holder] = job
                self._throttle.ask(self._lots[job.tenant], holder, now)
            self._fill(now, holders)
        meter.advance(END_S)
        return meter.figures()

    def _fill(self, now: float, holders: dict[int, Holder]) -> None:
        while True:
            for holder in self._throttle.decide(now):
                job = self._known[holder]
                number = self._numbers[holder] = self._ends.start(job, now)
                holders[number] = holder
                self._meter.started(job)
            victims = self._throttle.victims(now)
            if not victims:
                return
            for victim in victims:
                number = self._numbers.pop(victim)
                job = self._ends.running.pop(number)
                del holders[number]
                self._throttle.release(victim, now)
                self._throttle.ask(self._lots[job.tenant], victim, now)
                self._meter.held[job.tenant] -= 1
                self._meter.killed += 1


def governed(seeds: range, *, preempting: bool) -> Figures:
    """The figures of the real throttle, on average over the seeds."""
    return mean([Governed(seed, preempting=preempting).run() for seed in seeds])


class Costs(NamedTuple):
    """Median CPU time of a slot that changes hands, in microseconds.

    Args:
        grant_us: To decide who gets it, and to book it.
        release_us: To give it back.
    """

    grant_us: float
    release_us: float


def costs(*, waiting: int = 100_000, tenants: int = 1_000, grants: int = 20_000) -> Costs:
    """What a single slot costs, with so many waiting nodes and tenants on one pool."""
    throttle = Throttle(lambda pool: PoolPolicy(capacity=tenants // 2))
    lots = [
        throttle.lot(f"run{n}", Tenant(f"project{n}", "production"), [ResourceClaim(POOL)], since=float(n))
        for n in range(tenants)
    ]
    for n in range(waiting + tenants // 2):
        throttle.ask(lots[n % tenants], (f"run{n % tenants}", f"n{n}"), 0.0)
    held = deque(throttle.decide(0.0))
    now, clock = 0.0, time.thread_time_ns
    grants_ns, releases_ns = [], []
    gc.collect()
    gc.freeze()
    for _ in range(grants):
        now += 0.001
        began_ns = clock()
        throttle.release(held.popleft(), now)
        released_ns = clock()
        held += throttle.decide(now)
        decided_ns = clock()
        releases_ns.append(released_ns - began_ns)
        grants_ns.append(decided_ns - released_ns)
    gc.unfreeze()
    return Costs(statistics.median(grants_ns) / 1000, statistics.median(releases_ns) / 1000)


class Row(NamedTuple):
    """One figure, what the reference shows, and what is asked for."""

    name: str
    figure: float
    reference: float | None
    target: str
    ok: bool


def rows(seeds: range, *, grants: int) -> list[Row]:
    """Everything that is measured."""
    plain, bare = governed(seeds, preempting=False), reference(seeds, preempting=False)
    taking, bare_taking = governed(seeds, preempting=True), reference(seeds, preempting=True)
    grant_us, release_us = costs(grants=grants)
    return [
        at_least("jain", plain.jain, bare.jain, 0.995),
        at_least("utilisation", plain.utilisation, bare.utilisation, 0.995),
        at_most(
            "light_p99_wait_s", plain.light_p99_wait_s, bare.light_p99_wait_s, 1.1 * bare.light_p99_wait_s
        ),
        at_most("reach_share_s", plain.reach_share_s, bare.reach_share_s, 1.1 * bare.reach_share_s),
        at_least("preempting_jain", taking.jain, bare_taking.jain, 0.995),
        at_most("preempting_reach_share_s", taking.reach_share_s, bare_taking.reach_share_s, 1.0),
        Row("preempting_light_p99_wait_s", taking.light_p99_wait_s, bare_taking.light_p99_wait_s, "", True),
        Row("preempting_killed", taking.killed, bare_taking.killed, "", True),
        at_most("grant_cpu_us", grant_us, None, 20.0),
        Row("release_cpu_us", release_us, None, "", True),
    ]


def at_least(name: str, figure: float, bare: float | None, target: float) -> Row:
    """A figure that must not be smaller."""
    return Row(name, figure, bare, f">= {target:g}", figure >= target)


def at_most(name: str, figure: float, bare: float | None, target: float) -> Row:
    """A figure that must not be larger."""
    return Row(name, figure, bare, f"<= {target:.3f}", figure <= target)


def as_json(measured: list[Row]) -> dict[str, Any]:
    """The figures by name, those of the reference beside them, and which target is missed."""
    return {
        **{row.name: row.figure for row in measured},
        "reference": {row.name: row.reference for row in measured if row.reference is not None},
        "missed": [row.name for row in measured if not row.ok],
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    measured = rows(SEEDS, grants=20_000)
    if parser.parse_args().json:
        print(json.dumps(as_json(measured), indent=2))
    else:
        print(f"{'':30}{'throttle':>12}{'reference':>12}  target")
        for row in measured:
            bare = "" if row.reference is None else f"{row.reference:.4f}"
            print(f"{row.name:30}{row.figure:12.4f}{bare:>12}  {row.target}{'' if row.ok else '  MISSED'}")
    return 0 if all(row.ok for row in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
