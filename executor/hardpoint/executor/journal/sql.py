"""A journal in a database; what engines write while runs move, through `Writer`."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.journal.batch import group_values, row_values
from hardpoint.executor.journal.database import Database, Session, Sessions, listed, persistently
from hardpoint.executor.journal.events import JOURNAL_FORMAT, Event, RunPhase, decode_events
from hardpoint.executor.journal.formats import make_tables, raise_format
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    CachedOutputs,
    Command,
    ExecutionExistsError,
    ExecutionRow,
    JournalDamagedError,
    no_such_execution,
)
from hardpoint.executor.journal.queue import Entry, queued
from hardpoint.executor.journal.schema import BEGUN, EXECUTION, GroupRow, insert
from hardpoint.executor.journal.sql_pools import SqlPools
from hardpoint.executor.journal.sql_queue import SqlQueue, admit, has_room
from hardpoint.executor.journal.sqlite import SqliteDatabase
from hardpoint.executor.journal.writer import Writer
from hardpoint.plugin_api import ErrorInfo, UsageError

T = TypeVar("T")


class JournalFormatError(UsageError):
    """The store was written by a newer hardpoint."""


_ROWS = f"SELECT {', '.join(EXECUTION)} FROM executions"
# In a store of an older format nothing has a priority, and looking does not change that.
_OLDER_ROWS = _ROWS.replace(" priority", " 0 AS priority")
_HAS_PRIORITIES = 3
_CLAIM = (
    "UPDATE executions SET owner = :owner, fence = fence + 1, lease_until = :until,"
    " phase = CASE WHEN phase = 'QUEUED' THEN 'RUNNING' ELSE phase END"
)
_GROUPS = f"SELECT {', '.join(GroupRow._fields)} FROM groups"


def _to_row(found: tuple[Any, ...]) -> ExecutionRow:
    values = dict(zip(EXECUTION, found, strict=True))
    values["phase"] = RunPhase(values["phase"])
    values["outputs"] = msgspec.json.decode(values["outputs"])
    error = values["error"]
    values["error"] = msgspec.json.decode(error, type=ErrorInfo) if error else None
    values["detached"] = bool(values["detached"])
    return ExecutionRow(**values)


class SqlJournal:
    """See `Journal`. One database for any number of processes."""

    def __init__(self, database: Database, lease_s: float = LEASE_S) -> None:
        self.lease_s = lease_s
        self._database = database
        self._sessions = Sessions(database)
        self._writer = Writer(database)
        self.pools = SqlPools(database, self._sessions, self._writer, self._in_this_format)
        self.queue = SqlQueue(self._asked_of_queue, self._found, self._changed)
        self._format = 0
        try:
            self._open()
        except BaseException:
            self._sessions.close()
            raise

    @classmethod
    def at(cls, path: Path, lease_s: float = LEASE_S) -> SqlJournal:
        """The journal in an SQLite file, made if it is not there."""
        return cls(SqliteDatabase(path), lease_s)

    def _open(self) -> None:
        if not self._all(self._database.has_tables):
            self._writing(self._make)
        ((self._format,),) = self._all("SELECT journal FROM formats")
        if self._format > JOURNAL_FORMAT:
            raise JournalFormatError(
                f"The store `{self._database.where}` has journal format {self._format}; "
                f"this hardpoint reads up to {JOURNAL_FORMAT}",
                hint=f"Run `pip install --upgrade hardpoint`, or {self._database.elsewhere}",
            )

    def _make(self, session: Session) -> None:
        make_tables(session, self._database)

    def _raise_format(self, session: Session) -> None:
        """Before events are written that an older hardpoint would not understand; reading changes nothing."""
        if self._format < JOURNAL_FORMAT:
            raise_format(session, self._database)

    def _asked_of_queue(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        self._in_this_format(raised=True)
        return self._all(query, values)

    def _in_this_format(self, *, raised: bool) -> bool:
        """Whether the store has what this format added; if asked to, it gets that."""
        if raised and self._format < JOURNAL_FORMAT:
            self._changed(lambda session: None)
        return self._format >= JOURNAL_FORMAT

    def _changed(self, work: Callable[[Session], None]) -> None:
        def in_this_format(session: Session) -> None:
            self._raise_format(session)
            work(session)

        self._writing(in_this_format)
        self._format = JOURNAL_FORMAT

    def _found(self, which: str, values: Mapping[str, Any]) -> list[ExecutionRow]:
        rows = _ROWS if self._format >= _HAS_PRIORITIES else _OLDER_ROWS
        return [_to_row(found) for found in self._all(f"{rows} {which}", values)]

    def _writing(self, work: Callable[[Session], T]) -> T:
        def once() -> T:
            with self._sessions.one() as session, session.transaction():
                return work(session)

        return persistently(self._database, once)

    def _all(self, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        def once() -> list[tuple[Any, ...]]:
            with self._sessions.one() as session:
                return session.rows(query, values)

        return persistently(self._database, once)

    def create(
        self, row: ExecutionRow, workflow: bytes, events: list[Event], limits: TenantLimits | None = None
    ) -> ExecutionRow | None:
        """See `Journal.create`."""
        first = group_values(row.execution, 1, events)

        def work(session: Session) -> ExecutionRow | None:
            self._raise_format(session)
            entered = admit(session, self._database, row, limits)
            if entered is Entry.REFUSE:
                # Unless it is our own, from an earlier try whose answer was lost, that fills the queue.
                return _same(session, row, first["crc"])
            kept = queued(row) if entered is Entry.QUEUE and row.owner else row
            if session.row("SELECT 1 FROM workflows WHERE digest = :digest", {"digest": row.digest}) is None:
                body = f"{insert('workflows', ('digest', 'body'))} ON CONFLICT DO NOTHING"
                session.run(body, {"digest": row.digest, "body": workflow})
            if session.run(f"{insert('executions', EXECUTION)} ON CONFLICT DO NOTHING", row_values(kept)):
                session.run(insert("groups", GroupRow._fields), first)
                return kept
            same = _same(session, row, first["crc"])
            if same is None:
                raise ExecutionExistsError(row.execution)
            return same

        created = self._writing(work)
        self._format = JOURNAL_FORMAT
        return created

    def commit(self, appends: Sequence[Append], *, durable: bool) -> None:
        """See `Journal.commit`."""
        self._writer.commit(appends, durable=durable)

    def read(self, execution: str, after_seq: int = 0) -> list[Event]:
        """See `Journal.read`."""
        events: list[Event] = []
        expected = None
        for group in self._groups(execution, after_seq):
            expected = group.first_seq if expected is None else expected
            reason = _damage(group, expected)
            if reason:
                raise JournalDamagedError(execution, expected, reason)
            decoded = decode_events(group.events)
            events += decoded[max(0, after_seq + 1 - group.first_seq) :]
            expected = group.last_seq + 1
        if not events and not after_seq:
            self.row(execution)
            raise JournalDamagedError(execution, 1, "it has no events")
        return events

    def _groups(self, execution: str, after_seq: int) -> list[GroupRow]:
        query = f"{_GROUPS} WHERE execution = :execution AND last_seq > :after_seq ORDER BY first_seq"
        found = self._all(query, {"execution": execution, "after_seq": after_seq})
        return [GroupRow(*each) for each in found]

    def drop_damaged(self, execution: str) -> int:
        """See `Journal.drop_damaged`: the damaged groups move to a table of their own."""
        last = 0
        bad: list[GroupRow] = []
        for group in self._groups(execution, 0):
            if bad or _damage(group, last + 1):
                bad.append(group)
            else:
                last = group.last_seq
        aside = insert("damaged_groups", ("execution", "first_seq", "set_aside_at", "events"))
        values = [group._asdict() | {"set_aside_at": time.time()} for group in bad]

        def work(session: Session) -> None:
            session.run_many(aside, values)
            removal = "DELETE FROM groups WHERE execution = :execution AND first_seq = :first_seq"
            session.run_many(removal, values)

        self._writing(work)
        return last

    def row(self, execution: str) -> ExecutionRow:
        """See `Journal.row`."""
        found = self._found("WHERE execution = :execution", {"execution": execution})
        if not found:
            raise no_such_execution(execution, [each.execution for each in self.rows(limit=3)])
        return found[0]

    def rows(self, *, limit: int = 100, phases: Iterable[RunPhase] = ()) -> list[ExecutionRow]:
        """See `Journal.rows`."""
        wanted, values = listed([phase.value for phase in phases])
        where = f"WHERE phase IN ({wanted})" if values else ""
        order = "ORDER BY submitted_at DESC, execution DESC LIMIT :limit"
        return self._found(f"{where} {order}", {"limit": limit, **values})

    def owners(self) -> list[str]:
        """See `Journal.owners`."""
        query = f"SELECT DISTINCT owner FROM executions WHERE {BEGUN} AND owner <> ''"
        return [owner for (owner,) in self._all(query)]

    def abandoned(self, now: float, limit: int, *, dead: Sequence[str] = ()) -> list[ExecutionRow]:
        """See `Journal.abandoned`."""
        owners, values = listed(["", *dead])
        free = f"(owner IN ({owners}) OR lease_until <= :now)"
        turn = "ROW_NUMBER() OVER (PARTITION BY project, domain ORDER BY submitted_at)"
        which = f"WHERE {BEGUN} AND {free} ORDER BY {turn}, submitted_at LIMIT :limit"
        return self._found(which, {"now": now, "limit": limit, **values})

    def workflow(self, digest: str) -> bytes:
        """See `Journal.workflow`."""
        ((body,),) = self._all("SELECT body FROM workflows WHERE digest = :digest", {"digest": digest})
        return bytes(body)

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
        values = {
            "execution": execution,
            "owner": owner,
            "now": now,
            "until": now + self.lease_s,
            "fence": fence,
        }
        free = "" if force else " AND (owner = '' OR lease_until <= :now)"
        same = "" if fence is None else " AND fence = :fence"
        tries = 0

        def work(session: Session) -> ExecutionRow | None:
            nonlocal tries
            tries += 1
            self._raise_format(session)
            row = _row(session, execution)
            if row is None:
                return None
            # Ours from an earlier try whose answer was lost: nobody else writes this name.
            if tries > 1 and (row.owner, row.lease_until) == (owner, values["until"]):
                return row
            waits = row.phase is RunPhase.QUEUED and max_running is not None
            if waits and not has_room(session, self._database, row, max_running or 0):
                return None
            taken = session.run(f"{_CLAIM} WHERE execution = :execution{free}{same}", values)
            return _row(session, execution) if taken else None

        claimed = self._writing(work)
        if claimed is None:
            self.row(execution)
            return None
        self._format = JOURNAL_FORMAT
        return claimed

    def renew(self, owned: Mapping[str, int], now: float) -> set[str]:
        """See `Journal.renew`."""
        return self._writer.renew(owned, now + self.lease_s)

    def release(self, owned: Mapping[str, int]) -> None:
        """See `Journal.release`."""
        self._writer.release(owned)

    def cached(self, keys: Sequence[str]) -> dict[str, CachedOutputs]:
        """See `Journal.cached`."""
        found: dict[str, CachedOutputs] = {}
        for start in range(0, len(keys), 500):
            wanted, values = listed(keys[start : start + 500])
            query = f"SELECT key, execution, node, outputs, at FROM cache WHERE key IN ({wanted})"
            for key, execution, node, outputs, at in self._all(query, values):
                found[key] = CachedOutputs(key, execution, node, msgspec.json.decode(outputs), at)
        return found

    def send(self, command: Command) -> None:
        """See `Journal.send`."""
        if self.row(command.execution).phase.terminal:
            return
        values = {
            "id": command.id,
            "execution": command.execution,
            "name": command.name,
            "body": msgspec.json.encode(command.body),
            "sent_at": time.time(),
        }
        sql = f"{insert('inbox', tuple(values))} ON CONFLICT DO NOTHING"
        self._writing(lambda session: session.run(sql, values))

    def commands(self, owned: Sequence[str]) -> list[Command]:
        """See `Journal.commands`."""
        wanted = set(owned)
        return [
            Command(id, execution, name, msgspec.json.decode(body))
            for id, execution, name, body in self._all(
                "SELECT id, execution, name, body FROM inbox ORDER BY sent_at, id"
            )
            if execution in wanted
        ]

    def forget(self, commands: Sequence[str]) -> None:
        """See `Journal.forget`."""
        if commands:
            removal = "DELETE FROM inbox WHERE id = :id"
            self._writing(lambda session: session.run_many(removal, [{"id": id} for id in commands]))

    def observed(self, observer: str, execution: str) -> int:
        """See `Journal.observed`."""
        query = "SELECT seq FROM observer_offsets WHERE observer = :observer AND execution = :execution"
        found = self._all(query, {"observer": observer, "execution": execution})
        return int(found[0][0]) if found else 0

    def mark_observed(self, observer: str, execution: str, seq: int) -> None:
        """See `Journal.mark_observed`."""
        values = {"observer": observer, "execution": execution, "seq": seq}
        upsert = "ON CONFLICT (observer, execution) DO UPDATE SET seq = excluded.seq"
        sql = f"{insert('observer_offsets', tuple(values))} {upsert}"
        self._writing(lambda session: session.run(sql, values))

    def close(self) -> None:
        """See `Journal.close`."""
        self._writer.close()
        self._sessions.close()


def _row(session: Session, execution: str) -> ExecutionRow | None:
    found = session.row(f"{_ROWS} WHERE execution = :execution", {"execution": execution})
    return None if found is None else _to_row(found)


def _same(session: Session, row: ExecutionRow, crc: int) -> ExecutionRow | None:
    """A run of that id, if it began with the same events."""
    place = "SELECT crc FROM groups WHERE execution = :execution AND first_seq = 1"
    found = session.row(place, {"execution": row.execution})
    return _row(session, row.execution) if found == (crc,) else None


def _damage(group: GroupRow, expected_seq: int) -> str:
    """Why a group cannot be believed; empty if it can."""
    if group.first_seq != expected_seq:
        return f"events {expected_seq} to {group.first_seq - 1} are missing"
    if not isinstance(group.events, bytes):
        return f"its events are stored as `{type(group.events).__name__}`"
    if zlib.crc32(group.events) & 0x7FFFFFFF != group.crc:
        return "its checksum does not match"
    try:
        decode_events(group.events)
    except msgspec.MsgspecError as error:
        return str(error)
    return ""
