"""When to ask for which external jobs: often while they are young, together when they can be.

Jobs of one task type, account and set of credentials share a schedule, so that one call to the service
answers for many. A call goes out when a job is due, and takes along every other job that is past half of its
own wait: so calls are few and full. A poll that fails is repeated, ever more slowly, for as long as it takes:
no number of failed polls ends a job that may still run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.job_schedule import Schedule, Watched
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import Answer
from hardpoint.plugin_api import ArrayStatus, ErrorInfo, ErrorKind, JobRef, Phase, PollPolicy, Status

logger = logging.getLogger("hardpoint.engine")

OUTAGE_BASE_S = 0.5
OUTAGE_CAP_S = 60.0
POLLS_AT_ONCE = 4
"""Polls of one schedule that may be on their way: more than one if batches are full or a poll is slow."""
SLOW_S = 1.0
"""A poll that takes longer holds up no other."""

Key = tuple[str, str, tuple[str, ...]]
"""Task type, account, names of secrets."""
StatusT = TypeVar("StatusT", Status, ArrayStatus)
Polled = Callable[[Answer[dict[str, StatusT]]], None]
Poll = Callable[[str, list[JobRef], Polled[StatusT]], None]
Moved = Callable[[Run, NodeRun, StatusT, float], None]
"""Takes what the service says, and when it was asked: an answer may have taken its time."""

_ORDER = {Phase.QUEUED: 0, Phase.RUNNING: 1}


class JobWatch(Generic[StatusT]):
    """Asks for jobs when they are due; owned by the engine's thread.

    Args:
        desk: Clock, timers and runs.
        policy: How often to ask for jobs of a task type.
        poll: Asks for jobs of one account.
        moved: Takes in what the service says of a job.
        whole: Pass on every status, also one whose phase is known: the states of an array's items may differ.
    """

    def __init__(
        self,
        desk: Desk,
        policy: Callable[[str], PollPolicy],
        poll: Poll[StatusT],
        moved: Moved[StatusT],
        *,
        whole: bool = False,
    ) -> None:
        self._desk = desk
        self._policy = policy
        self._poll: Poll[StatusT] = poll
        self._moved: Moved[StatusT] = moved
        self._whole = whole
        self._schedules: dict[Key, Schedule] = {}

    @staticmethod
    def key(run: Run, node: NodeRun, job: JobRef) -> Key:
        """Which jobs can be asked for together with this one."""
        return (run.spec(node.id).type, job.account, job.secrets)

    def add(self, run: Run, node: NodeRun, since: float | None = None) -> None:
        """Watch a job from now on, at the pace its age asks for.

        Args:
            run, node: Whose job it is.
            since: When it was created, if that is known better than by its attempt's start.
        """
        job = node.job
        if job is not None:
            schedule = self._schedule(self.key(run, node, job))
            now = self._desk.clock.now()
            watched = schedule.add(run, node, job, since or node.started_at or now)
            # Also where a stream delivers: what it told before the job was known here is lost.
            self._wait(schedule, watched, schedule.policy.wait_s(max(0.0, now - watched.since)))

    def soon(self, run: Run, node: NodeRun) -> None:
        """Ask for a job again shortly, because its end was just asked for."""
        job = node.job
        if job is not None:
            schedule = self._schedule(self.key(run, node, job))
            watched = schedule.jobs.get(job.id)
            # One that is being asked for right now is pushed again by the answer.
            if watched is not None and not watched.asked:
                self._wait(schedule, watched, schedule.policy.first_s)

    def forget(self, run: Run, node: NodeRun) -> None:
        """Watch a job no more: its attempt is over."""
        job = node.job
        if job is not None:
            schedule = self._schedule(self.key(run, node, job))
            watched = schedule.jobs.get(job.id)
            if watched is not None and watched.run is run:
                schedule.remove(job.id)

    def watched(self, key: Key) -> int:
        """How many jobs are watched under a key."""
        schedule = self._schedules.get(key)
        return len(schedule.jobs) if schedule is not None else 0

    def some_job(self, key: Key) -> JobRef | None:
        """Any job that is watched under a key."""
        schedule = self._schedules.get(key)
        return next((watched.job for watched in schedule.jobs.values()), None) if schedule else None

    def told(self, key: Key, job: str, status: StatusT) -> None:
        """Take in what a stream told; of an unknown job, a step back or a repeat is dropped."""
        schedule = self._schedule(key)
        schedule.streaming = True
        watched = schedule.jobs.get(job)
        if watched is None or not self._current(watched):
            return
        known = watched.node.phase
        back = known is not None and _ORDER.get(status.phase, 2) < _ORDER.get(known, 2)
        # Absence is only believed of a poll: a stream may be about jobs that it does not see yet.
        if not back and status.phase is not known and status.phase is not Phase.ABSENT:
            watched.told = status.phase
            if status.phase.terminal:
                schedule.remove(job)
            self._moved(watched.run, watched.node, status, self._desk.clock.now())

    def stream_ended(self, key: Key) -> None:
        """A stream delivers no more: its jobs are asked for at the usual pace again."""
        schedule = self._schedule(key)
        if schedule.streaming:
            schedule.streaming = False
            now = self._desk.clock.now()
            for watched in schedule.jobs.values():
                if not watched.asked:
                    self._wait(schedule, watched, schedule.policy.wait_s(max(0.0, now - watched.since)))

    def _schedule(self, key: Key) -> Schedule:
        schedule = self._schedules.get(key)
        if schedule is None:
            schedule = self._schedules[key] = Schedule(key[0], self._policy(key[0]))
        return schedule

    def _current(self, watched: Watched) -> bool:
        node = watched.node
        job = node.job
        return (
            job is not None
            and job.id == watched.job.id
            and node.phase is not Phase.SUCCEEDED
            and node.state.in_flight
            and self._desk.owns(watched.run)
        )

    def _wait(self, schedule: Schedule, watched: Watched, wait_s: float) -> None:
        now = self._desk.clock.now()
        schedule.push(watched, now, wait_s)
        self._arm(schedule, now)

    def _arm(self, schedule: Schedule, now: float, *, full: bool = False) -> None:
        """Set the timer for the next call of a schedule, if one is needed and may go out."""
        due = schedule.first_due(now)
        if due is None or schedule.asking >= POLLS_AT_ONCE:
            return
        if schedule.asking and not full:
            due = max(due, schedule.asked_at + SLOW_S)
        if due >= schedule.timer_due:
            return
        schedule.timer_due = due
        self._desk.timers.at(due, lambda: self._ask(schedule, due))

    def _ask(self, schedule: Schedule, due: float) -> None:
        if schedule.timer_due != due:
            return
        schedule.timer_due = float("inf")
        now, owns = self._desk.clock.now(), self._desk.owns
        batch = []
        for watched in schedule.take(now):
            # What else may have changed is found out when the answer has news.
            if watched.node.state.in_flight and owns(watched.run):
                watched.asked, watched.asked_at = True, now
                batch.append(watched)
            else:
                schedule.remove(watched.job.id)
        if batch:
            schedule.asking += 1
            schedule.asked_at = now
            refs = [watched.job for watched in batch]
            self._poll(schedule.task_type, refs, lambda answer: self._answered(schedule, batch, answer))
        self._arm(schedule, now, full=len(batch) >= schedule.batch_max and schedule.has_full_batch(now))

    def _answered(self, schedule: Schedule, batch: list[Watched], answer: Answer[dict[str, StatusT]]) -> None:
        now = self._desk.clock.now()
        schedule.asking -= 1
        self._note_health(schedule, answer.error, len(batch), now)
        statuses, known = answer.value or {}, schedule.jobs
        wait_s, least_s = schedule.policy.wait_s, schedule.policy.resync_s if schedule.streaming else 0.0
        for watched in batch:
            watched.asked = False
            job = watched.job.id
            if known.get(job) is not watched:
                continue  # forgotten meanwhile
            status = statuses.get(job)
            if status is not None:
                phase = status.phase
                # Most of what a poll brings is nothing new: that must cost next to nothing.
                if phase is not watched.told or phase is Phase.ABSENT or self._whole:
                    self._take(schedule, watched, status)
                    if phase.terminal or not self._current(watched):
                        schedule.remove(job)
                        continue
            schedule.push(watched, now, max(least_s, wait_s(max(0.0, now - watched.since))))
        self._arm(schedule, now)

    def _take(self, schedule: Schedule, watched: Watched, status: StatusT) -> None:
        """Take in what a poll brought and was not known."""
        if schedule.streaming and watched.node.phase is not None:
            schedule.streaming = False  # the stream should have told this
        watched.told = status.phase
        if self._current(watched):
            self._moved(watched.run, watched.node, status, watched.asked_at)

    def _note_health(self, schedule: Schedule, error: ErrorInfo | None, size: int, now: float) -> None:
        """Ask a service that does not answer ever more slowly; one that refuses, for fewer jobs at a time."""
        if error is None:
            if schedule.failures:
                logger.info("%s answers polls again", schedule.task_type)
            schedule.failures = 0
            schedule.not_before = 0.0
            schedule.batch_max = min(schedule.policy.batch_max, schedule.batch_max * 2)
            return
        if not schedule.failures:
            logger.warning("%s does not answer polls: %s", schedule.task_type, error.message)
        schedule.failures += 1
        spread = 0.75 + 0.25 * self._desk.dice.random()
        backoff_s = min(OUTAGE_CAP_S, OUTAGE_BASE_S * 2.0 ** min(schedule.failures - 1, 10)) * spread
        schedule.not_before = now + max(backoff_s, error.retry_after_s or 0.0)
        if error.kind not in (ErrorKind.TRANSIENT, ErrorKind.THROTTLED):
            # One bad id should not fail its batch. Where it does, it ends up alone and the others go on.
            schedule.batch_max = max(1, size // 2)
