"""Whose error it is, and where in the SQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
import sqlalchemy as sa

from hardpoint.plugin_api import (
    ErrorKind,
    HardpointError,
    SimpleKind,
    SimpleType,
    ThrottledError,
    TransientError,
)
from hardpoint_sql.failure import QueryFailed
from hardpoint_sql.sqlalchemy_client import _kind_of

if TYPE_CHECKING:
    from tests.sql_attempts import Attempts

pytest_plugins = ["tests.sql_attempts"]

INT, STR = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)
X = {"x": (STR, "word")}


def refusal(attempt: Attempts, url: str, sql: str, **more: object) -> HardpointError:
    with pytest.raises(HardpointError) as caught:
        attempt(sql, url=url, **more)  # type: ignore[arg-type]
    return caught.value


CARETS = [
    ("duckdb", "SELECT 1;\n\n  SELECT 2\n  FORM t", "4 |   FORM t\n  |        ^"),
    (
        "duckdb",
        "SELECT 1; SELECT '日本', \tamonut + 1 FROM range(3)",
        "1 | SELECT 1; SELECT '日本',  amonut + 1 FROM range(3)\n  |                           ^",
    ),
    (
        "duckdb",
        "-- a\nSELECT '10:30', :x, CAST(:x AS INTEGER)",
        "2 | SELECT '10:30', :x, CAST(:x AS INTEGER)\n  |                     ^",
    ),
    ("duckdb", "SELECT 1;\nSELECT nope", "2 | SELECT nope\n  |        ^"),
    ("sqlite", "SELECT 1;\n SELECT * FORM t", "2 |  SELECT * FORM t\n  |           ^"),
    ("sqlite", "SELECT 1;\nSELECT nope,\n  1", "2 | SELECT nope,\n  |        ^"),
    ("postgresql", "SELECT 1;\n SELECT nope", "2 |  SELECT nope\n  |         ^"),
    ("postgresql", "SELECT '10%',\n :x, :x, nope", "2 |  :x, :x, nope\n  |          ^"),
    (
        "postgresql",
        "SELECT :x || :x FORM t WHERE",
        "1 | SELECT :x || :x FORM t WHERE\n  |                      ^",
    ),
]


@pytest.mark.parametrize(("kind", "sql", "shown"), CARETS)
def test_the_failing_line_is_shown_under_a_caret(
    attempt: Attempts, url_of: Callable[[str], str], kind: str, sql: str, shown: str
) -> None:
    error = refusal(attempt, url_of(kind), sql, inputs=X if ":x" in sql else {})
    assert isinstance(error, QueryFailed)
    assert error.message.rpartition("\n\n")[2] == shown


def test_the_message_names_file_and_statement(attempt: Attempts) -> None:
    error = refusal(attempt, "", "SELECT 1;\nSELEC 2", file="sql/daily.sql")
    assert error.message == (
        'Statement 2 of `sql/daily.sql` failed: Parser Error: syntax error at or near "SELEC"\n\n'
        "2 | SELEC 2\n  | ^"
    )


def test_the_hint_of_postgresql_is_kept(attempt: Attempts, url_of: Callable[[str], str]) -> None:
    error = refusal(attempt, url_of("postgresql"), "SELECT amonut FROM (SELECT 1 AS amount) AS t")
    assert error.message.partition("\n\n")[0] == (
        'The query failed: column "amonut" does not exist\n'
        'HINT:  Perhaps you meant to reference the column "t.amount".'
    )


KINDS = ("duckdb", "sqlite", "postgresql")
OF_THE_SQL = [
    "SELEC 1",
    "SELECT nope FROM t",
    "SELECT * FROM nope",
    "SELECT nosuch(1)",
    "INSERT INTO t VALUES (1, 2)",
    "CREATE TABLE t (x INTEGER)",
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_the_sql_is_told_from_what_lies_in_the_rows(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    url = url_of(kind)
    attempt("CREATE TABLE t (x INTEGER CHECK (x < 5))", url=url)
    kinds = {sql: refusal(attempt, url, sql).kind for sql in [*OF_THE_SQL, "INSERT INTO t VALUES (7)"]}
    assert kinds == {
        **dict.fromkeys(OF_THE_SQL, ErrorKind.SYSTEM),
        "INSERT INTO t VALUES (7)": ErrorKind.USER,
    }


class OdbcError(Exception):
    """As ODBC drivers write it: the state comes first."""


class MySqlError(Exception):
    """As PyMySQL writes it: the number comes first."""


@pytest.mark.parametrize(
    ("wrapper", "origin", "kind"),
    [
        (sa.exc.ProgrammingError, OdbcError("42S02", "[42S02] Invalid object name"), ErrorKind.SYSTEM),
        (
            sa.exc.OperationalError,
            OdbcError("08S01", "[08S01] Communication link failure"),
            ErrorKind.TRANSIENT,
        ),
        (sa.exc.IntegrityError, OdbcError("23000", "[23000] Violation of PRIMARY KEY"), ErrorKind.USER),
        (sa.exc.OperationalError, MySqlError(1054, "Unknown column"), ErrorKind.SYSTEM),
        (sa.exc.ProgrammingError, MySqlError(1064, "You have an error in your SQL"), ErrorKind.SYSTEM),
        (sa.exc.OperationalError, MySqlError(1213, "Deadlock found"), ErrorKind.TRANSIENT),
    ],
)
def test_drivers_that_are_not_at_hand_are_read_by_state_and_number(
    wrapper: type[sa.exc.DBAPIError], origin: Exception, kind: ErrorKind
) -> None:
    assert _kind_of(wrapper("SELECT 1", {}, origin), opening=False) is kind


def test_retries_can_name_the_drivers_class(attempt: Attempts) -> None:
    assert refusal(attempt, "", "SELEC 2").info().bases == ("ParserException",)
    assert refusal(attempt, "sqlite://", "SELEC 2").info().bases == ("OperationalError",)


def test_an_empty_duckdb_is_explained(attempt: Attempts) -> None:
    assert "its tables are the inputs that are tables" in refusal(attempt, "", "SELECT * FROM orders").hint


def test_a_transaction_within_one_is_explained(attempt: Attempts) -> None:
    assert "transaction=False" in refusal(attempt, "", "BEGIN").hint


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_duckdb_file_that_another_process_has_is_waited_for(attempt: Attempts, tmp_path: Path) -> None:
    file = str(tmp_path / "data.duckdb")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        error = refusal(attempt, f"duckdb:///{file}", "SELECT 1")
    finally:
        other.communicate("", timeout=30)
    assert isinstance(error, ThrottledError) and error.retry_after_s == 1.0
    assert attempt("SELECT 1", outputs=INT, url=f"duckdb:///{file}") == 1


def test_files_that_are_only_read_are_shared(attempt: Attempts, tmp_path: Path) -> None:
    file = str(tmp_path / "data.duckdb")
    attempt("CREATE TABLE t AS SELECT 5 AS x", url=f"duckdb:///{file}")
    with duckdb.connect(file, read_only=True, config={"python_enable_replacements": False}):
        assert attempt("SELECT x FROM t", outputs=INT, url=f"duckdb:///{file}", read_only=True) == 5
    assert isinstance(refusal(attempt, f"duckdb:///{file}", "DROP TABLE t", read_only=True), QueryFailed)


def test_a_locked_sqlite_is_waited_for(attempt: Attempts, tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "data.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    url = f"sqlite:///{tmp_path}/data.sqlite"
    error = refusal(attempt, url, "CREATE TABLE t (x INTEGER)", options={"timeout": 0.01})
    other.close()
    assert isinstance(error, ThrottledError)


@pytest.mark.parametrize("url", ["", "sqlite://"])
def test_words_of_the_author_do_not_look_like_a_lock(attempt: Attempts, url: str) -> None:
    sql = "SELECT * FROM 'Could not set lock on file'" if not url else "SELECT locked"
    assert isinstance(refusal(attempt, url, sql), QueryFailed)


def test_a_server_that_does_not_answer_may_do_so_later(attempt: Attempts) -> None:
    error = refusal(attempt, "postgresql+psycopg://me@127.0.0.1:1/db", "SELECT 1")
    assert isinstance(error, TransientError)
    assert error.message.startswith("The postgresql database does not open: ")


def test_a_connection_that_is_lost_is_not_the_authors_error(
    attempt: Attempts, url_of: Callable[[str], str]
) -> None:
    error = refusal(attempt, url_of("postgresql"), "SELECT pg_terminate_backend(pg_backend_pid())")
    assert isinstance(error, TransientError)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://host/db", "SQLAlchemy knows no such database: .*nosuch"),
        ("mysql+pymysql://host/db", "The driver is not installed: No module named 'pymysql'"),
        ("sqlite://host:port:x/db", "SQLAlchemy cannot read the URL|Invalid SQLite URL"),
        ("duckdb:////no/such/folder/x.duckdb", "DuckDB does not open: IO Error: Cannot open file"),
    ],
)
def test_a_url_that_leads_nowhere_is_the_authors(attempt: Attempts, url: str, message: str) -> None:
    error = refusal(attempt, "", "SELECT 1", url_secret="URL", secrets={"URL": url})
    assert error.kind is ErrorKind.USER
    assert error.hint or "IO Error" in error.message


SECRET = "postgresql+psycopg://me:s3cr3t@127.0.0.1:1/db?s3cr3t=s3cr3t"


def test_no_error_shows_a_password(attempt: Attempts) -> None:
    for url in (SECRET, SECRET.replace(":1/", ":port/"), SECRET.replace("psycopg", "nosuch")):
        error = refusal(attempt, "", "SELECT 1", url_secret="URL", secrets={"URL": url})
        assert "s3cr3t" not in f"{error}{error!r}{error.info()}"
