"""Every journal keeps its promises; those in a database also after damage."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest

from hardpoint.executor.journal.events import (
    JOURNAL_FORMAT,
    AbortRequested,
    AttemptStarted,
    Event,
    RunPhase,
    Submitted,
)
from hardpoint.executor.journal.opening import existing_journal, open_journal
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    CachedOutputs,
    ExecutionExistsError,
    ExecutionNotFoundError,
    ExecutionRow,
    Journal,
    JournalConflictError,
    JournalDamagedError,
    JournalUnavailableError,
    LeaseLostError,
)
from hardpoint.executor.journal.sql import JournalFormatError
from hardpoint.plugin_api import ErrorInfo

SUBMITTED = Submitted(1.0, "flow", "d1", {"x": 10**25}, "", "p", "dev")


DATABASES = ("sqlite", "postgresql")


def url_of(kind: str, request: pytest.FixtureRequest) -> str:
    """How to open a new journal of that kind."""
    return str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind


@pytest.fixture(params=["memory", *DATABASES])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made = open_journal(tmp_path, url_of(request.param, request))
    yield made
    made.close()


class Store:
    """A database that can be opened as a journal, several times, and changed behind the journal's back."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        self.opened: list[Journal] = []

    def open(self) -> Journal:
        self.opened.append(open_journal(self.home, self.url))
        return self.opened[-1]

    def change(self, sql: str, **values: object) -> int:
        """Run one statement; return how many rows it concerned."""
        if self.url != "sqlite":
            with psycopg.connect(self.url) as connection:
                return connection.execute(re.sub(r":(\w+)", r"%(\1)s", sql).encode(), values).rowcount
        with closing(sqlite3.connect(self.home / "hardpoint.db", isolation_level=None)) as file:
            return file.execute(sql, values).rowcount


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, url_of(request.param, request))
    yield made
    for journal in made.opened:
        journal.close()


def row(execution: str = "e1", *, at: float = 1.0, owner: str = "me", fence: int = 1) -> ExecutionRow:
    until = at + LEASE_S if owner else 0.0
    return ExecutionRow(
        execution, "flow", "d1", "p", "dev", RunPhase.RUNNING, at, None, None, owner, fence, until
    )


def started(node: str) -> Event:
    return AttemptStarted(2.0, node, 1)


