"""The reference of the fairness benchmark: a workload, and the smallest simulation of the policy itself.

Eight tenants share 40 slots, at most 20 each. `A` floods with jobs of 60 s from the start; `B`, `C` and `D`
send a job of 5 s now and then; `E` to `H` flood with jobs of 5 s from 300 s on, when measuring begins.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

SLOTS = 40
CAP = 20
TENANTS = "ABCDEFGH"
HEAVY = "EFGH"
LIGHT = "BCD"
FLOOD_S = 300.0
END_S = 900.0
REACHED = 7
REACHED_BY_PREEMPTION = 5


class Job(NamedTuple):
    """What a tenant submits."""

    at: float
    tenant: str
    length_s: float


def arrivals(seed: int) -> list[Job]:
    """The jobs of one run, in the order of their coming.

    Times are drawn first, lengths afterwards in that order, so that a seed means the same jobs everywhere.
    """
    source = random.Random(seed)
    coming = [(0.0, "A")] * 3000
    for tenant in LIGHT:
        at = 60.0
        while at < END_S:
            at += source.expovariate(0.4)
            coming.append((at, tenant))
    coming += [(FLOOD_S, tenant) for tenant in HEAVY for _ in range(6000)]
    coming.sort()
    return [Job(at, tenant, source.expovariate(1 / (60 if tenant == "A" else 5))) for at, tenant in coming]


class Figures(NamedTuple):
    """What one run shows, from 300 s on.

    Args:
        jain: Jain's index of what the five flooding tenants held, over what max-min leaves each of them.
        utilisation: Slots held, as a part of all.
        light_p99_wait_s: Of the jobs of the light tenants.
        reach_share_s: Until the last of those who flood then holds its share.
        killed: Jobs preempted.
    """

    jain: float
    utilisation: float
    light_p99_wait_s: float
    reach_share_s: float
    killed: int


@dataclass
class Meter:
    """Adds up what is held, tenant by tenant, and notes waits."""

    reached: int = REACHED
    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0))
    slot_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0.0))
    waits_s: list[float] = field(default_factory=list)
    reach_s: dict[str, float] = field(default_factory=dict)
    killed: int = 0
    now: float = 0.0

    def advance(self, now: float) -> None:
        """Let time pass."""
        past = max(0.0, now - max(self.now, FLOOD_S))
        for tenant, held in self.held.items():
            self.slot_s[tenant] += held * past
        self.now = now

    def started(self, job: Job) -> None:
        """A job got its slot."""
        self.held[job.tenant] += 1
        if job.tenant in LIGHT and job.at >= FLOOD_S:
            self.waits_s.append(self.now - job.at)
        if job.tenant in HEAVY and self.held[job.tenant] >= self.reached:
            self.reach_s.setdefault(job.tenant, self.now - FLOOD_S)

    def figures(self) -> Figures:
        """The run as numbers."""
        all_s = SLOTS * (END_S - FLOOD_S)
        each_s = (all_s - sum(self.slot_s[tenant] for tenant in LIGHT)) / 5
        parts = [self.slot_s[tenant] / each_s for tenant in "A" + HEAVY]
        waits_s = sorted(self.waits_s)
        return Figures(
            jain=sum(parts) ** 2 / (len(parts) * sum(part * part for part in parts)),
            utilisation=sum(self.slot_s.values()) / all_s,
            light_p99_wait_s=waits_s[int(0.99 * len(waits_s)) - 1],
            reach_share_s=max(self.reach_s.get(tenant, END_S) for tenant in HEAVY),
            killed=self.killed,
        )


class Ends:
    """Running jobs by when they end."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self.running: dict[int, Job] = {}
        self._started = 0

    def start(self, job: Job, now: float) -> int:
        """Let a job run; return its number."""
        self._started += 1
        self.running[self._started] = job
        heapq.heappush(self._heap, (now + job.length_s, self._started))
        return self._started

    @property
    def next_at(self) -> float:
        """When the next job ends."""
        while self._heap and self._heap[0][1] not in self.running:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def pop(self, now: float) -> list[tuple[int, Job]]:
        """Jobs that end now."""
        ended = []
        while self.next_at <= now:
            number = heapq.heappop(self._heap)[1]
            ended.append((number, self.running.pop(number)))
        return ended


class Reference:
    """The policy at its barest: least held, then fewest slot-seconds; each choice looks at every tenant."""

    def __init__(self, seed: int, *, preempting: bool) -> None:
        self._jobs = deque(arrivals(seed))
        self._queues: dict[str, deque[Job]] = {tenant: deque() for tenant in TENANTS}
        self._used: dict[str, float] = dict.fromkeys(TENANTS, 0.0)
        self._ends = Ends()
        self._preempting = preempting
        self._meter = Meter(REACHED_BY_PREEMPTION if preempting else REACHED)

    def run(self) -> Figures:
        """Play it to the end."""
        meter = self._meter
        while (now := min(self._jobs[0].at if self._jobs else END_S, self._ends.next_at)) < END_S:
            for tenant, held in meter.held.items():
                self._used[tenant] += held * (now - meter.now)
            meter.advance(now)
            for _, job in self._ends.pop(now):
                meter.held[job.tenant] -= 1
            while self._jobs and self._jobs[0].at <= now:
                job = self._jobs.popleft()
                self._queues[job.tenant].append(job)
            self._fill()
        meter.advance(END_S)
        return meter.figures()

    def _fill(self) -> None:
        held = self._meter.held
        while True:
            able = [tenant for tenant in TENANTS if self._queues[tenant] and held[tenant] < CAP]
            if not able:
                return
            first = min(able, key=lambda tenant: (held[tenant], self._used[tenant]))
            if sum(held.values()) == SLOTS and not (self._preempting and self._make_room(first)):
                return
            job = self._queues[first].popleft()
            self._ends.start(job, self._meter.now)
            self._meter.started(job)

    def _make_room(self, gainer: str) -> bool:
        """Stop the newest job of who holds the most, if it has more than its share and the gainer less."""
        held, nominal = self._meter.held, SLOTS / len(TENANTS)
        loser = max(TENANTS, key=lambda tenant: held[tenant])
        if held[gainer] >= nominal or held[loser] <= nominal:
            return False
        number = max(number for number, job in self._ends.running.items() if job.tenant == loser)
        # It runs anew from its beginning, next of its tenant.
        self._queues[loser].appendleft(self._ends.running.pop(number))
        held[loser] -= 1
        self._meter.killed += 1
        return True


def mean(runs: list[Figures]) -> Figures:
    """Each figure on average."""
    average: Callable[[str], float] = lambda name: sum(getattr(run, name) for run in runs) / len(runs)  # noqa: E731
    return Figures(*(average(name) for name in Figures._fields))  # type: ignore[arg-type]


def reference(seeds: range, *, preempting: bool) -> Figures:
    """The reference's figures, on average over the seeds."""
    return mean([Reference(seed, preempting=preempting).run() for seed in seeds])
