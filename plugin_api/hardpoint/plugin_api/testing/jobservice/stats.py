"""The service's own account of what happened to it: what tests and benchmarks assert on."""

from __future__ import annotations

import msgspec


class JobRecord(msgspec.Struct, frozen=True):
    """One job as the service remembers it; times in seconds since the epoch."""

    id: str
    tenant: str
    state: str
    label: str | None
    name: str | None
    key: str | None
    created: float
    started: float | None
    ended: float | None
    read: bool
    """Whether a reply ever showed it as ended."""


class ArrayRecord(msgspec.Struct, frozen=True):
    """One array as the service remembers it; `jobs` are the ids of its items, by index."""

    id: str
    label: str | None
    state: str
    jobs: list[str]


class TenantStats(msgspec.Struct, kw_only=True):
    """Counters of one tenant, or the sum over all.

    Args:
        calls: Requests by verb and path, such as `GET /v1/jobs/ID`.
        throttled: 429 for the rate.
        quota_refusals: 429 for `max_queued`.
        replayed: Creates answered by the key's first job.
        conflicts: Creates refused because key or name was taken.
        double_submits: Jobs beyond the first with one label.
        double_survivors: The same, leaving out cancelled jobs.
        faults: Faults that were injected, by name.
        unfinished: Jobs queued or running now.
        never_read: Jobs that succeeded and that no reply ever showed as ended.
        billed_s: Seconds that jobs ran.
    """

    calls: dict[str, int] = {}
    throttled: int = 0
    quota_refusals: int = 0
    created: int = 0
    replayed: int = 0
    conflicts: int = 0
    double_submits: int = 0
    double_survivors: int = 0
    faults: dict[str, int] = {}
    queued: int = 0
    running: int = 0
    max_running: int = 0
    unfinished: int = 0
    max_unfinished: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    never_read: int = 0
    billed_s: float = 0.0

    @property
    def requests(self) -> int:
        """All calls, whatever came of them."""
        return sum(self.calls.values())

    @property
    def orphans(self) -> int:
        """Jobs that nobody looks after: succeeded and never read, or unfinished."""
        return self.never_read + self.unfinished


class Stats(msgspec.Struct, frozen=True):
    """Everything that the service counted since its last reset.

    Args:
        tenants: By name.
        total: Sums; `max_running` and `max_unfinished` are the maxima of the sum.
        max_in_flight: Most requests that waited for their answer at one time.
        connections: Open now.
        max_connections: Most that were open at one time.
        up_s: Since the last reset.
    """

    tenants: dict[str, TenantStats]
    total: TenantStats
    max_in_flight: int
    connections: int
    max_connections: int
    up_s: float


def add_up(each: list[TenantStats]) -> TenantStats:
    """Sum counters of several tenants.

    >>> one = TenantStats(created=2, calls={"GET /v1/jobs": 3})
    >>> add_up([one, one]).calls
    {'GET /v1/jobs': 6}
    """
    total = TenantStats()
    for stats in each:
        for name in TenantStats.__struct_fields__:
            mine, other = getattr(total, name), getattr(stats, name)
            if isinstance(other, dict):
                setattr(total, name, {key: mine.get(key, 0) + other.get(key, 0) for key in {**mine, **other}})
            else:
                setattr(total, name, mine + other)
    return total
