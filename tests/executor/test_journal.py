"""Every journal keeps its promises; the one on disk also after damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardpoint.executor.journal.database import JournalUnavailableError
from hardpoint.executor.journal.events import AbortRequested, AttemptStarted, Event, RunPhase, Submitted
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    CachedOutputs,
    Command,
    ExecutionNotFoundError,
    ExecutionRow,
    Journal,
    JournalDamagedError,
    LeaseLostError,
)
from hardpoint.executor.journal.sql import JournalFormatError, SqlJournal

SUBMITTED = Submitted(1.0, "flow", "d1", {"x": 10**25}, "", "p", "dev")


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made: Journal = MemoryJournal() if request.param == "memory" else SqlJournal.at(tmp_path / "j.db")
    yield made
    made.close()


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[SqlJournal]:
    made = SqlJournal.at(tmp_path / "j.db")
    yield made
    made.close()


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


def test_commands_are_taken_once(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED])
    command = Command("c1", "e1", "abort", {"reason": "enough"})
    journal.send(command)
    journal.send(command)
    assert journal.take(["other"]) == []
    assert journal.take(["e1"]) == [command]
    assert journal.take(["e1"]) == []


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


def test_it_survives_its_process(tmp_path: Path) -> None:
    first = SqlJournal.at(tmp_path / "j.db")
    first.create(row(), b'{"main": "flow"}', [SUBMITTED])
    first.close()
    second = SqlJournal.at(tmp_path / "j.db")
    assert second.read("e1") == [SUBMITTED]
    assert second.workflow("d1") == b'{"main": "flow"}'
    second.close()


def test_a_damaged_tail_is_named_and_set_aside(on_disk: SqlJournal, tmp_path: Path) -> None:
    on_disk.create(row(), b"{}", [SUBMITTED])
    on_disk.commit([Append("e1", 1, 2, [started("a")])], durable=False)
    on_disk.commit([Append("e1", 1, 3, [started("b")])], durable=False)
    with sqlite3.connect(tmp_path / "j.db") as raw:
        raw.execute("UPDATE groups SET events = ? WHERE first_seq = 3", (b'[["started",2.0,"b"',))
    raw.close()
    with pytest.raises(JournalDamagedError) as caught:
        on_disk.read("e1")
    assert str(caught.value) == (
        "The journal of run `e1` is damaged from event 3 on: its checksum does not match\n\n"
        "hint: The 2 events before it are intact; `hardpoint executions resume e1 --drop-damaged` "
        "sets the rest aside and goes on from there"
    )
    assert on_disk.drop_damaged("e1") == 2
    assert on_disk.read("e1") == [SUBMITTED, started("a")]


def test_a_gap_is_damage(on_disk: SqlJournal, tmp_path: Path) -> None:
    on_disk.create(row(), b"{}", [SUBMITTED])
    on_disk.commit([Append("e1", 1, 5, [started("a")])], durable=False)
    with pytest.raises(JournalDamagedError, match="events 2 to 4 are missing"):
        on_disk.read("e1")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    SqlJournal.at(tmp_path / "j.db").close()
    with sqlite3.connect(tmp_path / "j.db") as raw:
        raw.execute("UPDATE formats SET journal = 99")
    raw.close()
    with pytest.raises(JournalFormatError) as caught:
        SqlJournal.at(tmp_path / "j.db")
    assert caught.value.message.endswith("has journal format 99; this hardpoint reads up to 1")


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_text("not a database, but long enough to be read as a header " * 10)
    with pytest.raises(JournalUnavailableError) as caught:
        SqlJournal.at(tmp_path / "j.db")
    assert str(caught.value) == (
        f"The store `{tmp_path / 'j.db'}` cannot be used: file is not a database\n\n"
        "hint: Restore the file from a backup, or choose another store with HARDPOINT_HOME"
    )


def test_events_tell_what_they_are(journal: Journal) -> None:
    journal.create(row(), b"{}", [SUBMITTED, AbortRequested(2.0, "why")])
    assert journal.read("e1")[1] == AbortRequested(2.0, "why")
