"""The jobs of one account, by when they are due and by when they may be asked for along with others."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.run import Run
from hardpoint.plugin_api import JobRef, Phase, PollPolicy

EARLY = 0.5
"""The part of its wait after which a job may be asked for along with others."""
GATHER_S = 0.02
"""Jobs due within this time count as due."""
SPARE = 64


class Watched:
    """A job that is asked for from time to time.

    Args:
        run, node, job: Whose it is.
        since: When it was created, seconds since the epoch.
    """

    __slots__ = ("asked", "asked_at", "job", "node", "run", "serial", "since", "told")

    def __init__(self, run: Run, node: NodeRun, job: JobRef, since: float) -> None:
        self.since = since
        self.run = run
        self.node = node
        self.job = job
        self.asked = False
        self.asked_at = since
        # An engine may have died between the news of an end and what follows: then that is news again.
        self.told: Phase | None = None if node.phase is None or node.phase.terminal else node.phase
        """What the service said last."""
        self.serial = 0
        """Its latest place in the heaps; 0 if it has none."""


_Heap = list[tuple[float, int, Watched]]


class Schedule:
    """See above; holds no clock.

    Args:
        task_type: Of its jobs.
        policy: How often to ask.
    """

    def __init__(self, task_type: str, policy: PollPolicy) -> None:
        self.task_type = task_type
        self.policy = policy
        self.jobs: dict[str, Watched] = {}
        self.batch_max = policy.batch_max
        self.asking = 0
        self.asked_at = 0.0
        self.failures = 0
        self.not_before = 0.0
        self.streaming = False
        self.timer_due = float("inf")
        self._due: _Heap = []
        self._ready: _Heap = []
        self._serials = itertools.count(1)

    def add(self, run: Run, node: NodeRun, job: JobRef, since: float) -> Watched:
        """Take a job in, or find it."""
        watched = self.jobs.get(job.id)
        if watched is None or watched.run is not run or watched.node is not node:
            watched = self.jobs[job.id] = Watched(run, node, job, since)
        return watched

    def remove(self, job: str) -> None:
        """Drop a job; its places in the heaps are passed over."""
        watched = self.jobs.pop(job, None)
        if watched is not None:
            watched.serial = 0

    def push(self, watched: Watched, now: float, wait_s: float) -> None:
        """Put a job in line; its earlier place counts no more."""
        # Only the latest place counts: asking sooner must not double its polls for ever.
        serial = watched.serial = next(self._serials)
        heapq.heappush(self._due, (now + wait_s, serial, watched))
        heapq.heappush(self._ready, (now + EARLY * wait_s, serial, watched))
        if len(self._ready) > 2 * len(self.jobs) + SPARE:
            # Full batches take from the other heap alone: places that count no more would pile up here.
            self._ready = [place for place in self._ready if place[2].serial == place[1]]
            heapq.heapify(self._ready)

    def first_due(self, now: float) -> float | None:
        """When the next call should go out; None if there is nothing to ask."""
        due = self._due
        while due and due[0][2].serial != due[0][1]:
            heapq.heappop(due)
        if not due:
            self._ready.clear()
            return None
        return max(due[0][0], self.not_before, now)

    def has_full_batch(self, now: float) -> bool:
        """Whether at least a whole batch of jobs is due. Counts them: not to be asked for each job."""
        due = sum(1 for at, serial, each in self._due if at <= now and each.serial == serial)
        return due >= self.batch_max

    def take(self, now: float) -> Iterator[Watched]:
        """Up to a batch of jobs: first those that are due, then those that may come along."""
        left = self.batch_max
        for heap in (self._due, self._ready):
            while left and heap and heap[0][0] <= now + GATHER_S:
                _, serial, watched = heapq.heappop(heap)
                if watched.serial == serial:
                    watched.serial = 0
                    left -= 1
                    yield watched
