"""A service that runs jobs, as it really is: what it was asked, what it did, nothing about networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.simulation.plans import End
from tests.simulation.virtual_time import VirtualTime

from hardpoint.plugin_api import CreateRequest, Inputs, Phase

CANCEL_MOST_S = 1.5
QUEUE_MOST_S = 1.0

_SUCCEEDS = (End.DONE, End.SLOW)


class Item:
    """One computation of a job; most jobs have one. Times in virtual seconds."""

    __slots__ = ("end", "ends_s", "inputs")

    def __init__(self, inputs: Inputs, end: End, ends_s: float) -> None:
        self.inputs, self.end, self.ends_s = inputs, end, ends_s


class Job:
    """One job that the service was asked to run."""

    __slots__ = (
        "attempt",
        "cancel_asked_s",
        "cancelled_s",
        "created_s",
        "execution",
        "forgotten",
        "id",
        "items",
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
        self.salt: int = request.spec.config["salt"]
        self.pool: str = request.spec.config["pool"]
        self.units: int = request.spec.config["units"]
        self.created_s = self.visible_s = self.starts_s = now_s
        self.items: list[Item] = []
        self.forgotten = False
        self.cancel_asked_s: float | None = None
        self.cancelled_s: float | None = None

    @property
    def ends_s(self) -> float:
        """When its last item ends, unless it is cancelled before."""
        return max(item.ends_s for item in self.items)

    @property
    def usage(self) -> dict[str, float]:
        """What it will have used when it is over; no two jobs the same."""
        return {"items": float(len(self.items)), "units": self.units + self.created_s}

    def phase(self, now_s: float) -> Phase:
        """Where the whole of it stands."""
        if now_s >= self.ends_s:
            if all(item.end in _SUCCEEDS for item in self.items):
                return Phase.SUCCEEDED
            return Phase.ABSENT if self.forgotten else Phase.FAILED
        if self._is_cancelled(now_s):
            return Phase.CANCELLED
        return Phase.RUNNING if now_s >= self.starts_s else Phase.QUEUED

    def letters(self, now_s: float) -> str:
        """Where each item stands; see `plugin_api.ItemStates`."""
        return "".join(self._letter(item, now_s) for item in self.items)

    def _letter(self, item: Item, now_s: float) -> str:
        if item.ends_s <= (now_s if self.cancelled_s is None else min(now_s, self.cancelled_s)):
            return "S" if item.end in _SUCCEEDS else "F"
        if self._is_cancelled(now_s):
            return "C"
        return "R" if now_s >= self.starts_s else "Q"

    def _is_cancelled(self, now_s: float) -> bool:
        return self.cancelled_s is not None and now_s >= self.cancelled_s

    def is_over(self, now_s: float) -> bool:
        """Whether it holds nothing any more."""
        return now_s >= self.ends_s or self._is_cancelled(now_s)

    def units_held(self, now_s: float) -> int:
        """What its items hold now."""
        if self._is_cancelled(now_s):
            return 0
        return self.units * sum(now_s < item.ends_s for item in self.items)

    def moments_s(self) -> list[float]:
        """When its phase changes by itself."""
        return [self.starts_s, *(item.ends_s for item in self.items)]


class NameTakenError(Exception):
    """The service's 409."""


class SimService:
    """Its books.

    Args:
        time, dice: The world's.
        length: How the next call of a node or item ends, and after how many seconds.
        units: The items of a job, by its run and the node or chunk it is for.
        made: Told of each job that was made.
    """

    def __init__(
        self,
        time: VirtualTime,
        dice: random.Random,
        length: Callable[[str, str], tuple[End, float]],
        units: Callable[[str, str], Sequence[str]],
        made: Callable[[Job], None],
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self.told: list[Callable[[Job], None]] = []
        """Called with each job whose phase may have changed."""
        self._time = time
        self._dice = dice
        self._length = length
        self._units = units
        self._made = made
        self._by_token: dict[str, list[Job]] = {}

    @property
    def now_s(self) -> float:
        """Virtual seconds."""
        return self._time.now_s

    def create_once(self, request: CreateRequest, items: Sequence[Inputs], lag_s: float) -> Job:
        """Start a job; the same token again is the same job."""
        found = self._by_token.get(request.token)
        return found[0] if found else self.create(request, items, lag_s)

    def create_named(self, request: CreateRequest, items: Sequence[Inputs], lag_s: float) -> Job:
        """Start a job whose name is the token; raises `NameTakenError` if there is one of that name."""
        if request.token in self._by_token:
            raise NameTakenError(request.token)
        return self.create(request, items, lag_s)

    def create(self, request: CreateRequest, items: Sequence[Inputs], lag_s: float) -> Job:
        """Start a job, whatever was started before; listings show it `lag_s` later."""
        now_s = self._time.now_s
        job = Job(f"j{len(self.jobs) + 1}", request, now_s)
        job.visible_s = now_s + lag_s
        job.starts_s = now_s + self._dice.random() * QUEUE_MOST_S
        units = self._units(job.execution, job.node) or [job.node] * len(items)
        for unit, inputs in zip(units, items, strict=True):
            end, took_s = self._length(job.execution, unit)
            job.items.append(Item(inputs, end, job.starts_s + took_s))
        # Of a service that tells by itself nobody asks often enough to notice soon what it forgets.
        lost = [item.end for item in job.items] == [End.LOST] and job.type != "sim_push"
        job.forgotten = lost and self._dice.random() < 0.5
        self.jobs[job.id] = job
        self._by_token.setdefault(job.token, []).append(job)
        self._made(job)
        if self.told:
            for moment_s in job.moments_s():
                self._time.at(moment_s, lambda: self._tell(job))
        return job

    def _tell(self, job: Job) -> None:
        for told in list(self.told):
            told(job)

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
            if self.told:
                self._time.at(cancelled_s, lambda: self._tell(job))

    def units_held(self, pool: str) -> int:
        """What jobs of a pool hold now."""
        now_s = self._time.now_s
        return sum(job.units_held(now_s) for job in self.jobs.values() if job.pool == pool)
