"""A journal in a database, through SQLAlchemy Core; what engines write, through `Writer`."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hardpoint.executor.journal.database import Database, persistently
from hardpoint.executor.journal.events import JOURNAL_FORMAT, Event, RunPhase, decode_events
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
from hardpoint.executor.journal.schema import (
    cache,
    damaged,
    executions,
    executions_unfinished,
    formats,
    groups,
    inbox,
    metadata,
    offsets,
    unfinished,
    workflows,
)
from hardpoint.executor.journal.sqlite import SqliteDatabase
from hardpoint.executor.journal.writer import Writer, group_values, row_values
from hardpoint.plugin_api import ErrorInfo, UsageError

T = TypeVar("T")


class JournalFormatError(UsageError):
    """The store was written by a newer hardpoint."""


def _to_row(found: Any) -> ExecutionRow:
    values = dict(found._mapping)
    values["phase"] = RunPhase(values["phase"])
    values["outputs"] = msgspec.json.decode(values["outputs"])
    error = values["error"]
    values["error"] = msgspec.json.decode(error, type=ErrorInfo) if error else None
    return ExecutionRow(**values)


class SqlJournal:
    """See `Journal`. One database for any number of processes."""

    def __init__(self, database: Database, lease_s: float = LEASE_S) -> None:
        self.lease_s = lease_s
        self._database = database
        self._writer = Writer(database)
        self._format = 0
        try:
            self._open()
        except BaseException:
            database.engine.dispose()
            raise

    @classmethod
    def at(cls, path: Path, lease_s: float = LEASE_S) -> SqlJournal:
        """The journal in an SQLite file, made if it is not there."""
        return cls(SqliteDatabase(path), lease_s)

    def _open(self) -> None:
        known = self._reading(lambda connection: sa.inspect(connection).has_table(formats.name))
        if not known:
            self._writing(self._make)
        (self._format,) = self._all(sa.select(formats.c.journal))[0]
        if self._format > JOURNAL_FORMAT:
            raise JournalFormatError(
                f"The store `{self._database.where}` has journal format {self._format}; "
                f"this hardpoint reads up to {JOURNAL_FORMAT}",
                hint=f"Run `pip install --upgrade hardpoint`, or {self._database.elsewhere}",
            )

    def _make(self, connection: Connection) -> None:
        self._database.lock_schema(connection)
        metadata.create_all(connection)
        # The last of it: who finds the number finds every table.
        if connection.execute(sa.select(formats.c.journal)).scalar() is None:
            connection.execute(formats.insert().values(journal=JOURNAL_FORMAT))

    def _raise_format(self, connection: Connection) -> None:
        """Before events are written that an older hardpoint would not understand; reading changes nothing."""
        if self._format < JOURNAL_FORMAT:
            executions_unfinished.create(connection, checkfirst=True)
            connection.execute(formats.update().values(journal=JOURNAL_FORMAT))

    def _reading(self, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with self._database.engine.connect() as connection:
                return work(connection.execution_options(reads_only=True))

        return persistently(self._database, once)

    def _writing(self, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with self._database.engine.begin() as connection:
                return work(connection)

        return persistently(self._database, once)

    def _all(self, query: sa.Select[Any]) -> Sequence[Any]:
        return self._reading(lambda connection: connection.execute(query).all())

    def create(self, row: ExecutionRow, workflow: bytes, events: list[Event]) -> None:
        """See `Journal.create`."""
        first = group_values(row.execution, 1, events)
        insert = self._database.insert

        def work(connection: Connection) -> None:
            self._raise_format(connection)
            known = sa.select(workflows.c.digest).where(workflows.c.digest == row.digest)
            if connection.execute(known).first() is None:
                body = insert(workflows).values(digest=row.digest, body=workflow)
                connection.execute(body.on_conflict_do_nothing())
            made = insert(executions).values(row_values(row)).on_conflict_do_nothing()
            # Without the option, SQLAlchemy says -1 of an insert.
            if connection.execute(made, execution_options={"preserve_rowcount": True}).rowcount:
                connection.execute(groups.insert().values(first))
                return
            # Our own, if the answer to an earlier try was lost.
            place = (groups.c.execution == row.execution, groups.c.first_seq == 1)
            if connection.execute(sa.select(groups.c.crc).where(*place)).scalar() != first["crc"]:
                raise ExecutionExistsError(row.execution)

        self._writing(work)
        self._format = JOURNAL_FORMAT

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

    def _groups(self, execution: str, after_seq: int) -> Sequence[Any]:
        return self._all(
            sa.select(groups)
            .where(groups.c.execution == execution, groups.c.last_seq > after_seq)
            .order_by(groups.c.first_seq)
        )

    def drop_damaged(self, execution: str) -> int:
        """See `Journal.drop_damaged`: the damaged groups move to a table of their own."""
        last = 0
        bad: list[Any] = []
        for group in self._groups(execution, 0):
            if bad or _damage(group, last + 1):
                bad.append(group)
            else:
                last = group.last_seq
        now = time.time()

        def work(connection: Connection) -> None:
            for group in bad:
                place = {"execution": execution, "first_seq": group.first_seq}
                connection.execute(damaged.insert().values(**place, events=group.events, set_aside_at=now))
                connection.execute(groups.delete().filter_by(**place))

        self._writing(work)
        return last

    def row(self, execution: str) -> ExecutionRow:
        """See `Journal.row`."""
        found = self._all(sa.select(executions).where(executions.c.execution == execution))
        if not found:
            raise no_such_execution(execution, [each.execution for each in self.rows(limit=3)])
        return _to_row(found[0])

    def rows(self, *, limit: int = 100, phases: Iterable[RunPhase] = ()) -> list[ExecutionRow]:
        """See `Journal.rows`."""
        query = sa.select(executions).order_by(
            executions.c.submitted_at.desc(), executions.c.execution.desc()
        )
        wanted = [phase.value for phase in phases]
        if wanted:
            query = query.where(executions.c.phase.in_(wanted))
        return [_to_row(found) for found in self._all(query.limit(limit))]

    def owners(self) -> list[str]:
        """See `Journal.owners`."""
        query = sa.select(executions.c.owner).where(unfinished, executions.c.owner != "").distinct()
        return [found.owner for found in self._all(query)]

    def abandoned(self, now: float, limit: int, *, dead: Sequence[str] = ()) -> list[ExecutionRow]:
        """See `Journal.abandoned`."""
        free = sa.or_(executions.c.owner.in_(["", *dead]), executions.c.lease_until <= now)
        query = sa.select(executions).where(unfinished, free).order_by(executions.c.submitted_at).limit(limit)
        return [_to_row(found) for found in self._all(query)]

    def workflow(self, digest: str) -> bytes:
        """See `Journal.workflow`."""
        ((body,),) = self._all(sa.select(workflows.c.body).where(workflows.c.digest == digest))
        return bytes(body)

    def claim(
        self, execution: str, owner: str, now: float, *, force: bool = False, fence: int | None = None
    ) -> ExecutionRow | None:
        """See `Journal.claim`."""
        until = now + self.lease_s
        this = executions.c.execution == execution
        free = sa.or_(executions.c.owner == "", executions.c.lease_until <= now, sa.literal(force))
        same = sa.true() if fence is None else executions.c.fence == fence
        update = executions.update().where(this, free, same)
        change = update.values(owner=owner, fence=executions.c.fence + 1, lease_until=until)
        tries = 0

        def work(connection: Connection) -> Any:
            nonlocal tries
            tries += 1
            self._raise_format(connection)
            taken = connection.execute(change).rowcount
            found = connection.execute(sa.select(executions).where(this)).first()
            # Ours from an earlier try whose answer was lost: nobody else writes this name.
            already = found is not None and tries > 1 and (found.owner, found.lease_until) == (owner, until)
            return found if taken or already else None

        claimed = self._writing(work)
        if claimed is None:
            self.row(execution)
            return None
        self._format = JOURNAL_FORMAT
        return _to_row(claimed)

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
            for each in self._all(sa.select(cache).where(cache.c.key.in_(keys[start : start + 500]))):
                outputs = msgspec.json.decode(each.outputs)
                found[each.key] = CachedOutputs(each.key, each.execution, each.node, outputs, each.at)
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
        insert = self._database.insert(inbox).values(values).on_conflict_do_nothing()
        self._writing(lambda connection: connection.execute(insert))

    def commands(self, owned: Sequence[str]) -> list[Command]:
        """See `Journal.commands`."""
        wanted = set(owned)
        waiting = self._all(sa.select(inbox).order_by(inbox.c.sent_at, inbox.c.id))
        return [
            Command(each.id, each.execution, each.name, msgspec.json.decode(each.body))
            for each in waiting
            if each.execution in wanted
        ]

    def forget(self, commands: Sequence[str]) -> None:
        """See `Journal.forget`."""
        if commands:
            removal = inbox.delete().where(inbox.c.id.in_(list(commands)))
            self._writing(lambda connection: connection.execute(removal))

    def observed(self, observer: str, execution: str) -> int:
        """See `Journal.observed`."""
        query = sa.select(offsets.c.seq).filter_by(observer=observer, execution=execution)
        found = self._all(query)
        return int(found[0].seq) if found else 0

    def mark_observed(self, observer: str, execution: str, seq: int) -> None:
        """See `Journal.mark_observed`."""
        insert = self._database.insert(offsets).values(observer=observer, execution=execution, seq=seq)
        upsert = insert.on_conflict_do_update(
            index_elements=[offsets.c.observer, offsets.c.execution], set_={"seq": seq}
        )
        self._writing(lambda connection: connection.execute(upsert))

    def close(self) -> None:
        """See `Journal.close`."""
        self._writer.close()
        self._database.engine.dispose()


def _damage(group: Any, expected_seq: int) -> str:
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
