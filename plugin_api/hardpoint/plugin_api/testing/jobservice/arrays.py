"""Arrays: N jobs that are started, seen and cancelled together. No HTTP in here.

Each item is an ordinary job with a slot of its own, labelled `<label>[<index>]`: so records and counters are
per item, and an array that is started twice shows as so many double submits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from hardpoint.plugin_api.testing.jobservice.board import (
    NOTHING,
    Board,
    Job,
    JobBody,
    JobState,
    Outcome,
    Tenant,
)
from hardpoint.plugin_api.testing.jobservice.stats import ArrayRecord

LETTERS = {
    JobState.QUEUED: "Q",
    JobState.RUNNING: "R",
    JobState.SUCCEEDED: "S",
    JobState.FAILED: "F",
    JobState.CANCELLED: "C",
}


class ItemBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a create request says of one item."""

    duration_s: float = 0.0
    fail: bool = False
    output: msgspec.Raw = NOTHING


class ArrayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a create request says."""

    items: list[ItemBody]
    label: str | None = None
    tags: dict[str, str] = {}
    usage: dict[str, float] = {}


@dataclass(slots=True, eq=False)
class JobArray:
    """One array and its items, by index."""

    number: int
    tenant: Tenant
    body: ArrayBody
    raw: bytes
    jobs: list[Job]

    @property
    def id(self) -> str:
        """As clients see it."""
        return f"a{self.number}"

    @property
    def state(self) -> JobState:
        """Of the whole: what its items have in common, or the worst that happened."""
        states = {job.state for job in self.jobs}
        if JobState.RUNNING in states or (JobState.QUEUED in states and len(states) > 1):
            return JobState.RUNNING
        order = (JobState.QUEUED, JobState.CANCELLED, JobState.FAILED, JobState.SUCCEEDED)
        return next((state for state in order if state in states), JobState.SUCCEEDED)

    def record(self) -> ArrayRecord:
        """One line of the service's account."""
        return ArrayRecord(self.id, self.body.label, self.state.value, [job.id for job in self.jobs])

    def view(self) -> dict[str, Any]:
        """As clients see it; whoever sees an item's end has read it."""
        for job in self.jobs:
            job.read = job.read or job.ended is not None
        return {
            "id": self.id,
            "state": self.state.value,
            "items": "".join(LETTERS[job.state] for job in self.jobs),
            "label": self.body.label,
            "tags": self.body.tags,
            "usage": self.body.usage if all(job.ended is not None for job in self.jobs) else {},
            "errors": {
                str(index): "the item was told to fail"
                for index, job in enumerate(self.jobs)
                if job.state is JobState.FAILED
            },
        }


class Arrays:
    """All arrays of all tenants.

    Args:
        board: Where their items run.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._arrays: dict[str, JobArray] = {}
        self._keys: dict[tuple[str, str], JobArray] = {}
        self._numbers = 0

    def reset(self) -> None:
        """Forget every array. Numbers go on."""
        self._arrays.clear()
        self._keys.clear()

    def create(
        self, tenant: Tenant, body: ArrayBody, key: str | None, raw: bytes
    ) -> tuple[Outcome, JobArray | None]:
        """Start an array, or say why not: with the one that is in the way, if one is."""
        known = self._keys.get((tenant.name, key)) if key is not None else None
        if known is not None:
            return (Outcome.REPLAYED if known.raw == raw else Outcome.KEY_CONFLICT), known
        if tenant.stats.queued + len(body.items) > self._board.settings.max_queued:
            return Outcome.OVER_QUOTA, None
        self._numbers += 1
        jobs = []
        for index, item in enumerate(body.items):
            label = None if body.label is None else f"{body.label}[{index}]"
            job_body = JobBody(item.duration_s, item.fail, label, None, body.tags, item.output)
            _, job = self._board.create(tenant, job_body, None, b"")
            assert job is not None, "the quota has room for all items"
            jobs.append(job)
        array = JobArray(self._numbers, tenant, body, raw, jobs)
        self._arrays[array.id] = array
        if key is not None:
            self._keys[tenant.name, key] = array
        return Outcome.CREATED, array

    def all(self) -> list[JobArray]:
        """In order of creation."""
        return list(self._arrays.values())

    def finish(self, id: str, state: JobState) -> bool:
        """End all items of an array now; whether there is one of that id."""
        array = self._arrays.get(id)
        for job in [] if array is None else array.jobs:
            self._board.end(job, state)
        return array is not None

    def get(self, tenant: Tenant, id: str) -> JobArray | None:
        """The array of that id, if it is this tenant's."""
        array = self._arrays.get(id)
        return array if array is not None and array.tenant is tenant else None

    def labelled(self, tenant: Tenant, label: str, visible_before: float) -> list[JobArray]:
        """Arrays of that label that listings show by now, oldest first."""
        return [
            array
            for array in self._arrays.values()
            if array.tenant is tenant
            and array.body.label == label
            and (not array.jobs or array.jobs[0].created <= visible_before)
        ]

    def cancel(self, array: JobArray) -> None:
        """End all items that have not ended."""
        for job in array.jobs:
            self._board.end(job, JobState.CANCELLED)
