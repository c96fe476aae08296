"""What executors that share a database know of the pools they share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hardpoint.executor.journal.events import AttemptStarted, RunPhase, Submitted
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    ExecutionRow,
    Journal,
    JournalConflictError,
    LeaseLostError,
)
from hardpoint.executor.journal.shared import ALIVE_S, Holding, Lease, Shared, Wanted
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.ledger import RateKey
from hardpoint.executor.rates.shared_ledger import SharedLedger

SUBMITTED = Submitted(1.0, "flow", "d1", {}, "", "p", "dev")


class Opened:
    """One database, opened by several executors."""

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.url = home, url
        self.journals: list[Journal] = []

    def another(self) -> Journal:
        self.journals.append(open_journal(self.home, self.url))
        return self.journals[-1]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    url = str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else "sqlite"
    opened = Opened(tmp_path, url)
    yield opened
    for journal in opened.journals:
        journal.close()


def create(journal: Journal, execution: str) -> None:
    row = ExecutionRow(
        execution, "flow", "d1", "p", "dev", RunPhase.RUNNING, 1.0, None, None, "me", 1, 1.0 + LEASE_S
    )
    journal.create(row, b"{}", [SUBMITTED])


def lease(node: str, units: int = 1, *, pool: str = "db", domain: str = "dev") -> Lease:
    return Lease(node, pool, units, "p", domain)


def append(
    execution: str,
    seq: int,
    granted: tuple[Lease, ...] = (),
    released: tuple[Lease, ...] = (),
    *,
    at: float = 10.0,
    fence: int = 1,
) -> Append:
    events = [AttemptStarted(at, f"n{seq}", 1)]
    return Append(execution, fence, seq, list(events), None, [], list(granted), [], list(released), at)


def look(journal: Journal, known: dict[str, int], *, now: float = 10.0, who: str = "watcher") -> Shared:
    shared = journal.pools.lock(known, who, now)
    journal.pools.unlock()
    return shared


def grant(journal: Journal, execution: str, seq: int, *leases: Lease, at: float = 10.0) -> None:
    journal.pools.lock({each.pool: -1 for each in leases}, "me", at)
    journal.commit([append(execution, seq, leases, at=at)], durable=True)


def test_what_is_granted_is_held_until_it_is_released(store: Opened) -> None:
    journal, other = store.another(), store.another()
    create(journal, "e1")
    grant(journal, "e1", 2, lease("a", 2), lease("b"), at=10.0)
    assert look(other, {"db": -1}).holdings == [Holding("db", "p", "dev", 3, 0.0, 10.0)]
    assert other.pools.leases("db") == [("e1", lease("a", 2)), ("e1", lease("b"))]
    journal.commit([append("e1", 3, released=(lease("a", 2),), at=15.0)], durable=False)
    assert look(other, {"db": -1}).holdings == [Holding("db", "p", "dev", 1, 15.0, 15.0)]
    assert other.pools.leases("db") == [("e1", lease("b"))]


def test_only_what_changed_since_a_version_is_told(store: Opened) -> None:
    journal, other = store.another(), store.another()
    create(journal, "e1")
    grant(journal, "e1", 2, lease("a"), lease("b", pool="cluster"))
    known = look(other, {"db": -1, "cluster": -1}).versions
    assert other.pools.versions(["db", "cluster", "unused"]) == known
    grant(journal, "e1", 3, lease("c", domain="prod"))
    news = look(other, known)
    assert news.holdings == [Holding("db", "p", "prod", 1, 0.0, 10.0)]
    assert news.versions["cluster"] == known["cluster"]
    assert news.versions["db"] > known["db"]


def test_what_one_executor_wants_the_others_learn(store: Opened) -> None:
    journal, other = store.another(), store.another()
    wanted = Wanted("db", "me", "p", "dev", b"[3]")
    journal.pools.lock({"db": -1}, "me", 10.0)
    journal.pools.want([wanted])
    journal.pools.unlock()
    news = look(other, {"db": -1}, now=10.0)
    assert (news.wanted, news.living) == ([wanted], frozenset({"me", "watcher"}))
    assert look(other, {"db": -1}, now=10.0, who="me").wanted == []
    assert look(other, news.versions, now=10.0 + ALIVE_S + 1).living == {"watcher"}
    nothing = wanted._replace(demands=b"")
    journal.pools.lock(news.versions, "me", 11.0)
    journal.pools.want([nothing])
    journal.pools.unlock()
    assert look(other, news.versions, now=11.0).wanted == [nothing]


def test_a_setting_reaches_whoever_asks_next(store: Opened) -> None:
    journal, other = store.another(), store.another()
    assert journal.pools.settings() == {}
    known = look(other, {"db": -1}).versions
    journal.pools.set("db", b'{"capacity":3}')
    assert look(other, known).settings == {"db": b'{"capacity":3}'}
    assert other.pools.settings() == {"db": b'{"capacity":3}'}
    journal.pools.set("db", None)
    assert other.pools.settings() == {}


def test_a_grant_that_was_overtaken_is_refused(store: Opened) -> None:
    journal, other = store.another(), store.another()
    create(journal, "e1")
    create(journal, "e2")
    journal.pools.lock({"db": -1}, "me", 10.0)
    journal.pools.unlock()
    grant(other, "e2", 2, lease("a"))
    with pytest.raises(JournalConflictError):
        journal.commit([append("e1", 2, (lease("b"),))], durable=True)
    assert [execution for execution, _ in journal.pools.leases("db")] == ["e2"]
    assert len(journal.read("e1")) == 1


def test_a_lost_run_takes_no_other_grant_with_it(store: Opened) -> None:
    journal, other = store.another(), store.another()
    create(journal, "e1")
    create(journal, "e2")
    assert other.claim("e1", "other", now=2.0 + LEASE_S) is not None
    journal.pools.lock({"db": -1}, "me", 10.0)
    journal.pools.want([Wanted("db", "me", "p", "dev", b"[1]")])
    both = [append("e1", 2, (lease("a"),)), append("e2", 2, (lease("b"),))]
    with pytest.raises(LeaseLostError):
        journal.commit(both, durable=True)
    journal.commit(both[1:], durable=True)
    assert [execution for execution, _ in journal.pools.leases("db")] == ["e2"]


def test_a_commit_that_is_repeated_counts_once(store: Opened) -> None:
    journal, other = store.another(), store.another()
    create(journal, "e1")
    journal.pools.lock({"db": -1}, "me", 10.0)
    again = append("e1", 2, (lease("a", 2),))
    journal.commit([again], durable=True)
    journal.commit([again], durable=True)
    assert look(other, {"db": -1}).holdings == [Holding("db", "p", "dev", 2, 0.0, 10.0)]


CAPACITY = 3


def compete(journal: Journal, execution: str) -> int:
    """Take a unit whenever one is free, and give one back otherwise; return how many were taken."""
    create(journal, execution)
    held: list[Lease] = []
    taken, seq, known = 0, 2, {"db": -1}
    used: dict[tuple[str, str], int] = {}
    for number in range(60):
        shared = journal.pools.lock(known, execution, float(number))
        used.update({(each.project, each.domain): each.units for each in shared.holdings})
        known = shared.versions
        assert sum(used.values()) <= CAPACITY
        if sum(used.values()) < CAPACITY:
            held.append(lease(f"n{seq}", domain=execution))
            journal.commit([append(execution, seq, (held[-1],), at=float(number))], durable=True)
            taken, seq = taken + 1, seq + 1
            continue
        journal.pools.unlock()
        if held:
            journal.commit([append(execution, seq, released=(held.pop(0),), at=float(number))], durable=False)
            seq += 1
    journal.commit([append(execution, seq, released=tuple(held), at=100.0)], durable=False)
    return taken


def test_never_more_is_held_than_there_is(store: Opened) -> None:
    journals = [store.another() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(compete, journals, ["e1", "e2", "e3", "e4"]))
    assert sum(taken) > 4 * CAPACITY
    assert store.another().pools.leases("db") == []


def test_a_rate_is_changed_by_one_at_a_time(store: Opened) -> None:
    journals = [store.another() for _ in range(4)]

    def count(journal: Journal) -> None:
        for _ in range(25):
            journal.pools.change_rate("athena:primary", "read", lambda body: b"%d" % (int(body or b"0") + 1))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, journals))
    seen: list[bytes] = []
    journals[0].pools.change_rate("athena:primary", "read", lambda body: seen.append(body) or body)  # type: ignore[func-returns-value]
    assert seen == [b"100"]


def test_slots_of_a_rate_are_given_out_once(store: Opened) -> None:
    ledgers = [SharedLedger(store.another().pools, lambda: 0.0) for _ in range(2)]
    key, limit = RateKey("athena:primary", "write"), Limit(10.0, burst=1)
    slots = [ledgers[number % 2].reserve(key, limit, 100.0, 1, 200.0).slots[0] for number in range(4)]
    assert slots == pytest.approx([100.0, 100.1, 100.2, 100.3])
    change = ledgers[0].throttled(key, limit, 100.5, 100.4, 7.0)
    assert change.after.closed_until == 107.5
    assert ledgers[1].reserve(key, limit, 101.0, 1, 102.0).slots == []
    assert ledgers[1].relax(key, limit, 120.0).after.per_s > change.after.per_s
