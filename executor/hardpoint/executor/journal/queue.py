"""Runs that wait for their beginning: whose they are, who comes first, and whether there is room.

A run is in the queue while its phase is `QUEUED`; nobody holds its lease then. To claim it is to begin it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow


class Head(NamedTuple):
    """The first in a tenant's queue, and since when it waits there."""

    project: str
    domain: str
    submitted_at: float


class Standing(NamedTuple):
    """How all tenants stand.

    Args:
        heads: Of tenants with runs in the queue.
        running: Runs begun and not ended, by project and domain; tenants without any are left out.
    """

    heads: list[Head]
    running: dict[tuple[str, str], int]


class Crowd(NamedTuple):
    """What is before a run that comes in: counted no further than matters.

    Args:
        running: Runs of its tenant that have begun and not ended.
        ahead: Those in the queue that come before it.
        queued: All in the queue.
    """

    running: int
    ahead: int
    queued: int


class Entry(enum.Enum):
    """What becomes of a run that comes in."""

    BEGIN = "begin"
    QUEUE = "queue"
    REFUSE = "refuse"


def entry(crowd: Crowd, limits: TenantLimits, *, at_once: bool) -> Entry:
    """Whether a run begins, waits, or is refused.

    Args:
        crowd: What is before it.
        limits: Of its tenant.
        at_once: Somebody would drive it from now on.

    >>> entry(Crowd(running=2, ahead=1, queued=1), TenantLimits(max_running=3, max_queued=9), at_once=True)
    <Entry.QUEUE: 'queue'>
    """
    most = limits.max_running
    if at_once and (most is None or crowd.running + crowd.ahead < most):
        return Entry.BEGIN
    return Entry.QUEUE if limits.max_queued is None or crowd.queued < limits.max_queued else Entry.REFUSE


def queued(row: ExecutionRow) -> ExecutionRow:
    """A run that begins later than it could have."""
    return msgspec.structs.replace(row, phase=RunPhase.QUEUED, owner="", fence=0, lease_until=0.0)


class Queue(Protocol):
    """The queue of a journal's store. Any thread may call any method."""

    def standing(self) -> Standing:
        """How tenants stand."""

    def first(self, project: str, domain: str, limit: int) -> list[ExecutionRow]:
        """A tenant's runs in the queue, by priority, then age."""

    def running(self, project: str, domain: str) -> int:
        """Runs of a tenant that have begun and not ended."""

    def left(self, executions: Sequence[str]) -> list[ExecutionRow]:
        """Those of these runs that are not in the queue any more."""

    def asked_to_end(self, limit: int) -> list[ExecutionRow]:
        """Runs in the queue that somebody wants to end."""

    def ends(self, project: str, domain: str, limit: int) -> list[float]:
        """When the last runs of a tenant ended, newest first; seconds since the epoch."""

    def give_back(self, executions: Mapping[str, int]) -> None:
        """Release what was claimed, as run: fencing number; what has not started is in the queue again."""
