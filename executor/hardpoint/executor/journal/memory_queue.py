"""The queue of a journal that ends with its process."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import Command, ExecutionRow
from hardpoint.executor.journal.queue import Crowd, Entry, Head, Standing, entry

ENDS_KEPT = 100

Tenant = tuple[str, str]


def _turn(row: ExecutionRow) -> tuple[int, float, str]:
    return (-row.priority, row.submitted_at, row.execution)


class MemoryQueue:
    """See `Queue`.

    Args:
        lock: The journal's; may be taken again by the thread that has it.
        rows: All runs; whoever changes one calls `moved`.
        commands: What is in the inbox.
    """

    def __init__(
        self,
        lock: threading.RLock,  # type: ignore[valid-type, unused-ignore]
        rows: dict[str, ExecutionRow],
        commands: Callable[[], Sequence[Command]],
    ) -> None:
        self._lock = lock
        self._rows = rows
        self._commands = commands
        self._queued: dict[Tenant, set[str]] = {}
        self._begun: dict[Tenant, set[str]] = {}
        self._ends: dict[Tenant, deque[float]] = {}

    def moved(self, row: ExecutionRow) -> None:
        """A run is what this row says from now on."""
        tenant = (row.project, row.domain)
        for kept, there in (
            (self._queued, row.phase is RunPhase.QUEUED),
            (self._begun, row.phase is not RunPhase.QUEUED and not row.phase.terminal),
        ):
            runs = kept.setdefault(tenant, set())
            (runs.add if there else runs.discard)(row.execution)
        if row.phase.terminal and row.ended_at is not None:
            self._ends.setdefault(tenant, deque(maxlen=ENDS_KEPT)).appendleft(row.ended_at)

    def admit(self, row: ExecutionRow, limits: TenantLimits | None) -> Entry:
        """Decide about a run that comes in; the journal's lock is held."""
        at_once = bool(row.owner)
        if limits is None:
            return Entry.BEGIN if at_once else Entry.QUEUE
        queued = self._queued.get((row.project, row.domain), set())
        ahead = 0
        if at_once and limits.max_running is not None:
            ahead = sum(self._rows[each].priority >= row.priority for each in queued)
        crowd = Crowd(self.running(row.project, row.domain), ahead, len(queued))
        return entry(crowd, limits, at_once=at_once)

    def standing(self) -> Standing:
        """See `Queue.standing`."""
        with self._lock:
            rows = [
                min((self._rows[each] for each in runs), key=_turn) for runs in self._queued.values() if runs
            ]
            running = {tenant: len(runs) for tenant, runs in self._begun.items() if runs}
        return Standing([Head(row.project, row.domain, row.submitted_at) for row in rows], running)

    def first(self, project: str, domain: str, limit: int) -> list[ExecutionRow]:
        """See `Queue.first`."""
        with self._lock:
            rows = [self._rows[each] for each in self._queued.get((project, domain), ())]
        return heapq.nsmallest(limit, rows, key=_turn)

    def running(self, project: str, domain: str) -> int:
        """See `Queue.running`."""
        return len(self._begun.get((project, domain), ()))

    def left(self, executions: Sequence[str]) -> list[ExecutionRow]:
        """See `Queue.left`."""
        with self._lock:
            rows = [self._rows[each] for each in executions if each in self._rows]
        return [row for row in rows if row.phase is not RunPhase.QUEUED]

    def asked_to_end(self, limit: int) -> list[ExecutionRow]:
        """See `Queue.asked_to_end`."""
        with self._lock:
            asked = {each.execution for each in self._commands() if each.name == "abort"}
            rows = [self._rows[each] for each in asked]
        return [row for row in rows if row.phase is RunPhase.QUEUED][:limit]

    def ends(self, project: str, domain: str, limit: int) -> list[float]:
        """See `Queue.ends`."""
        with self._lock:
            return list(self._ends.get((project, domain), ()))[:limit]

    def give_back(self, executions: Mapping[str, int]) -> None:
        """See `Queue.give_back`."""
        with self._lock:
            for execution, fence in executions.items():
                row = self._rows[execution]
                if row.fence == fence:
                    waits = row.phase is RunPhase.RUNNING and row.started_at is None
                    phase = RunPhase.QUEUED if waits else row.phase
                    free = msgspec.structs.replace(row, owner="", lease_until=0.0, phase=phase)
                    self._rows[execution] = free
                    self.moved(free)
