"""The store: whether it can be reached, read and written, and whether its clock is ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from hardpoint.executor.doctor.clock import file_time, of_server
from hardpoint.executor.doctor.findings import error, ok, warning
from hardpoint.executor.home import JOURNAL_FILE, journal_url
from hardpoint.executor.journal.database import Database, Session
from hardpoint.executor.journal.events import JOURNAL_FORMAT
from hardpoint.executor.journal.postgresql import PostgresqlDatabase
from hardpoint.executor.journal.sqlite import SqliteDatabase
from hardpoint.plugin_api import Clock, Finding, HardpointError, Severity

SPACE_SCARCE_BYTES = 1 << 30
SPACE_GONE_BYTES = 64 << 20

_ELSEWHERE = "Set HARDPOINT_HOME to a folder that you may write to"


class Store(msgspec.Struct, frozen=True):
    """What was found of a store.

    Args:
        findings: About it.
        url: Of its journal; empty if there is none that can be read.
    """

    findings: tuple[Finding, ...]
    url: str = ""

    @property
    def problem(self) -> Finding | None:
        """The first that keeps it from being used."""
        return next((each for each in self.findings if each.severity is Severity.ERROR), None)


def look_at_store(home: Path, environ: Mapping[str, str], clock: Clock) -> Store:
    """Look at a store and change nothing.

    Args:
        home: Its folder.
        environ: Says where its journal lies.
        clock: Ours.
    """
    url = journal_url("", environ)
    findings = list(_of_folder(home, clock))
    if url == "memory":
        return Store((*findings, ok("store", "the journal is kept in memory")))
    path = home / JOURNAL_FILE
    if url == "sqlite" and not path.exists():
        return Store((*findings, ok("store", f"no store in `{home}` yet")))
    try:
        database: Database = SqliteDatabase(path) if url == "sqlite" else PostgresqlDatabase(url)
        found = list(_of_database(database, clock))
    except HardpointError as problem:
        return Store((*findings, error("store", problem.message, problem.hint)))
    store = Store((*findings, *found), url)
    has_tables = any(each.subject == "format" for each in found)
    return store if store.problem is None and has_tables else Store(store.findings)


def _of_folder(home: Path, clock: Clock) -> Iterator[Finding]:
    folder = next(each for each in (home, *home.parents) if each.exists())
    if not folder.is_dir():
        yield error("store", f"`{folder}` is not a folder", _ELSEWHERE)
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield error("store", f"`{folder}` is not writable", _ELSEWHERE)
        return
    yield _of_space(shutil.disk_usage(folder).free, folder)
    if folder != home:
        return
    try:
        yield of_server(lambda: file_time(home), clock, f"the clock of the file system of `{home}`")
    except OSError as problem:
        yield error("store", f"`{home}` cannot be written: {problem.strerror or problem}", _ELSEWHERE)


def _of_space(free_bytes: int, folder: Path) -> Finding:
    left = f"{free_bytes / (1 << 30):.1f} GiB free at `{folder}`"
    hint = "Free some space there, or set HARDPOINT_HOME to a folder with more"
    if free_bytes < SPACE_GONE_BYTES:
        return error("space", left, hint)
    if free_bytes < SPACE_SCARCE_BYTES:
        return warning("space", left, hint)
    return ok("space", left)


def _of_database(database: Database, clock: Clock) -> Iterator[Finding]:
    # Once, where the journal itself would try again: whoever asks wants to know how it is now.
    session: Session | None = None
    try:
        session = Session(database)
        yield ok("store", f"`{database.where}` can be read")
        if session.rows(database.has_tables):
            yield _of_format(session, database)
        if isinstance(database, PostgresqlDatabase):
            yield from _of_postgresql(session, database, clock)
        elif not os.access(database.where, os.W_OK):
            yield error("store", f"`{database.where}` is not writable", "Check the file's owner and rights")
    except database.driver_error as problem:
        explained = database.explain(problem)
        yield error("store", explained.message, explained.hint)
    finally:
        if session is not None:
            session.close()


def _of_format(session: Session, database: Database) -> Finding:
    ((number,),) = session.rows("SELECT journal FROM formats") or [(0,)]
    if number > JOURNAL_FORMAT:
        return error(
            "format",
            f"`{database.where}` has journal format {number}; this hardpoint reads up to {JOURNAL_FORMAT}",
            f"Run `pip install --upgrade hardpoint`, or {database.elsewhere}",
        )
    older = f"; the next run makes it {JOURNAL_FORMAT}" if number < JOURNAL_FORMAT else ""
    return ok("format", f"journal format {number}{older}")


def _of_postgresql(session: Session, database: PostgresqlDatabase, clock: Clock) -> Iterator[Finding]:
    read_only = session.row("SELECT current_setting('transaction_read_only')")
    if read_only == ("on",):
        yield error(
            "store",
            f"`{database.where}` can only be read",
            "Connect to the primary: add `target_session_attrs=read-write` to the URL",
        )
    elif session.row("SELECT 1 WHERE NOT has_table_privilege(to_regclass('executions'), 'INSERT')"):
        yield error(
            "store",
            f"`{database.where}` can only be read by this user",
            "Let the user write there: `GRANT ALL ON ALL TABLES IN SCHEMA public TO USER`",
        )

    def now_there() -> float:
        ((now,),) = session.rows("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS float8)")
        return float(now)

    yield of_server(now_there, clock, f"the clock of `{database.where}`")
