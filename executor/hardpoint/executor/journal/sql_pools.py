"""What executors know of the pools they share, in a journal's database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from hardpoint.executor.journal.database import Database, Session, Sessions, listed, persistently
from hardpoint.executor.journal.schema import insert
from hardpoint.executor.journal.shared import Holding, Lease, PoolRows, RateRow, Shared, Wanted
from hardpoint.executor.journal.writer import Writer


class InThisFormat(Protocol):
    """See `SqlPools`."""

    def __call__(self, *, raised: bool) -> bool:
        """See `SqlPools`."""


R = TypeVar("R", Holding, Wanted, RateRow)


class SqlPools:
    """See `Pools`.

    Args:
        database, sessions: For looking, and for what operators set.
        writer: Decisions are committed with what they lead to.
        in_this_format: Whether the store has tables for this; with `raised=True`, it gets them first.
    """

    are_shared = True

    def __init__(
        self, database: Database, sessions: Sessions, writer: Writer, in_this_format: InThisFormat
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._writer = writer
        self._in_this_format = in_this_format

    def _all(self, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        def once() -> list[tuple[Any, ...]]:
            with self._sessions.one() as session:
                return session.rows(query, values)

        return persistently(self._database, once)

    def versions(self, pools: Sequence[str]) -> dict[str, int]:
        """See `Pools.versions`."""
        if not pools:
            return {}
        names, values = listed(pools)
        return dict(self._all(f"SELECT name, version FROM pools WHERE name IN ({names})", values))

    def lock(self, known: Mapping[str, int], executor: str, now: float) -> Shared:
        """See `Pools.lock`."""
        return self._writer.lock(known, executor, now)

    def want(self, wanted: Sequence[Wanted]) -> None:
        """See `Pools.want`."""
        self._writer.want(wanted)

    def unlock(self) -> None:
        """See `Pools.unlock`."""
        self._writer.unlock()

    def settings(self) -> dict[str, bytes]:
        """See `Pools.settings`."""
        return dict(self._all("SELECT name, settings FROM pools WHERE settings IS NOT NULL"))

    def set(self, pool: str, settings: bytes | None) -> None:
        """See `Pools.set`."""
        self._in_this_format(raised=True)
        values = {"name": pool, "settings": settings, "version": 1}
        upsert = "ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, version = pools.version + 1"
        sql = f"{insert('pools', tuple(values))} {upsert}"

        self._writing(lambda session: session.run(sql, values))

    def _writing(self, work: Callable[[Session], object]) -> None:
        def once() -> None:
            with self._sessions.one() as session, session.transaction():
                work(session)

        persistently(self._database, once)

    def leases(self, pool: str) -> list[tuple[str, Lease]]:
        """See `Pools.leases`."""
        if not self._in_this_format(raised=False):
            return []
        query = f"SELECT execution, {', '.join(Lease._fields)} FROM leases WHERE pool = :pool"
        found = self._all(f"{query} ORDER BY execution, node", {"pool": pool})
        return [(execution, Lease(*lease)) for execution, *lease in found]

    def rows(self) -> PoolRows:
        """See `Pools.rows`."""
        # Looking at a store of an older format does not change it.
        if not self._in_this_format(raised=False):
            return PoolRows()

        def all_of(kind: type[R], table: str, where: str = "") -> tuple[R, ...]:
            found = self._all(f"SELECT {', '.join(kind._fields)} FROM {table} {where}")
            return tuple(kind(*row) for row in found)

        return PoolRows(
            dict(self._all("SELECT name, settings FROM pools")),
            all_of(Holding, "holdings"),
            all_of(Wanted, "wanted", "WHERE LENGTH(demands) > 0"),
            dict(self._all("SELECT name, seen_at FROM executors")),
            all_of(RateRow, "rates"),
        )

    def change_rate(self, account: str, kind: str, change: Callable[[bytes], bytes]) -> None:
        """See `Pools.change_rate`."""
        key = {"account": account, "kind": kind}
        where = "WHERE account = :account AND kind = :kind"
        query = f"SELECT body FROM rates {where} {self._database.lock_row}"

        def work(session: Session) -> None:
            found = session.row(query, key)
            if found is None:
                new = f"{insert('rates', ('account', 'kind', 'body'))} ON CONFLICT DO NOTHING"
                session.run(new, {**key, "body": b""})
                found = session.row(query, key)
            body = change(bytes(found[0]) if found is not None else b"")
            session.run(f"UPDATE rates SET body = :body {where}", {**key, "body": body})

        self._writing(work)
