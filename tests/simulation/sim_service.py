"""A service that runs jobs, as it really is: what it was asked, what it did, nothing about networks."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation.plans import End
from tests.simulation.virtual_time import VirtualTime

from hardpoint.plugin_api import CreateRequest, Phase

CANCEL_MOST_S = 1.5
QUEUE_MOST_S = 1.0


class Job:
    """One job that the service was asked to run; times in virtual seconds."""

    __slots__ = (
        "attempt",
        "cancel_asked_s",
        "cancelled_s",
        "created_s",
        "end",
        "ends_s",
        "execution",
        "forgotten",
        "id",
        "inputs",
        "node",
        "pool",
        "salt",
        "starts_s",
        "token",
        "type",
        "units",
        "visible_s",
    )

    def __init__(self, id: str, request: CreateRequest, now_s: float) -> None:
        self.id = id
        self.execution, self.node, self.attempt = request.execution, request.node, request.attempt
        self.token = request.token
        self.type = request.spec.type
        self.inputs = request.inputs
        self.salt: int = request.spec.config["salt"]
        self.pool: str = request.spec.config["pool"]
        self.units: int = request.spec.config["units"]
        self.created_s = self.visible_s = self.starts_s = self.ends_s = now_s
        self.end = End.DONE
        self.forgotten = False
        self.cancel_asked_s: float | None = None
        self.cancelled_s: float | None = None

    def phase(self, now_s: float) -> Phase:
        """Where it stands."""
        if self.cancelled_s is not None and now_s >= self.cancelled_s:
            return Phase.CANCELLED
        if now_s >= self.ends_s:
            if self.end is End.DONE or self.end is End.SLOW:
                return Phase.SUCCEEDED
            return Phase.ABSENT if self.forgotten else Phase.FAILED
        return Phase.RUNNING if now_s >= self.starts_s else Phase.QUEUED

    def is_over(self, now_s: float) -> bool:
        """Whether it holds nothing any more."""
        return now_s >= self.ends_s or (self.cancelled_s is not None and now_s >= self.cancelled_s)


class NameTakenError(Exception):
    """The service's 409."""


class SimService:
    """Its books.

    Args:
        time, dice: The world's.
        length: How the next job of a node ends, and after how many seconds.
        made: Told of each job that was made.
    """

    def __init__(
        self,
        time: VirtualTime,
        dice: random.Random,
        length: Callable[[str, str], tuple[End, float]],
        made: Callable[[Job], None],
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self._time = time
        self._dice = dice
        self._length = length
        self._made = made
        self._by_token: dict[str, list[Job]] = {}

    @property
    def now_s(self) -> float:
        """Virtual seconds."""
        return self._time.now_s

    def create_once(self, request: CreateRequest, lag_s: float) -> Job:
        """Start a job; the same token again is the same job."""
        found = self._by_token.get(request.token)
        return found[0] if found else self.create(request, lag_s)

    def create_named(self, request: CreateRequest, lag_s: float) -> Job:
        """Start a job whose name is the token; raises `NameTakenError` if there is one of that name."""
        if request.token in self._by_token:
            raise NameTakenError(request.token)
        return self.create(request, lag_s)

    def create(self, request: CreateRequest, lag_s: float) -> Job:
        """Start a job, whatever was started before; listings show it `lag_s` later."""
        now_s = self._time.now_s
        job = Job(f"j{len(self.jobs) + 1}", request, now_s)
        job.visible_s = now_s + lag_s
        job.end, took_s = self._length(job.execution, job.node)
        job.starts_s = now_s + self._dice.random() * QUEUE_MOST_S
        job.ends_s = job.starts_s + took_s
        job.forgotten = job.end is End.LOST and self._dice.random() < 0.5
        self.jobs[job.id] = job
        self._by_token.setdefault(job.token, []).append(job)
        self._made(job)
        return job

    def of_token(self, token: str) -> list[Job]:
        """Every job that was ever started with that token, oldest first."""
        return self._by_token.get(token, [])

    def listed(self, token: str) -> list[Job]:
        """What a listing shows now."""
        return [job for job in self.of_token(token) if job.visible_s <= self._time.now_s]

    def cancel(self, id: str) -> None:
        """End a job soon; one that is over stays as it is."""
        job = self.jobs.get(id)
        now_s = self._time.now_s
        if job is None or job.cancelled_s is not None or now_s >= job.ends_s:
            return
        job.cancel_asked_s = now_s
        cancelled_s = now_s + self._dice.random() * CANCEL_MOST_S
        if cancelled_s < job.ends_s:
            job.cancelled_s = cancelled_s

    def units_held(self, pool: str) -> int:
        """What jobs of a pool hold now."""
        now_s = self._time.now_s
        return sum(job.units for job in self.jobs.values() if job.pool == pool and not job.is_over(now_s))
