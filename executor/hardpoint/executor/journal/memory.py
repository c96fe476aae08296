"""A journal that ends with its process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.journal.events import Event, RunPhase, decode_events, encode_events
from hardpoint.executor.journal.memory_pools import MemoryPools
from hardpoint.executor.journal.memory_queue import MemoryQueue
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    CachedOutputs,
    Command,
    ExecutionExistsError,
    ExecutionRow,
    JournalConflictError,
    LeaseLostError,
    no_such_execution,
)
from hardpoint.executor.journal.queue import Entry, queued


class MemoryJournal:
    """See `Journal`. For tests, benchmarks and runs that may be lost."""

    def __init__(self, lease_s: float = LEASE_S) -> None:
        self.lease_s = lease_s
        self.pools = MemoryPools()
        self._lock = threading.RLock()
        self._rows: dict[str, ExecutionRow] = {}
        self._events: dict[str, dict[int, bytes]] = {}
        self._workflows: dict[str, bytes] = {}
        self._cache: dict[str, CachedOutputs] = {}
        self._inbox: dict[str, Command] = {}
        self.queue = MemoryQueue(self._lock, self._rows, lambda: list(self._inbox.values()))
        self._observed: dict[tuple[str, str], int] = {}

    def _keep(self, row: ExecutionRow) -> None:
        self._rows[row.execution] = row
        self.queue.moved(row)

    def create(
        self, row: ExecutionRow, workflow: bytes, events: list[Event], limits: TenantLimits | None = None
    ) -> ExecutionRow | None:
        """See `Journal.create`."""
        first = encode_events(events)
        with self._lock:
            if row.execution in self._rows:
                if self._events[row.execution][1] != first:
                    raise ExecutionExistsError(row.execution)
                return self._rows[row.execution]
            entered = self.queue.admit(row, limits)
            if entered is Entry.REFUSE:
                return None
            kept = queued(row) if entered is Entry.QUEUE and row.owner else row
            self._keep(kept)
            self._workflows[row.digest] = workflow
            self._events[row.execution] = {1: first}
            return kept

    def commit(self, appends: Sequence[Append], *, durable: bool) -> None:
        """See `Journal.commit`; nothing here survives a power loss."""
        with self._lock:
            groups = [encode_events(append.events) for append in appends]
            for append, group in zip(appends, groups, strict=True):
                self._check(append, group)
            for append, group in zip(appends, groups, strict=True):
                self._events[append.execution][append.first_seq] = group
                if append.summary is not None:
                    row = self._rows[append.execution]
                    lease = {"owner": row.owner, "fence": row.fence, "lease_until": row.lease_until}
                    self._keep(msgspec.structs.replace(append.summary, **lease))
                    if append.summary.phase.terminal:
                        self._drop_commands(append.execution)
                self._cache.update((each.key, each) for each in append.cached)

    def _drop_commands(self, execution: str) -> None:
        self._inbox = {id: each for id, each in self._inbox.items() if each.execution != execution}

    def _check(self, append: Append, group: bytes) -> None:
        execution = append.execution
        row = self._rows.get(execution)
        if row is None:
            raise no_such_execution(execution, list(self._rows)[-3:])
        if row.fence != append.fence:
            raise LeaseLostError(execution, row.owner)
        if self._events[execution].get(append.first_seq, group) != group:
            raise JournalConflictError(execution, append.first_seq)

    def read(self, execution: str, after_seq: int = 0) -> list[Event]:
        """See `Journal.read`."""
        self.row(execution)
        with self._lock:
            groups = list(self._events[execution].values())
        return [event for group in groups for event in decode_events(group)][after_seq:]

    def drop_damaged(self, execution: str) -> int:
        """Memory is not damaged: only counts."""
        return len(self.read(execution))

    def row(self, execution: str) -> ExecutionRow:
        """See `Journal.row`."""
        with self._lock:
            if execution in self._rows:
                return self._rows[execution]
            raise no_such_execution(execution, list(self._rows)[-3:])

    def rows(self, *, limit: int = 100, phases: Iterable[RunPhase] = ()) -> list[ExecutionRow]:
        """See `Journal.rows`."""
        wanted = set(phases) or set(RunPhase)
        with self._lock:
            return [row for row in reversed(self._rows.values()) if row.phase in wanted][:limit]

    def owners(self) -> list[str]:
        """See `Journal.owners`."""
        with self._lock:
            return sorted({row.owner for row in self._rows.values() if row.owner and _has_begun(row)})

    def abandoned(self, now: float, limit: int, *, dead: Sequence[str] = ()) -> list[ExecutionRow]:
        """See `Journal.abandoned`."""
        with self._lock:
            begun = [row for row in self._rows.values() if _has_begun(row)]
        free = [row for row in begun if row.owner in ("", *dead) or row.lease_until <= now]
        turns: Counter[tuple[str, str]] = Counter()
        in_turn = []
        for row in sorted(free, key=lambda row: row.submitted_at):
            turns[row.project, row.domain] += 1
            in_turn.append((turns[row.project, row.domain], row.submitted_at, row))
        return [row for _, _, row in sorted(in_turn, key=lambda each: each[:2])][:limit]

    def workflow(self, digest: str) -> bytes:
        """See `Journal.workflow`."""
        return self._workflows[digest]

    def claim(
        self,
        execution: str,
        owner: str,
        now: float,
        *,
        force: bool = False,
        fence: int | None = None,
        max_running: int | None = None,
    ) -> ExecutionRow | None:
        """See `Journal.claim`."""
        self.row(execution)
        with self._lock:
            row = self._rows[execution]
            free = not row.owner or row.lease_until <= now or force
            if not free or fence not in (None, row.fence):
                return None
            waits = row.phase is RunPhase.QUEUED
            full = max_running is not None and self.queue.running(row.project, row.domain) >= max_running
            if waits and full:
                return None
            lease = {"owner": owner, "fence": row.fence + 1, "lease_until": now + self.lease_s}
            phase = RunPhase.RUNNING if waits else row.phase
            claimed = msgspec.structs.replace(row, phase=phase, **lease)
            self._keep(claimed)
            return claimed

    def renew(self, executions: Mapping[str, int], now: float) -> set[str]:
        """See `Journal.renew`."""
        lost = set()
        with self._lock:
            for execution, fence in executions.items():
                row = self._rows.get(execution)
                if row is not None and row.fence == fence:
                    self._rows[execution] = msgspec.structs.replace(row, lease_until=now + self.lease_s)
                else:
                    lost.add(execution)
        return lost

    def release(self, executions: Mapping[str, int]) -> None:
        """See `Journal.release`."""
        with self._lock:
            for execution, fence in executions.items():
                row = self._rows.get(execution)
                if row is not None and row.fence == fence:
                    self._rows[execution] = msgspec.structs.replace(row, owner="", lease_until=0.0)

    def cached(self, keys: Sequence[str]) -> dict[str, CachedOutputs]:
        """See `Journal.cached`."""
        with self._lock:
            return {key: self._cache[key] for key in keys if key in self._cache}

    def send(self, command: Command) -> None:
        """See `Journal.send`."""
        self.row(command.execution)
        with self._lock:
            if not self._rows[command.execution].phase.terminal:
                self._inbox.setdefault(command.id, command)

    def commands(self, executions: Sequence[str]) -> list[Command]:
        """See `Journal.commands`."""
        wanted = set(executions)
        with self._lock:
            return [command for command in self._inbox.values() if command.execution in wanted]

    def forget(self, commands: Sequence[str]) -> None:
        """See `Journal.forget`."""
        with self._lock:
            for id in commands:
                self._inbox.pop(id, None)

    def observed(self, observer: str, execution: str) -> int:
        """See `Journal.observed`."""
        return self._observed.get((observer, execution), 0)

    def mark_observed(self, observer: str, execution: str, seq: int) -> None:
        """See `Journal.mark_observed`."""
        self._observed[observer, execution] = seq

    def close(self) -> None:
        """Nothing to let go of."""


def _has_begun(row: ExecutionRow) -> bool:
    return row.phase is not RunPhase.QUEUED and not row.phase.terminal
