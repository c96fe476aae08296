"""What the doctor says of a store: SQLite and PostgreSQL, well, damaged, and with another clock."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import psycopg
import pytest

from hardpoint.executor.doctor.examination import Place, examine
from hardpoint.executor.doctor.store import look_at_store
from hardpoint.executor.home import JOURNAL_FILE
from hardpoint.executor.journal.opening import open_journal
from hardpoint.plugin_api import Finding, Severity
from hardpoint.registry import Permits, load_registry


class ShiftedClock:
    """The machine's, put forward."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self._ahead_s = ahead_s

    def now(self) -> float:
        return time.time() + self._ahead_s

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


def look(home: Path, ahead_s: float = 0.0, **environ: str) -> dict[str, Finding]:
    """The worst finding of each subject."""
    found: dict[str, Finding] = {}
    for each in look_at_store(home, environ, ShiftedClock(ahead_s)).findings:
        if each.subject not in found or found[each.subject].severity is Severity.OK:
            found[each.subject] = each
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    open_journal(tmp_path, "sqlite").close()
    return tmp_path


def test_a_sound_store_is_well_in_every_respect(home: Path) -> None:
    before = sorted(home.iterdir())
    found = look(home)
    assert {each.severity for each in found.values()} == {Severity.OK}
    assert set(found) == {"space", "clock", "store", "format"}
    assert sorted(home.iterdir()) == before


@pytest.mark.parametrize(("ahead_s", "words"), [(5.0, "5.0 s behind ours"), (-5.0, "5.0 s ahead of ours")])
def test_a_file_system_with_another_clock_is_a_warning(home: Path, ahead_s: float, words: str) -> None:
    told = look(home, ahead_s)["clock"]
    assert told.severity is Severity.WARNING
    assert told.message == f"the clock of the file system of `{home}` is {words}"
    assert "time servers" in told.hint


def test_two_seconds_are_let_pass(home: Path) -> None:
    assert look(home, 1.8)["clock"].severity is Severity.OK


def test_a_skewed_clock_is_among_what_the_whole_examination_finds(home: Path) -> None:
    registry = load_registry(permits=Permits(safe_mode=True))
    found = examine(registry, Place(home, {}, home), "hardpoint", ShiftedClock(60.0))
    (told,) = (each.finding for each in found.told if each.finding.subject == "clock")
    assert told.severity is Severity.WARNING


def test_a_damaged_file_is_an_error(home: Path) -> None:
    (home / JOURNAL_FILE).write_bytes(b"no database at all" * 1000)
    told = look(home)["store"]
    assert told.severity is Severity.ERROR
    assert told.message == f"The store `{home / JOURNAL_FILE}` cannot be used: file is not a database"
    assert told.hint.startswith("Restore the file from a backup")


def test_a_store_of_a_newer_hardpoint_is_an_error(home: Path) -> None:
    connection = sqlite3.connect(home / JOURNAL_FILE)
    connection.execute("UPDATE formats SET journal = 99")
    connection.commit()
    connection.close()
    told = look(home)["format"]
    assert told.severity is Severity.ERROR
    assert "has journal format 99" in told.message
    assert "pip install --upgrade hardpoint" in told.hint


def test_a_home_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    assert look(tmp_path / "home")["store"].message == f"`{tmp_path}/home` is not a folder"


def test_a_home_that_cannot_be_written_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Rights in the file system would not do: tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != home)
    assert look(home)["store"].message == f"`{home}` is not writable"


def test_a_journal_in_memory_is_no_problem(tmp_path: Path) -> None:
    assert look(tmp_path, HARDPOINT_JOURNAL="memory")["store"].severity is Severity.OK


def test_a_database_server_is_asked_for_format_rights_and_clock(tmp_path: Path, postgres_url: str) -> None:
    open_journal(tmp_path, postgres_url).close()
    found = look(tmp_path, HARDPOINT_JOURNAL=postgres_url)
    assert {each.severity for each in found.values()} == {Severity.OK}
    assert "format" in found
    told = look(tmp_path, 30.0, HARDPOINT_JOURNAL=postgres_url)["clock"]
    assert told.severity is Severity.WARNING


def test_a_database_without_tables_is_looked_at_and_left_so(tmp_path: Path, postgres_url: str) -> None:
    store = look_at_store(tmp_path, {"HARDPOINT_JOURNAL": postgres_url}, ShiftedClock())
    assert (store.problem, store.url) == (None, "")
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regclass('formats')").fetchone() == (None,)


def test_a_database_that_can_only_be_read_is_an_error(tmp_path: Path, postgres_url: str) -> None:
    open_journal(tmp_path, postgres_url).close()
    separator = "&" if "?" in postgres_url else "?"
    read_only = f"{postgres_url}{separator}options=-c%20default_transaction_read_only%3Don"
    told = look(tmp_path, HARDPOINT_JOURNAL=read_only)["store"]
    assert (told.severity, told.message.endswith("can only be read")) == (Severity.ERROR, True)


def test_a_user_who_may_only_read_is_told_so(tmp_path: Path, postgres_url: str) -> None:
    open_journal(tmp_path, postgres_url).close()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE doctor_reader LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_reader")
        try:
            url = postgres_url.replace("postgres@", "doctor_reader@")
            told = look(tmp_path, HARDPOINT_JOURNAL=url)["store"]
        finally:
            connection.execute("DROP OWNED BY doctor_reader")
            connection.execute("DROP ROLE doctor_reader")
    assert (told.severity, told.message) == (Severity.ERROR, f"`{url}` can only be read by this user")


def test_a_url_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    told = look(tmp_path, HARDPOINT_JOURNAL="mysql://me@db/runs")["store"]
    assert (told.severity, told.message) == (Severity.ERROR, "No journal can lie in `mysql://`")
