"""The connection over which an engine writes: the hot path of every run.

A hop of a chain is one statement, which is a transaction by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from hardpoint.executor.journal import ledger, statements
from hardpoint.executor.journal.batch import Batch, Unflushed
from hardpoint.executor.journal.database import Database, Session, persistently
from hardpoint.executor.journal.protocol import (
    Append,
    JournalConflictError,
    LeaseLostError,
    no_such_execution,
)
from hardpoint.executor.journal.shared import ALIVE_S, Shared, Wanted

T = TypeVar("T")
Values = dict[str, Any]


class Writer:
    """May be used by any thread; opened when first used, and again after the server broke off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._append_sql = statements.append(database)
        # Held by a thread that has locked pools, until it commits.
        self._lock = threading.RLock()
        self._deciding: Session | None = None
        self._seen: dict[str, int] = {}
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
            try:
                self._persistently(lambda session: self._write(session, batch, durable))
            finally:
                self._decided()
            if durable:
                self._unflushed.clear()
            elif self._database.forgets:
                self._unflushed.add(batch)

    def lock(self, known: Mapping[str, int], executor: str, now: float) -> Shared:
        """See `Pools.lock`."""

        def work(session: Session) -> Shared:
            # It cannot be chosen once the transaction has begun, and intents of jobs must be durable.
            self._choose_durability(session, durable=True)
            session.begin()
            self._seen = ledger.lock(session, self._database, known)
            ledger.live(session, executor, now)
            shared = ledger.look(session, known, executor, now - ALIVE_S)
            self._deciding = session
            return shared

        self._lock.acquire()
        try:
            shared = self._persistently(work)
        except BaseException:
            self._lock.release()
            raise
        return shared

    def want(self, wanted: Sequence[Wanted]) -> None:
        """See `Pools.want`; if the server breaks off, the commit that follows decides what is to be done."""
        try:
            if self._deciding is not None:
                ledger.want(self._deciding, wanted)
        except self._database.driver_error:
            self._drop()

    def unlock(self) -> None:
        """See `Pools.unlock`."""
        session = self._deciding
        try:
            if session is not None:
                session.commit()
        except self._database.driver_error:
            # What is wanted is said again with the next decision.
            self._drop()
        finally:
            self._decided()

    def _decided(self) -> None:
        if self._deciding is not None:
            self._deciding = None
            self._lock.release()

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
                pools = {pool for batch in self._unflushed for pool in batch.pools}
                ledger.lock(session, self._database, pools)
                for batch in self._unflushed:
                    self._append(session, batch, durable=True)
                    _add_extras(session, batch)
                    _change_again(session, batch)
            self._unflushed.clear()
        return session

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _choose_durability(self, session: Session, *, durable: bool) -> None:
        if durable is not self._durable:
            self._database.choose_durability(session, durable)
            self._durable = durable

    def _write(self, session: Session, batch: Batch, durable: bool) -> None:
        if session is self._deciding:
            with session.to_commit():
                self._write_all(session, batch, durable)
            return
        self._choose_durability(session, durable=durable)
        if batch.is_one_group:
            if not self._append(session, batch, durable):
                self._check(session, batch, durable)
            return
        with session.transaction():
            self._write_all(session, batch, durable)

    def _write_all(self, session: Session, batch: Batch, durable: bool) -> None:
        deciding = session is self._deciding
        versions = {} if deciding else ledger.lock(session, self._database, batch.pools)
        if self._append(session, batch, durable) < len(batch.groups):
            self._check(session, batch, durable)
        elif not deciding:
            self._check_grants(batch, versions)
        _add_extras(session, batch)
        ledger.change(session, [*batch.granted, *batch.held], batch.released, batch.at)

    def _check_grants(self, batch: Batch, versions: Mapping[str, int]) -> None:
        """Nothing if nobody has decided over the pools since these grants were.

        Raises:
            JournalConflictError: Both together may be more than there is.
        """
        for execution, lease in batch.granted:
            if versions[lease.pool] != self._seen.get(lease.pool):
                seq = next(each["first_seq"] for each in batch.groups if each["execution"] == execution)
                raise JournalConflictError(execution, seq)

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


def _change_again(session: Session, batch: Batch) -> None:
    """What a commit changed of leases; not those of a run that is another engine's by now."""
    if not batch.pools:
        return
    ours = {
        each["execution"] for each in batch.groups if _holds(session, each["execution"], each["with_fence"])
    }
    granted = [each for each in (*batch.granted, *batch.held) if each[0] in ours]
    released = [each for each in batch.released if each[0] in ours]
    ledger.change(session, granted, released, batch.at)


def _holds(session: Session, execution: str, fence: int) -> bool:
    found = session.row(statements.LOOK, {"of": execution, "first_seq": 0})
    return found is not None and bool(found[1] == fence)


def _durably(batch: Batch, durable: bool) -> list[Values]:
    durability = {"durability": "on" if durable else "off"}
    return [group | durability for group in batch.groups]
