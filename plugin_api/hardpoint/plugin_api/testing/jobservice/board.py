"""The jobs of the service: their slots, their states and how they are found. No HTTP in here.

waiting     tenants with queued jobs, in the order of their turns
tenant      queue: jobs in order of creation, those cancelled meanwhile still in it
            keys, names, labels: how a job is found again
"""

from __future__ import annotations

import enum
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from hardpoint.plugin_api.testing.jobservice.changes import Changes
from hardpoint.plugin_api.testing.jobservice.settings import Settings
from hardpoint.plugin_api.testing.jobservice.stats import JobRecord, TenantStats

NOTHING = msgspec.Raw(b"null")


class JobState(enum.Enum):
    """The service's word on a job."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class JobBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a create request says."""

    duration_s: float = 0.0
    fail: bool = False
    label: str | None = None
    name: str | None = None
    tags: dict[str, str] = {}
    output: msgspec.Raw = NOTHING
    usage: dict[str, float] = {}
    """What the service will say that the job used, once it has ended."""


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> object:
        """Let it not come."""


Later = Callable[[float, Callable[[], None]], Timer]


@dataclass(slots=True, eq=False)
class Job:
    """One job; `on_end` are the long polls that wait for it."""

    number: int
    tenant: Tenant
    key: str | None
    body: JobBody
    created: float
    state: JobState = JobState.QUEUED
    started: float | None = None
    ended: float | None = None
    read: bool = False
    timer: Timer | None = None
    on_end: list[Callable[[], None]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """As clients see it."""
        return f"j{self.number}"

    def record(self) -> JobRecord:
        """One line of the service's account."""
        body = self.body
        return JobRecord(
            id=self.id,
            tenant=self.tenant.name,
            state=self.state.value,
            label=body.label,
            name=body.name,
            key=self.key,
            created=self.created,
            started=self.started,
            ended=self.ended,
            read=self.read,
        )


@dataclass(slots=True, eq=False)
class Tenant:
    """What one tenant has, and what it did."""

    name: str
    stats: TenantStats = field(default_factory=TenantStats)
    queue: deque[Job] = field(default_factory=deque)
    jobs: list[Job] = field(default_factory=list)
    keys: dict[str, tuple[Job, bytes]] = field(default_factory=dict)
    names: dict[str, Job] = field(default_factory=dict)
    labels: dict[str, list[Job]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)

    def counters(self) -> TenantStats:
        """Its counters, with those that are counted only when asked for."""
        alive = [[j for j in jobs if j.state is not JobState.CANCELLED] for jobs in self.labels.values()]
        unread = sum(1 for j in self.jobs if j.state is JobState.SUCCEEDED and not j.read)
        return msgspec.structs.replace(
            self.stats,
            double_submits=sum(len(jobs) - 1 for jobs in self.labels.values()),
            double_survivors=sum(max(0, len(jobs) - 1) for jobs in alive),
            never_read=unread,
        )


class Outcome(enum.Enum):
    """What became of a create."""

    CREATED = "created"
    REPLAYED = "replayed"
    KEY_CONFLICT = "key conflict"
    NAME_TAKEN = "name taken"
    OVER_QUOTA = "over quota"


class Board:
    """All jobs of all tenants, and the slots they run in.

    Args:
        settings: Slots, quota and listing lag.
        later: Calls a function after so many seconds, on the thread that owns the board.
    """

    def __init__(self, settings: Settings, later: Later) -> None:
        self.settings = settings
        self.later = later
        self._numbers = 0
        self._jobs: dict[str, Job] = {}
        self.reset()

    def reset(self) -> None:
        """Forget every job. Numbers go on, so that an old id never names a new job."""
        for job in self._jobs.values():
            if job.timer is not None:
                job.timer.cancel()
        self._jobs.clear()
        self.tenants: dict[str, Tenant] = {}
        self._waiting: deque[Tenant] = deque()
        self.running = self.max_running = self.unfinished = self.max_unfinished = 0

    def configure(self, settings: Settings) -> None:
        """Use other settings; freed slots are filled at once."""
        self.settings = settings
        self._fill_slots()

    def all_jobs(self) -> list[Job]:
        """In order of creation."""
        return list(self._jobs.values())

    def tenant(self, name: str) -> Tenant:
        """The tenant of that name, from its first request on."""
        found = self.tenants.get(name)
        if found is None:
            found = self.tenants[name] = Tenant(name)
        return found

    def create(
        self, tenant: Tenant, body: JobBody, key: str | None, raw: bytes
    ) -> tuple[Outcome, Job | None]:
        """Start a job, or say why not: with the job that is in the way, if one is."""
        if key is not None and key in tenant.keys:
            job, first = tenant.keys[key]
            return (Outcome.REPLAYED if first == raw else Outcome.KEY_CONFLICT), job
        if body.name is not None and body.name in tenant.names:
            return Outcome.NAME_TAKEN, tenant.names[body.name]
        if tenant.stats.queued >= self.settings.max_queued:
            return Outcome.OVER_QUOTA, None
        self._numbers += 1
        job = Job(self._numbers, tenant, key, body, time.time())
        self._jobs[job.id] = job
        tenant.jobs.append(job)
        if key is not None:
            tenant.keys[key] = (job, raw)
        if body.name is not None:
            tenant.names[body.name] = job
        if body.label is not None:
            tenant.labels.setdefault(body.label, []).append(job)
        self._enqueue(job)
        return Outcome.CREATED, job

    def get(self, tenant: Tenant, id: str) -> Job | None:
        """The job of that id, if it is this tenant's."""
        job = self._jobs.get(id)
        return job if job is not None and job.tenant is tenant else None

    def find(self, id: str) -> Job | None:
        """The job of that id, whoever's it is."""
        return self._jobs.get(id)

    def listed(
        self, tenant: Tenant, label: str | None, state: str | None, after: int, limit: int
    ) -> tuple[list[Job], bool]:
        """Jobs that listings show by now, oldest first, and whether there are more."""
        visible_before = time.time() - self.settings.listing_lag_s
        jobs = tenant.jobs if label is None else tenant.labels.get(label, [])
        fitting = (
            job
            for job in jobs
            if job.number > after
            and job.created <= visible_before
            and (state is None or job.state.value == state)
        )
        page = [job for _, job in zip(range(limit + 1), fitting, strict=False)]
        return page[:limit], len(page) > limit

    def end(self, job: Job, state: JobState) -> None:
        """End a job that has not ended; nothing happens to one that has."""
        if job.ended is not None:
            return
        stats = job.tenant.stats
        job.ended = time.time()
        if job.state is JobState.RUNNING:
            stats.running -= 1
            self.running -= 1
            stats.billed_s += job.ended - (job.started or job.ended)
        else:
            stats.queued -= 1
        if job.timer is not None:
            job.timer.cancel()
            job.timer = None
        job.state = state
        job.tenant.changes.add(job)
        stats.unfinished -= 1
        self.unfinished -= 1
        counter = state.value.lower()
        setattr(stats, counter, getattr(stats, counter) + 1)
        waiting, job.on_end = job.on_end, []
        for call in waiting:
            call()
        self._fill_slots()

    def _enqueue(self, job: Job) -> None:
        tenant, stats = job.tenant, job.tenant.stats
        if not tenant.queue:
            self._waiting.append(tenant)
        tenant.queue.append(job)
        tenant.changes.add(job)
        stats.created += 1
        stats.queued += 1
        stats.unfinished += 1
        stats.max_unfinished = max(stats.max_unfinished, stats.unfinished)
        self.unfinished += 1
        self.max_unfinished = max(self.max_unfinished, self.unfinished)
        self._fill_slots()

    def _fill_slots(self) -> None:
        passed_over = 0
        while self.running < self.settings.slots and passed_over < len(self._waiting):
            tenant = self._waiting[0]
            while tenant.queue and tenant.queue[0].state is not JobState.QUEUED:
                tenant.queue.popleft()
            if not tenant.queue:
                self._waiting.popleft()
                continue
            self._waiting.rotate(-1)
            if tenant.stats.running >= self.settings.tenant_slots:
                passed_over += 1
                continue
            passed_over = 0
            self._start(tenant.queue.popleft())
            if not tenant.queue:
                self._waiting.remove(tenant)

    def _start(self, job: Job) -> None:
        stats = job.tenant.stats
        job.state, job.started = JobState.RUNNING, time.time()
        job.tenant.changes.add(job)
        stats.queued -= 1
        stats.running += 1
        stats.max_running = max(stats.max_running, stats.running)
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        state = JobState.FAILED if job.body.fail else JobState.SUCCEEDED
        job.timer = self.later(job.body.duration_s, lambda: self.end(job, state))
