"""When to ask for which external jobs: often while they are young, together when they can be.

Jobs of one task type, account and set of credentials share a schedule, so that one call to the service
answers for many. A poll that fails is repeated, ever more slowly, for as long as it takes: no number of
failed polls ends a job that may still run.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.state import NodeRun
from hardpoint.executor.engine.steps import Answer
from hardpoint.plugin_api import PollPolicy, Status

OUTAGE_BASE_S = 0.5
OUTAGE_CAP_S = 60.0
GATHER_S = 0.05
"""Polls due within this time of the first go along with it."""

Watched = tuple[Run, NodeRun]
Poll = Callable[[list[Watched], Callable[[Answer[dict[str, Status]]], None]], None]
Moved = Callable[[Run, NodeRun, Status], None]
Key = tuple[str, str, tuple[str, ...]]


class _Schedule:
    """The jobs of one key, by the time they are due."""

    def __init__(self, policy: PollPolicy) -> None:
        self.policy = policy
        self.due: list[tuple[float, int, Watched, int]] = []
        self.latest: dict[str, float] = {}
        self.failures = 0
        self.next_timer = float("inf")


class JobWatch:
    """Asks for jobs when they are due; owned by the engine's thread.

    Args:
        desk: Clock, timers and runs.
        policy: How often to ask for jobs of a task type.
        poll: Asks for jobs of one account.
        moved: Takes in what the service says of a job.
    """

    def __init__(self, desk: Desk, policy: Callable[[str], PollPolicy], poll: Poll, moved: Moved) -> None:
        self._desk = desk
        self._policy = policy
        self._poll = poll
        self._moved = moved
        self._schedules: dict[Key, _Schedule] = {}
        self._order = itertools.count()

    def add(self, run: Run, node: NodeRun) -> None:
        """Watch a job from now on, at the pace its age asks for."""
        now = self._desk.clock.now()
        schedule = self._schedule(run, node)
        age_s = now - (node.started_at or now)
        self._push(schedule, run, node, now + schedule.policy.wait_s(age_s))

    def soon(self, run: Run, node: NodeRun) -> None:
        """Ask for a job again shortly, because its end was just asked for."""
        schedule = self._schedule(run, node)
        self._push(schedule, run, node, self._desk.clock.now() + schedule.policy.first_s)

    def _schedule(self, run: Run, node: NodeRun) -> _Schedule:
        job = node.job
        name = run.spec(node.id).type
        key: Key = (name, job.account, job.secrets) if job is not None else (name, "", ())
        schedule = self._schedules.get(key)
        if schedule is None:
            schedule = self._schedules[key] = _Schedule(self._policy(name))
        return schedule

    def _push(self, schedule: _Schedule, run: Run, node: NodeRun, due: float) -> None:
        if node.job is None:
            return
        # Only the latest entry of a job counts: asking sooner must not double its polls for ever.
        schedule.latest[node.job.id] = due
        heapq.heappush(schedule.due, (due, next(self._order), (run, node), node.attempt))
        if due < schedule.next_timer:
            schedule.next_timer = due
            self._desk.timers.at(due, lambda: self._ask(schedule, due))

    def _ask(self, schedule: _Schedule, due: float) -> None:
        if schedule.next_timer != due:
            return
        horizon = self._desk.clock.now() + GATHER_S
        batch: dict[str, Watched] = {}
        while schedule.due and schedule.due[0][0] <= horizon and len(batch) < schedule.policy.batch_max:
            entry, _, (run, node), attempt = heapq.heappop(schedule.due)
            job = node.job.id if node.job is not None else ""
            if schedule.latest.get(job) == entry and self._current(run, node, attempt):
                del schedule.latest[job]
                batch[job] = (run, node)
        schedule.next_timer = float("inf")
        if schedule.due:
            schedule.next_timer = following = max(schedule.due[0][0], self._desk.clock.now())
            self._desk.timers.at(following, lambda: self._ask(schedule, following))
        if batch:
            self._poll(list(batch.values()), lambda answer: self._answered(schedule, batch, answer))

    def _current(self, run: Run, node: NodeRun, attempt: int) -> bool:
        return self._desk.owns(run) and node.attempt == attempt and node.state.in_flight

    def _answered(
        self, schedule: _Schedule, batch: dict[str, Watched], answer: Answer[dict[str, Status]]
    ) -> None:
        now = self._desk.clock.now()
        statuses = answer.value or {}
        pause_s = 0.0
        if answer.error is None:
            schedule.failures = 0
        else:
            schedule.failures += 1
            backoff_s = min(OUTAGE_CAP_S, OUTAGE_BASE_S * 2.0 ** min(schedule.failures - 1, 10))
            pause_s = max(backoff_s, answer.error.retry_after_s or 0.0)
        for job, (run, node) in batch.items():
            if not self._current(run, node, node.attempt) or node.job is None or node.job.id != job:
                continue
            status = statuses.get(job)
            if status is not None:
                self._moved(run, node, status)
            if node.state.in_flight and not (status is not None and status.phase.terminal):
                age_s = now - (node.started_at or now)
                self._push(schedule, run, node, now + max(pause_s, schedule.policy.wait_s(age_s)))
