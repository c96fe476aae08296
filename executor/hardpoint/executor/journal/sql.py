"""A journal in a database, through SQLAlchemy Core: SQLite in WAL mode by default."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from hardpoint.executor.journal.database import JournalUnavailableError, Prepared, explained, sqlite_engine
from hardpoint.executor.journal.events import JOURNAL_FORMAT, Event, RunPhase, decode_events, encode_events
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    CachedOutputs,
    Command,
    ExecutionRow,
    JournalDamagedError,
    LeaseLostError,
    no_such_execution,
)
from hardpoint.executor.journal.schema import (
    cache,
    damaged,
    executions,
    formats,
    groups,
    inbox,
    metadata,
    offsets,
    workflows,
)
from hardpoint.plugin_api import ErrorInfo, UsageError


class JournalFormatError(UsageError):
    """The store was written by a newer hardpoint."""


def _to_values(row: ExecutionRow) -> dict[str, Any]:
    values = {field: getattr(row, field) for field in ExecutionRow.__struct_fields__}
    values["phase"] = row.phase.value
    values["outputs"] = msgspec.json.encode(row.outputs)
    values["error"] = msgspec.json.encode(row.error) if row.error else None
    return values


def _to_row(found: Any) -> ExecutionRow:
    values = dict(found._mapping)
    values["phase"] = RunPhase(values["phase"])
    values["outputs"] = msgspec.json.decode(values["outputs"])
    error = values["error"]
    values["error"] = msgspec.json.decode(error, type=ErrorInfo) if error else None
    return ExecutionRow(**values)


class SqlJournal:
    """See `Journal`. One database for any number of processes."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._sqlite = engine.dialect.name == "sqlite"
        self._writer: Connection | None = None
        self._synchronous = "NORMAL"
        self._insert = Prepared(groups.insert(), engine)
        self._owned = Prepared(_OWNED, engine)
        with self._transaction() as connection:
            metadata.create_all(connection)
            found = connection.execute(sa.select(formats.c.journal)).scalar()
            if found is None:
                connection.execute(formats.insert().values(journal=JOURNAL_FORMAT))
            elif found > JOURNAL_FORMAT:
                raise JournalFormatError(
                    f"The store `{where}` has journal format {found}; "
                    f"this hardpoint reads up to {JOURNAL_FORMAT}",
                    hint="Run `pip install --upgrade hardpoint`, or choose another store with HARDPOINT_HOME",
                )

    @classmethod
    def at(cls, path: Path) -> SqlJournal:
        """The journal in an SQLite file, made if it is not there."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnavailableError(
                f"Cannot make the store's folder `{path.parent}`: {error.strerror}",
                hint="Set HARDPOINT_HOME to a folder that you may write to",
            ) from error
        return cls(sqlite_engine(path), str(path))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with explained(self._where), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(self._where), self._engine.connect() as raw:
            yield raw.execution_options(reads_only=True)

    def create(self, row: ExecutionRow, workflow: bytes, events: list[Event]) -> None:
        """See `Journal.create`."""
        with self._transaction() as connection:
            known = sa.select(workflows.c.digest).where(workflows.c.digest == row.digest)
            if connection.execute(known).first() is None:
                connection.execute(workflows.insert().values(digest=row.digest, body=workflow))
            connection.execute(executions.insert().values(_to_values(row)))
            self._insert_group(connection, row.execution, 1, events)

    def _insert_group(self, connection: Connection, execution: str, first: int, events: list[Event]) -> None:
        body = encode_events(events)
        self._insert.run(
            connection,
            {
                "execution": execution,
                "first_seq": first,
                "last_seq": first + len(events) - 1,
                "crc": zlib.crc32(body) & 0x7FFFFFFF,
                "events": body,
            },
        )

    def commit(self, appends: Sequence[Append], *, durable: bool) -> None:
        """See `Journal.commit`."""
        with explained(self._where):
            connection = self._writer
            if connection is None:
                connection = self._writer = self._engine.connect()
            self._wait_for_disk(connection, durable)
            with connection.begin():
                for append in appends:
                    self._append(connection, append)

    def _wait_for_disk(self, connection: Connection, durable: bool) -> None:
        wanted = "FULL" if durable else "NORMAL"
        if self._sqlite and wanted != self._synchronous:
            raw = connection.connection.cursor()
            raw.execute(f"PRAGMA synchronous={wanted}")
            raw.close()
            self._synchronous = wanted

    def _append(self, connection: Connection, append: Append) -> None:
        owned = self._owned.run(connection, {"of": append.execution, "with_fence": append.fence})
        if owned.first() is None:
            raise LeaseLostError(append.execution, self.row(append.execution).owner)
        self._insert_group(connection, append.execution, append.first_seq, append.events)
        if append.summary is not None:
            values = _to_values(append.summary)
            # The lease is kept apart: a heartbeat may have moved it since this summary was made.
            for column in ("owner", "fence", "lease_until"):
                del values[column]
            connection.execute(
                executions.update().where(executions.c.execution == append.execution).values(values)
            )
        for each in append.cached:
            connection.execute(cache.delete().where(cache.c.key == each.key))
            connection.execute(
                cache.insert().values(
                    key=each.key,
                    execution=each.execution,
                    node=each.node,
                    outputs=msgspec.json.encode(each.outputs),
                    at=each.at,
                )
            )

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
        with self._reading() as connection:
            return connection.execute(
                sa.select(groups)
                .where(groups.c.execution == execution, groups.c.last_seq > after_seq)
                .order_by(groups.c.first_seq)
            ).all()

    def drop_damaged(self, execution: str) -> int:
        """See `Journal.drop_damaged`: the damaged groups move to a table of their own."""
        last = 0
        bad: list[Any] = []
        for group in self._groups(execution, 0):
            if bad or _damage(group, last + 1):
                bad.append(group)
            else:
                last = group.last_seq
        with self._transaction() as connection:
            for group in bad:
                connection.execute(
                    damaged.insert().values(
                        execution=execution,
                        first_seq=group.first_seq,
                        events=group.events,
                        set_aside_at=time.time(),
                    )
                )
                connection.execute(
                    groups.delete().where(
                        groups.c.execution == execution, groups.c.first_seq == group.first_seq
                    )
                )
        return last

    def row(self, execution: str) -> ExecutionRow:
        """See `Journal.row`."""
        with self._reading() as connection:
            found = connection.execute(
                sa.select(executions).where(executions.c.execution == execution)
            ).first()
        if found is None:
            raise no_such_execution(execution, [each.execution for each in self.rows(limit=3)])
        return _to_row(found)

    def rows(self, *, limit: int = 100, phases: Iterable[RunPhase] = ()) -> list[ExecutionRow]:
        """See `Journal.rows`."""
        query = sa.select(executions).order_by(
            executions.c.submitted_at.desc(), executions.c.execution.desc()
        )
        wanted = [phase.value for phase in phases]
        if wanted:
            query = query.where(executions.c.phase.in_(wanted))
        with self._reading() as connection:
            return [_to_row(found) for found in connection.execute(query.limit(limit)).all()]

    def workflow(self, digest: str) -> bytes:
        """See `Journal.workflow`."""
        with self._reading() as connection:
            query = sa.select(workflows.c.body).where(workflows.c.digest == digest)
            return bytes(connection.execute(query).scalar_one())

    def claim(self, execution: str, owner: str, now: float, *, force: bool = False) -> ExecutionRow | None:
        """See `Journal.claim`."""
        self.row(execution)
        free = sa.or_(executions.c.owner == "", executions.c.lease_until <= now)
        query = (
            executions.update()
            .where(executions.c.execution == execution, sa.true() if force else free)
            .values(owner=owner, fence=executions.c.fence + 1, lease_until=now + LEASE_S)
        )
        with self._transaction() as connection:
            taken = connection.execute(query).rowcount
        return self.row(execution) if taken else None

    def renew(self, owned: Mapping[str, int], now: float) -> set[str]:
        """See `Journal.renew`."""
        lost = set()
        with self._transaction() as connection:
            for execution, fence in owned.items():
                query = (
                    executions.update()
                    .where(executions.c.execution == execution, executions.c.fence == fence)
                    .values(lease_until=now + LEASE_S)
                )
                if not connection.execute(query).rowcount:
                    lost.add(execution)
        return lost

    def release(self, owned: Mapping[str, int]) -> None:
        """See `Journal.release`."""
        with self._transaction() as connection:
            for execution, fence in owned.items():
                connection.execute(
                    executions.update()
                    .where(executions.c.execution == execution, executions.c.fence == fence)
                    .values(owner="", lease_until=0.0)
                )

    def cached(self, keys: Sequence[str]) -> dict[str, CachedOutputs]:
        """See `Journal.cached`."""
        found: dict[str, CachedOutputs] = {}
        with self._reading() as connection:
            for start in range(0, len(keys), 500):
                query = sa.select(cache).where(cache.c.key.in_(keys[start : start + 500]))
                for each in connection.execute(query):
                    outputs = msgspec.json.decode(each.outputs)
                    found[each.key] = CachedOutputs(each.key, each.execution, each.node, outputs, each.at)
        return found

    def send(self, command: Command) -> None:
        """See `Journal.send`."""
        self.row(command.execution)
        with self._transaction() as connection:
            known = sa.select(inbox.c.id).where(inbox.c.id == command.id)
            if connection.execute(known).first() is None:
                connection.execute(
                    inbox.insert().values(
                        id=command.id,
                        execution=command.execution,
                        name=command.name,
                        body=msgspec.json.encode(command.body),
                        sent_at=time.time(),
                    )
                )

    def take(self, owned: Sequence[str]) -> list[Command]:
        """See `Journal.take`."""
        wanted = set(owned)
        with self._reading() as connection:
            query = sa.select(inbox).order_by(inbox.c.sent_at)
            found = [each for each in connection.execute(query).all() if each.execution in wanted]
        if found:
            with self._transaction() as connection:
                for each in found:
                    connection.execute(inbox.delete().where(inbox.c.id == each.id))
        return [Command(each.id, each.execution, each.name, msgspec.json.decode(each.body)) for each in found]

    def observed(self, observer: str, execution: str) -> int:
        """See `Journal.observed`."""
        place = (offsets.c.observer == observer, offsets.c.execution == execution)
        with self._reading() as connection:
            return int(connection.execute(sa.select(offsets.c.seq).where(*place)).scalar() or 0)

    def mark_observed(self, observer: str, execution: str, seq: int) -> None:
        """See `Journal.mark_observed`."""
        place = (offsets.c.observer == observer, offsets.c.execution == execution)
        with self._transaction() as connection:
            if not connection.execute(offsets.update().where(*place).values(seq=seq)).rowcount:
                values = {"observer": observer, "execution": execution, "seq": seq}
                connection.execute(offsets.insert().values(values))

    def close(self) -> None:
        """See `Journal.close`."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._engine.dispose()


_OWNED = sa.select(executions.c.fence).where(
    executions.c.execution == sa.bindparam("of"), executions.c.fence == sa.bindparam("with_fence")
)


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
