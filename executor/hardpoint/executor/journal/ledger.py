"""Who holds and who wants units of pools that several executors share: the tables behind the throttle.

`leases` has a row for each claim that an attempt holds, written in the transaction that journals the
attempt's start or end. `holdings` adds them up for each tenant, so that a decision reads only what changed. A
pool's `version` counts its changes; whoever decides has the pool's row locked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hardpoint.executor.journal.database import Database, Session, listed
from hardpoint.executor.journal.schema import insert
from hardpoint.executor.journal.shared import Holding, Lease, Shared, Wanted

FORGOTTEN_AFTER_S = 600.0
"""How long what an executor wanted is kept after its last sign of life."""


_LEASE = ("execution", *Lease._fields)
_HOLD = f"{insert('leases', _LEASE)} ON CONFLICT (execution, node, pool) DO UPDATE SET units = excluded.units"
_GIVE_BACK = "DELETE FROM leases WHERE execution = :execution AND node = :node AND pool = :pool"
_MOVE = "UPDATE pools SET version = version + 1 WHERE name = :pool"
_ADD_UP = """
INSERT INTO holdings (pool, project, domain, units, slot_s, since, version)
SELECT :pool, :project, :domain, COALESCE(SUM(units), 0), 0.0, :at,
    (SELECT version FROM pools WHERE name = :of_pool)
FROM leases WHERE pool = :of_pool AND project = :of_project AND domain = :of_domain
ON CONFLICT (pool, project, domain) DO UPDATE SET
    slot_s = holdings.slot_s + holdings.units *
        CASE WHEN excluded.since > holdings.since THEN excluded.since - holdings.since ELSE 0.0 END,
    since = CASE WHEN excluded.since > holdings.since THEN excluded.since ELSE holdings.since END,
    units = excluded.units, version = excluded.version
"""
"""From the leases themselves: a sum that was moved step by step would keep a mistake for ever."""
_WANT = f"""
{insert("wanted", (*Wanted._fields, "version"))} ON CONFLICT (pool, executor, project, domain) DO UPDATE SET
    demands = excluded.demands, version = excluded.version
"""
_KNOWN = "SELECT name, version, settings FROM pools WHERE name IN ({names})"
_ALIVE = f"""
{insert("executors", ("name", "seen_at"))} ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at
"""


def lock(session: Session, database: Database, pools: Iterable[str]) -> dict[str, int]:
    """Let nobody else decide over these pools until the transaction ends; return their versions."""
    # In one order everywhere, so that two executors never wait for each other.
    names = sorted(set(pools))
    if not names:
        return {}
    wanted, values = listed(names)
    query = f"SELECT name, version FROM pools WHERE name IN ({wanted}) ORDER BY name {database.lock_row}"
    found = dict(session.rows(query, values))
    missing = [name for name in names if name not in found]
    if missing:
        new = f"{insert('pools', ('name', 'version'))} ON CONFLICT DO NOTHING"
        session.run_many(new, [{"name": name, "version": 0} for name in missing])
        found = dict(session.rows(query, values))
    return found


def look(session: Session, known: Mapping[str, int], executor: str, alive_since: float) -> Shared:
    """What has changed in pools.

    Args:
        known: Version of each pool that the asker knew; -1 for one it has not seen.
        executor: Whose own wishes are left out.
        alive_since: When an executor must have given its last sign of life to be counted among the living.
    """
    names, values = listed(list(known))
    found = session.rows(_KNOWN.format(names=names), values)
    versions = {name: version for name, version, _ in found}
    holdings: list[Holding] = []
    wanted: list[Wanted] = []
    for name, version in versions.items():
        if version > known[name]:
            since = {"pool": name, "version": known[name], "executor": executor}
            query = (
                f"SELECT {', '.join(Holding._fields)} FROM holdings WHERE pool = :pool AND version > :version"
            )
            holdings += [Holding(*each) for each in session.rows(query, since)]
            query = (
                f"SELECT {', '.join(Wanted._fields)} FROM wanted"
                " WHERE pool = :pool AND version > :version AND executor <> :executor"
            )
            wanted += [Wanted(*each) for each in session.rows(query, since)]
    settings = {name: body for name, version, body in found if version > known[name]}
    lively = session.rows("SELECT name FROM executors WHERE seen_at > :since", {"since": alive_since})
    return Shared(versions, holdings, wanted, frozenset(name for (name,) in lively), settings)


def change(
    session: Session,
    granted: Sequence[tuple[str, Lease]],
    released: Sequence[tuple[str, Lease]],
    at: float,
) -> None:
    """Write what attempts of runs hold now, and no more; the pools have been locked.

    Args:
        granted, released: Each with the run's id.
        at: Seconds since the epoch.
    """
    if not (granted or released):
        return
    session.run_many(
        _GIVE_BACK, [{"execution": execution, **lease._asdict()} for execution, lease in released]
    )
    session.run_many(_HOLD, [{"execution": execution, **lease._asdict()} for execution, lease in granted])
    touched = {(lease.pool, lease.project, lease.domain) for _, lease in (*granted, *released)}
    session.run_many(_MOVE, [{"pool": pool} for pool in sorted({pool for pool, _, _ in touched})])
    # Twice: a server that guesses a parameter's type may guess differently in each place.
    names = ("pool", "project", "domain", "of_pool", "of_project", "of_domain")
    session.run_many(
        _ADD_UP, [{**dict(zip(names, each * 2, strict=True)), "at": at} for each in sorted(touched)]
    )


def want(session: Session, wanted: Sequence[Wanted]) -> None:
    """Write what one executor waits for; the pools have been locked."""
    pools = sorted({each.pool for each in wanted})
    session.run_many(_MOVE, [{"pool": pool} for pool in pools])
    names, values = listed(pools)
    versions = (
        dict(session.rows(f"SELECT name, version FROM pools WHERE name IN ({names})", values))
        if pools
        else {}
    )
    session.run_many(_WANT, [{**each._asdict(), "version": versions[each.pool]} for each in wanted])


def live(session: Session, executor: str, at: float) -> None:
    """A sign of life; what executors wanted that are gone for long is forgotten."""
    session.run(_ALIVE, {"name": executor, "seen_at": at})
    gone = {"before": at - FORGOTTEN_AFTER_S}
    if session.row("SELECT 1 FROM executors WHERE seen_at < :before", gone) is not None:
        session.run(
            "DELETE FROM wanted WHERE executor IN (SELECT name FROM executors WHERE seen_at < :before)", gone
        )
        session.run("DELETE FROM executors WHERE seen_at < :before", gone)
