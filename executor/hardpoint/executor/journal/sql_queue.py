"""The queue of runs in a journal's database.

`tenants` has a row for each tenant that ever queued a run or has a limit: to look at the head of each queue
without looking at the runs behind it, and to let one tenant's runs come in one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.journal.database import Database, Session, listed
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.journal.queue import Crowd, Entry, Head, Standing, entry
from hardpoint.executor.journal.schema import BEGUN, QUEUED, insert

MANY = 500
"""Parameters of one statement."""

_TENANT = "project = :project AND domain = :domain"
_IN_TURN = "ORDER BY priority DESC, submitted_at, execution"
# One look at the index for each tenant, as the only subquery: a join would look through all runs.
_HEADS = f"""
SELECT project, domain, (
    SELECT submitted_at FROM executions
    WHERE project = tenants.project AND domain = tenants.domain AND {QUEUED} {_IN_TURN} LIMIT 1
) FROM tenants
"""
_RUNNING = f"SELECT project, domain, COUNT(*) FROM executions WHERE {BEGUN} GROUP BY project, domain"
_COUNT = "SELECT COUNT(*) FROM (SELECT 1 FROM executions WHERE {which} LIMIT :most) AS counted"
_KNOW = f"{insert('tenants', ('project', 'domain'))} ON CONFLICT DO NOTHING"
_KNOW_ALL = (
    "INSERT INTO tenants (project, domain) SELECT DISTINCT project, domain FROM executions WHERE {which}"
    " ON CONFLICT DO NOTHING"
)
_GIVE_BACK = (
    "UPDATE executions SET owner = '', lease_until = 0.0,"
    " phase = CASE WHEN phase = 'RUNNING' AND started_at IS NULL THEN 'QUEUED' ELSE phase END"
    " WHERE execution = :execution AND fence = :fence"
)


def admit(session: Session, database: Database, row: ExecutionRow, limits: TenantLimits | None) -> Entry:
    """Decide about a run that comes in, and keep others of its tenant from coming in until that is committed.

    Args:
        session: In a transaction that writes.
        database: Its kind.
        row: With an owner if it could begin at once.
        limits: None if it comes in in any case.
    """
    tenant = {"project": row.project, "domain": row.domain}
    at_once = bool(row.owner)
    if at_once and (limits is None or limits.max_running is None):
        return Entry.BEGIN
    if limits is None:
        session.run(_KNOW, tenant)
        return Entry.QUEUE
    lock_tenant(session, database, row.project, row.domain)
    running = ahead = 0
    if at_once:
        before = tenant | {"priority": row.priority, "most": limits.max_running}
        running = _count(session, f"{_TENANT} AND {BEGUN}", before)
        ahead = _count(session, f"{_TENANT} AND {QUEUED} AND priority >= :priority", before)
    queued = 0
    if limits.max_queued is not None:
        queued = _count(session, f"{_TENANT} AND {QUEUED}", tenant | {"most": limits.max_queued})
    return entry(Crowd(running, ahead, queued), limits, at_once=at_once)


def has_room(session: Session, database: Database, row: ExecutionRow, max_running: int) -> bool:
    """Whether a run may leave the queue now; nobody else of its tenant does until that is committed."""
    lock_tenant(session, database, row.project, row.domain)
    values = {"project": row.project, "domain": row.domain, "most": max_running}
    return _count(session, f"{_TENANT} AND {BEGUN}", values) < max_running


def lock_tenant(session: Session, database: Database, project: str, domain: str) -> None:
    """Let nobody else decide about runs of a tenant until the transaction ends."""
    tenant = {"project": project, "domain": domain}
    query = f"SELECT 1 FROM tenants WHERE {_TENANT} {database.lock_row}"
    if session.row(query, tenant) is None:
        session.run(_KNOW, tenant)
        session.row(query, tenant)


def know_tenants(session: Session) -> None:
    """Fill the table of tenants from the runs of a store that had none."""
    session.run(_KNOW_ALL.format(which=QUEUED))


def _count(session: Session, which: str, values: Mapping[str, Any]) -> int:
    found = session.row(_COUNT.format(which=which), values)
    return int(found[0]) if found else 0


class SqlQueue:
    """See `Queue`.

    Args:
        ask: Runs a query; makes the tables of this if the store is older.
        rows: Finds runs: given what comes behind `FROM executions`.
        write: Does something in a transaction.
    """

    def __init__(
        self,
        ask: Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]],
        rows: Callable[[str, Mapping[str, Any]], list[ExecutionRow]],
        write: Callable[[Callable[[Session], None]], None],
    ) -> None:
        self._ask = ask
        self._rows = rows
        self._write = write

    def standing(self) -> Standing:
        """See `Queue.standing`."""
        heads = [Head(*found) for found in self._ask(_HEADS, {}) if found[-1] is not None]
        running = {(project, domain): count for project, domain, count in self._ask(_RUNNING, {})}
        return Standing(heads, running)

    def first(self, project: str, domain: str, limit: int) -> list[ExecutionRow]:
        """See `Queue.first`."""
        values = {"project": project, "domain": domain, "limit": limit}
        return self._rows(f"WHERE {_TENANT} AND {QUEUED} {_IN_TURN} LIMIT :limit", values)

    def running(self, project: str, domain: str) -> int:
        """See `Queue.running`."""
        query = f"SELECT COUNT(*) FROM executions WHERE {_TENANT} AND {BEGUN}"
        return int(self._ask(query, {"project": project, "domain": domain})[0][0])

    def left(self, executions: Sequence[str]) -> list[ExecutionRow]:
        """See `Queue.left`."""
        found: list[ExecutionRow] = []
        for start in range(0, len(executions), MANY):
            wanted, values = listed(executions[start : start + MANY])
            found += self._rows(f"WHERE execution IN ({wanted}) AND phase <> 'QUEUED'", values)
        return found

    def asked_to_end(self, limit: int) -> list[ExecutionRow]:
        """See `Queue.asked_to_end`."""
        # In two steps: a database may prefer to look through the whole queue.
        asked = self._ask(
            "SELECT DISTINCT execution FROM inbox WHERE name = 'abort' LIMIT :many", {"many": MANY}
        )
        if not asked:
            return []
        wanted, values = listed([execution for (execution,) in asked])
        found = self._rows(f"WHERE execution IN ({wanted})", values)
        return [row for row in found if row.phase is RunPhase.QUEUED][:limit]

    def ends(self, project: str, domain: str, limit: int) -> list[float]:
        """See `Queue.ends`."""
        query = f"SELECT ended_at FROM executions WHERE {_TENANT} AND ended_at IS NOT NULL"
        values = {"project": project, "domain": domain, "limit": limit}
        return [at for (at,) in self._ask(f"{query} ORDER BY ended_at DESC LIMIT :limit", values)]

    def give_back(self, executions: Mapping[str, int]) -> None:
        """See `Queue.give_back`."""
        values = [{"execution": each, "fence": executions[each]} for each in sorted(executions)]

        def work(session: Session) -> None:
            session.run_many(_KNOW_ALL.format(which="execution = :execution"), values)
            session.run_many(_GIVE_BACK, values)

        self._write(work)
