"""A journal that ends with its process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hardpoint.executor.journal.events import Event, RunPhase, decode_events, encode_events
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    CachedOutputs,
    Command,
    ExecutionRow,
    LeaseLostError,
    no_such_execution,
)


class MemoryJournal:
    """See `Journal`. For tests, benchmarks and runs that may be lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, ExecutionRow] = {}
        self._events: dict[str, list[bytes]] = {}
        self._workflows: dict[str, bytes] = {}
        self._cache: dict[str, CachedOutputs] = {}
        self._inbox: dict[str, Command] = {}
        self._observed: dict[tuple[str, str], int] = {}

    def create(self, row: ExecutionRow, workflow: bytes, events: list[Event]) -> None:
        """See `Journal.create`."""
        with self._lock:
            self._rows[row.execution] = row
            self._workflows[row.digest] = workflow
            self._events[row.execution] = [encode_events(events)]

    def commit(self, appends: Sequence[Append], *, durable: bool) -> None:
        """See `Journal.commit`; nothing here survives a power loss."""
        with self._lock:
            for append in appends:
                row = self._rows[append.execution]
                if row.fence != append.fence:
                    raise LeaseLostError(append.execution, row.owner)
            for append in appends:
                self._events[append.execution].append(encode_events(append.events))
                if append.summary is not None:
                    self._rows[append.execution] = append.summary
                self._cache.update((each.key, each) for each in append.cached)

    def read(self, execution: str, after_seq: int = 0) -> list[Event]:
        """See `Journal.read`."""
        self.row(execution)
        with self._lock:
            groups = list(self._events[execution])
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

    def workflow(self, digest: str) -> bytes:
        """See `Journal.workflow`."""
        return self._workflows[digest]

    def claim(self, execution: str, owner: str, now: float, *, force: bool = False) -> ExecutionRow | None:
        """See `Journal.claim`."""
        row = self.row(execution)
        with self._lock:
            if row.owner and row.lease_until > now and not force:
                return None
            lease = {"owner": owner, "fence": row.fence + 1, "lease_until": now + LEASE_S}
            claimed = msgspec.structs.replace(row, **lease)
            self._rows[execution] = claimed
            return claimed

    def renew(self, executions: Mapping[str, int], now: float) -> set[str]:
        """See `Journal.renew`."""
        lost = set()
        with self._lock:
            for execution, fence in executions.items():
                row = self._rows[execution]
                if row.fence == fence:
                    self._rows[execution] = msgspec.structs.replace(row, lease_until=now + LEASE_S)
                else:
                    lost.add(execution)
        return lost

    def release(self, executions: Mapping[str, int]) -> None:
        """See `Journal.release`."""
        with self._lock:
            for execution, fence in executions.items():
                row = self._rows[execution]
                if row.fence == fence:
                    self._rows[execution] = msgspec.structs.replace(row, owner="", lease_until=0.0)

    def cached(self, keys: Sequence[str]) -> dict[str, CachedOutputs]:
        """See `Journal.cached`."""
        with self._lock:
            return {key: self._cache[key] for key in keys if key in self._cache}

    def send(self, command: Command) -> None:
        """See `Journal.send`."""
        self.row(command.execution)
        with self._lock:
            self._inbox.setdefault(command.id, command)

    def take(self, executions: Sequence[str]) -> list[Command]:
        """See `Journal.take`."""
        wanted = set(executions)
        with self._lock:
            taken = [command for command in self._inbox.values() if command.execution in wanted]
            for command in taken:
                del self._inbox[command.id]
            return taken

    def observed(self, observer: str, execution: str) -> int:
        """See `Journal.observed`."""
        return self._observed.get((observer, execution), 0)

    def mark_observed(self, observer: str, execution: str, seq: int) -> None:
        """See `Journal.mark_observed`."""
        self._observed[observer, execution] = seq

    def close(self) -> None:
        """Nothing to let go of."""