def test_events_come_back_in_order_and_from_where_asked(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    journal.commit([Append("e1", 1, 2, [started("a"), started("b")])], durable=False)
    journal.commit([Append("e1", 1, 4, [started("c")])], durable=True)
    assert journal.read("e1") == [SUBMITTED, started("a"), started("b"), started("c")]
    assert journal.read("e1", after_seq=2) == [started("b"), started("c")]


def test_an_engine_without_the_lease_cannot_write(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    assert journal.claim("e1", "other", now=1.0 + LEASE_S) is not None
    with pytest.raises(LeaseLostError) as caught:
        journal.commit([Append("e1", 1, 2, [started("a")])], durable=False)
    assert caught.value.message == "Run `e1` belongs to `other` now; this engine stops writing to it"
    assert journal.read("e1") == [SUBMITTED]


def test_one_lost_lease_undoes_the_whole_group(journal: Journal) -> None:
    journal.create(row("e1"), b"{}", [SUBMITTED])
    journal.create(row("e2"), b"{}", [SUBMITTED])
    appends = [Append("e1", 1, 2, [started("a")]), Append("e2", 9, 2, [started("a")])]
    with pytest.raises(LeaseLostError):
        journal.commit(appends, durable=False)
    assert journal.read("e1") == [SUBMITTED]


def test_the_same_commit_again_changes_nothing(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    ended = msgspec.structs.replace(row(), phase=RunPhase.FAILED, error=ErrorInfo("E", "m"), error_node="a")
    kept = CachedOutputs("k1", "e1", "a", {"result": 1}, 5.0)
    plain = [Append("e1", 1, 2, [started("a")])]
    full = [Append("e1", 1, 3, [started("b")], ended, [kept])]
    for appends in (plain, plain, full, full):
        journal.commit(appends, durable=True)
    assert journal.read("e1") == [SUBMITTED, started("a"), started("b")]
    assert (journal.row("e1"), journal.cached(["k1"])) == (ended, {"k1": kept})


def test_the_same_commit_again_is_refused_once_the_lease_is_lost(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    appends = [Append("e1", 1, 2, [started("a")])]
    journal.commit(appends, durable=True)
    assert journal.claim("e1", "other", now=1.0 + LEASE_S) is not None
    with pytest.raises(LeaseLostError):
        journal.commit(appends, durable=True)


def test_other_events_in_the_same_place_are_refused(journal: Journal) -> None:
    journal.create(row("e0"), b"{}", [SUBMITTED])
    journal.create(row("e1"), b"{}", [SUBMITTED])
    journal.commit([Append("e1", 1, 2, [started("a")])], durable=False)
    other = Append("e1", 1, 2, [started("b")])
    for appends in ([other], [Append("e0", 1, 2, [started("a")]), other]):
        with pytest.raises(JournalConflictError) as caught:
            journal.commit(appends, durable=False)
        assert str(caught.value) == (
            "The journal of run `e1` has other events from 2 on than this engine's\n\n"
            "hint: `hardpoint executions resume e1` goes on from what the journal has"
        )
    assert (journal.read("e0"), journal.read("e1")) == ([SUBMITTED], [SUBMITTED, started("a")])


def test_a_commit_of_many_runs_is_one(journal: Journal) -> None:
    names = [f"e{number}" for number in range(20)]
    for name in names:
        journal.create(row(name), b"{}", [SUBMITTED])
    appends = [Append(name, 1, 2, [started("a")]) for name in names]
    journal.commit(appends, durable=False)
    journal.commit([*appends[:5], Append("e7", 1, 3, [started("b")])], durable=False)
    assert {len(journal.read(name)) for name in names if name != "e7"} == {2}
    assert journal.read("e7") == [SUBMITTED, started("a"), started("b")]


def test_an_id_is_given_once(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    journal.create(row(), b"{}", [SUBMITTED])
    with pytest.raises(ExecutionExistsError) as caught:
        journal.create(row(), b"{}", [SUBMITTED, started("a")])
    assert str(caught.value) == (
        "There is a run `e1` in this store already\n\n"
        "hint: Choose another id, or go on with it: `hardpoint executions resume e1`"
    )
    assert journal.read("e1") == [SUBMITTED]


def test_a_summary_leaves_the_lease_alone(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    assert journal.renew({"e1": 1}, now=50.0) == set()
    journal.commit([Append("e1", 1, 2, [started("a")], row())], durable=False)
    assert journal.row("e1").lease_until == 50.0 + LEASE_S


def test_many_leases_are_renewed_and_given_back_together(journal: Journal) -> None:
    owned = {f"e{number}": 1 for number in range(30)}
    for name in owned:
        journal.create(row(name), b"{}", [SUBMITTED])
    assert journal.claim("e3", "other", now=1.0 + LEASE_S) is not None
    assert journal.renew({**owned, "gone": 1}, now=100.0) == {"e3", "gone"}
    assert journal.abandoned(now=100.0, limit=99) == [journal.row("e3")]
    journal.release({**owned, "gone": 1})
    assert [each.owner for each in journal.rows() if each.owner] == ["other"]


def test_abandoned_runs_are_found_oldest_first(journal: Journal) -> None:
    journal.create(row("ended", at=1.0, owner=""), b"{}", [SUBMITTED])
    done = msgspec.structs.replace(row("ended", at=1.0, owner=""), phase=RunPhase.SUCCEEDED)
    journal.commit([Append("ended", 1, 2, [started("a")], done)], durable=False)
    for name, at, owner in (("live", 5.0, "me"), ("new", 4.0, ""), ("dead", 2.0, "it"), ("old", 3.0, "")):
        journal.create(row(name, at=at, owner=owner), b"{}", [SUBMITTED])
    assert [each.execution for each in journal.abandoned(2.0 + LEASE_S, 9)] == ["dead", "old", "new"]
    assert [each.execution for each in journal.abandoned(2.0, 9)] == ["old", "new"]
    assert [each.execution for each in journal.abandoned(2.0 + LEASE_S, 1)] == ["dead"]


def test_a_lease_is_taken_only_when_free_or_lapsed(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    assert journal.claim("e1", "other", now=2.0) is None
    forced = journal.claim("e1", "other", now=2.0, force=True)
    assert forced is not None
    assert (forced.owner, forced.fence) == ("other", 2)
    assert journal.renew({"e1": 1}, now=3.0) == {"e1"}
    assert journal.renew({"e1": 2}, now=3.0) == set()
    journal.release({"e1": 2})
    taken = journal.claim("e1", "third", now=3.0)
    assert taken is not None
    assert taken.fence == 3


def test_summaries_are_listed_newest_first(journal: Journal) -> None:
    for number in range(3):
        journal.create(row(f"e{number}", at=float(number)), b"{}", [SUBMITTED])
    assert [each.execution for each in journal.rows()] == ["e2", "e1", "e0"]
    assert journal.rows(phases=[RunPhase.FAILED]) == []
    assert len(journal.rows(limit=2)) == 2


def test_cached_outputs_are_kept_with_the_events(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    kept = CachedOutputs("k1", "e1", "a", {"result": [1, "nan", None]}, 5.0)
    journal.commit([Append("e1", 1, 2, [started("a")], cached=[kept])], durable=False)
    assert journal.cached(["k1", "k2"]) == {"k1": kept}


def test_an_unknown_run_is_named_with_the_latest(journal: Journal) -> None:
    journal.create(row("e1"), b"{}", [SUBMITTED])
    with pytest.raises(ExecutionNotFoundError) as caught:
        journal.row("e2")
    assert str(caught.value) == (
        "No run `e2` in this store; the latest: `e1`\n\n"
        "hint: `hardpoint executions list` shows all; `HARDPOINT_HOME` chooses the store"
    )


def test_it_survives_its_process(store: Store) -> None:
    store.open().create(row(), b'{"main": "flow"}', [SUBMITTED])
    second = store.open()
    assert second.read("e1") == [SUBMITTED]
    assert second.workflow("d1") == b'{"main": "flow"}'


def test_a_damaged_tail_is_named_and_set_aside(store: Store) -> None:
    journal = store.open()
    journal.create(row(), b"{}", [SUBMITTED])
    journal.commit([Append("e1", 1, 2, [started("a")])], durable=False)
    journal.commit([Append("e1", 1, 3, [started("b")])], durable=False)
    assert store.change("UPDATE groups SET events = :to WHERE first_seq = 3", to=b'[["started",2.0,"b"') == 1
    with pytest.raises(JournalDamagedError) as caught:
        journal.read("e1")
    assert str(caught.value) == (
        "The journal of run `e1` is damaged from event 3 on: its checksum does not match\n\n"
        "hint: The 2 events before it are intact; `hardpoint executions resume e1 --drop-damaged` "
        "sets the rest aside and goes on from there"
    )
    assert journal.drop_damaged("e1") == 2
    assert journal.read("e1") == [SUBMITTED, started("a")]


def test_a_gap_is_damage(store: Store) -> None:
    journal = store.open()
    journal.create(row(), b"{}", [SUBMITTED])
    journal.commit([Append("e1", 1, 5, [started("a")])], durable=False)
    with pytest.raises(JournalDamagedError, match="events 2 to 4 are missing"):
        journal.read("e1")


def test_a_newer_store_is_refused(store: Store) -> None:
    store.open()
    store.change("UPDATE formats SET journal = 99")
    with pytest.raises(JournalFormatError) as caught:
        store.open()
    assert caught.value.message.endswith(
        f"has journal format 99; this hardpoint reads up to {JOURNAL_FORMAT}"
    )


def test_an_older_store_is_marked_when_it_is_written_not_when_it_is_read(store: Store) -> None:
    store.open().create(row(owner=""), b"{}", [SUBMITTED])
    store.change("UPDATE formats SET journal = 0")
    store.change("DROP INDEX executions_queued")
    store.change("DROP TABLE tenants")
    store.change("ALTER TABLE executions DROP COLUMN priority")
    journal = store.open()
    assert [each.execution for each in journal.abandoned(1.0, 9)] == ["e1"]
    assert journal.row("e1").priority == 0
    assert store.change("UPDATE formats SET journal = 0 WHERE journal = 0") == 1
    assert journal.claim("e1", "me", now=2.0) is not None
    assert store.change("UPDATE formats SET journal = 0 WHERE journal = :now", now=JOURNAL_FORMAT) == 1
    store.change("DROP INDEX executions_queued")
    store.change("DROP TABLE tenants")


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "hardpoint.db"
    file.write_text("not a database, but long enough to be read as a header " * 10)
    with pytest.raises(JournalUnavailableError) as caught:
        open_journal(tmp_path, "sqlite")
    assert str(caught.value) == (
        f"The store `{file}` cannot be used: file is not a database\n\n"
        "hint: Restore the file from a backup, or choose another store with HARDPOINT_HOME"
    )


def test_looking_makes_no_store(tmp_path: Path) -> None:
    assert existing_journal(tmp_path, "sqlite").rows() == []
    assert list(tmp_path.iterdir()) == []


def test_events_tell_what_they_are(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED, AbortRequested(2.0, "why")])
    assert journal.read("e1")[1] == AbortRequested(2.0, "why")
