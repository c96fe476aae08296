"""The connection over which an engine writes: the hot path of every run.

A hop of a chain is one statement, which is a transaction by itself.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from hardpoint.executor.journal import statements
from hardpoint.executor.journal.database import Database, Session, persistently
from hardpoint.executor.journal.events import Event, encode_events
from hardpoint.executor.journal.protocol import (
    Append,
    CachedOutputs,
    ExecutionRow,
    JournalConflictError,
    LeaseLostError,
    no_such_execution,
)

UNFLUSHED_S = 1.0
UNFLUSHED_COMMITS = 512
UNFLUSHED_BYTES = 4 << 20
"""What a server may have confirmed without having it on disk: past any of these, a commit waits for it."""

T = TypeVar("T")
Values = dict[str, Any]


def group_values(execution: str, first_seq: int, events: list[Event]) -> Values:
    """The row of `groups` for a commit."""
    body = encode_events(events)
    return {
        "execution": execution,
        "first_seq": first_seq,
        "last_seq": first_seq + len(events) - 1,
        "crc": zlib.crc32(body) & 0x7FFFFFFF,
        "events": body,
    }


def row_values(row: ExecutionRow) -> Values:
    """The row of `executions` for a summary."""
    values = {field: getattr(row, field) for field in ExecutionRow.__struct_fields__}
    values["phase"] = row.phase.value
    values["outputs"] = msgspec.json.encode(row.outputs)
    values["error"] = msgspec.json.encode(row.error) if row.error else None
    return values


class Batch:
    """What one commit writes, as values of statements; ready to be written again."""

    def __init__(self, appends: Sequence[Append]) -> None:
        self.groups: list[Values] = []
        self.summaries: list[Values] = []
        self.cached: list[Values] = []
        self.ended: list[Values] = []
        # In the same order in every engine, so that two of them never wait for each other.
        for append in sorted(appends, key=_execution) if len(appends) > 1 else appends:
            owned = {"of": append.execution, "with_fence": append.fence}
            self.groups.append(group_values(append.execution, append.first_seq, append.events) | owned)
            if append.summary is not None:
                new = row_values(append.summary)
                self.summaries.append(owned | {f"new_{name}": new[name] for name in statements.SUMMARY})
                if append.summary.phase.terminal:
                    self.ended.append({"of": append.execution})
            self.cached += map(_cached_values, append.cached)

    @property
    def is_one_group(self) -> bool:
        """Whether a single statement writes it."""
        return len(self.groups) == 1 and not self.summaries and not self.cached

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return sum(len(group["events"]) for group in self.groups)


def _execution(append: Append) -> str:
    return append.execution


def _cached_values(each: CachedOutputs) -> Values:
    return {
        "key": each.key,
        "execution": each.execution,
        "node": each.node,
        "outputs": msgspec.json.encode(each.outputs),
        "at": each.at,
    }


class Unflushed:
    """Commits that the server has confirmed and may still lose, oldest first.

    The server writes its log in order, so a commit that waited for the disk took all earlier ones with it.
    """

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._since = 0.0

    def __bool__(self) -> bool:
        return bool(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)

    @property
    def overdue(self) -> bool:
        """Whether the next commit should wait for the disk."""
        return bool(self._batches) and (
            len(self._batches) >= UNFLUSHED_COMMITS
            or self._bytes >= UNFLUSHED_BYTES
            or time.monotonic() - self._since >= UNFLUSHED_S
        )

    def add(self, batch: Batch) -> None:
        """Remember a commit that did not wait."""
        if not self._batches:
            self._since = time.monotonic()
        self._batches.append(batch)
        self._bytes += batch.bytes

    def clear(self) -> None:
        """One waited: all are on disk."""
        self._batches.clear()
        self._bytes = 0


class Writer:
    """May be used by any thread; opened when first used, and again after the server broke off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._append_sql = statements.append(database)
        self._lock = threading.Lock()
        self._session: Session | None = None
        # Of the session, if its durability is not chosen with each statement.
        self._durable: bool | None = None
        self._unflushed = Unflushed()

    def commit(self, appends: Sequence[Append], *, durable: bool) -> None:
        """See `Journal.commit`."""
        if not appends:
            return
        batch = Batch(appends)
        with self._lock:
            durable = durable or self._unflushed.overdue
            self._persistently(lambda session: self._write(session, batch, durable))
            if durable:
                self._unflushed.clear()
            elif self._database.forgets:
                self._unflushed.add(batch)

    def renew(self, owned: Mapping[str, int], until: float) -> set[str]:
        """See `Journal.renew`; in one transaction, in one trip to the server."""
        values = [{"of": each, "with_fence": owned[each], "new_lease_until": until} for each in sorted(owned)]

        def work(session: Session) -> set[str]:
            with session.transaction():
                if session.run_many(statements.RENEW, values) == len(values):
                    return set()
                return {each for each, fence in owned.items() if not _holds(session, each, fence)}

        with self._lock:
            return self._persistently(work)

    def release(self, owned: Mapping[str, int]) -> None:
        """See `Journal.release`."""
        values = [{"of": each, "with_fence": owned[each]} for each in sorted(owned)]

        def work(session: Session) -> None:
            with session.transaction():
                session.run_many(statements.RELEASE, values)

        with self._lock:
            self._persistently(work)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()

    def _persistently(self, work: Callable[[Session], T]) -> T:
        def once() -> T:
            try:
                return work(self._session or self._open())
            except self._database.driver_error:
                # Whatever it is in the middle of, a new one is not.
                self._drop()
                raise

        return persistently(self._database, once)

    def _open(self) -> Session:
        self._session = session = Session(self._database)
        self._durable = None
        if self._unflushed:
            # The server may have died, and with it what it had confirmed: the next group would leave a gap.
            # What is there stays; what belongs to a lease that was lost since then finds no such lease.
            with session.transaction():
                for batch in self._unflushed:
                    self._append(session, batch, durable=True)
                    _add_extras(session, batch)
            self._unflushed.clear()
        return session

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _write(self, session: Session, batch: Batch, durable: bool) -> None:
        if durable is not self._durable:
            self._database.choose_durability(session, durable)
            self._durable = durable
        if batch.is_one_group:
            if not self._append(session, batch, durable):
                self._check(session, batch, durable)
            return
        with session.transaction():
            if self._append(session, batch, durable) < len(batch.groups):
                self._check(session, batch, durable)
            _add_extras(session, batch)

    def _append(self, session: Session, batch: Batch, durable: bool) -> int:
        return session.run_many(self._append_sql, _durably(batch, durable))

    def _check(self, session: Session, batch: Batch, durable: bool) -> None:
        """Nothing if all groups are in the journal: our own, from a commit whose answer was lost.

        Raises:
            LeaseLostError: A lease is not ours any more.
            JournalConflictError: Another group is in the place of one.
        """
        for group in batch.groups:
            execution = group["execution"]
            found = session.row(statements.LOOK, group)
            if found is None:
                raise no_such_execution(execution, [])
            owner, fence, last_seq, crc = found
            if fence != group["with_fence"]:
                raise LeaseLostError(execution, owner)
            if (last_seq, crc) != (group["last_seq"], group["crc"]):
                raise JournalConflictError(execution, group["first_seq"])
        # Without a change there is nothing to wait for, and the first time may not have waited.
        session.run_many(statements.touch(self._database), _durably(batch, durable))


def _add_extras(session: Session, batch: Batch) -> None:
    session.run_many(statements.SUMMARISE, batch.summaries)
    session.run_many(statements.KEEP, batch.cached)
    session.run_many(statements.DROP_COMMANDS, batch.ended)


def _holds(session: Session, execution: str, fence: int) -> bool:
    found = session.row(statements.LOOK, {"of": execution, "first_seq": 0})
    return found is not None and bool(found[1] == fence)


def _durably(batch: Batch, durable: bool) -> list[Values]:
    durability = {"durability": "on" if durable else "off"}
    return [group | durability for group in batch.groups]
