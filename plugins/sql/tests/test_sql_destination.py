"""Results that become tables of the database itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from hardpoint.plugin_api import ErrorKind, FrameType, SimpleKind, SimpleType, UsageError
from hardpoint.plugin_api.query_task import Destination, Write
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_sql.failure import QueryFailed

if TYPE_CHECKING:
    from tests.sql_attempts import Attempts

pytest_plugins = ["tests.sql_attempts"]

KINDS = ("duckdb", "sqlite", "postgresql")
SCHEMAS = {"duckdb": "main", "sqlite": "main", "postgresql": "public"}
INT, STR, FRAME = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR), FrameType("pandas")
ROWS = "SELECT :n AS n, :word AS word"


def to(table: str, write: Write = "create") -> Destination:
    return Destination(Identifier(table), write)


def given(n: int, word: str) -> dict[str, Any]:
    return {"n": (INT, n), "word": (STR, word)}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> str:
    return url_of(request.param)


def kept(attempt: Attempts, url: str, table: str = "kept") -> list[tuple[int, str]]:
    frame = attempt(f'SELECT n, word FROM "{table}" ORDER BY n', outputs=FRAME, url=url)
    return list(frame.itertuples(index=False, name=None))


def test_the_last_statement_becomes_the_table(attempt: Attempts, url: str) -> None:
    sql = f"CREATE TEMPORARY TABLE part (x INTEGER); -- first\n{ROWS} WHERE EXISTS (SELECT 1) -- last"
    found = attempt(sql, given(1, "a'; DROP"), {"table": STR}, url=url, destination=to("kept"))
    assert found == {"table": "kept"}
    assert kept(attempt, url) == [(1, "a'; DROP")]


def test_rows_are_added_to_a_table(attempt: Attempts, url: str) -> None:
    attempt("CREATE TABLE kept (n INTEGER, word VARCHAR(20))", url=url)
    for n in (1, 2):
        attempt(ROWS, given(n, "x"), url=url, destination=to("kept", "append"))
    attempt("WITH two AS (SELECT 3 AS n) SELECT n, 'y' FROM two", url=url, destination=to("kept", "append"))
    assert kept(attempt, url) == [(1, "x"), (2, "x"), (3, "y")]


def test_a_table_is_replaced_whatever_columns_it_had(attempt: Attempts, url: str) -> None:
    for n in (1, 2):
        attempt(ROWS, given(n, "x"), url=url, destination=to("kept", "replace"))
    assert kept(attempt, url) == [(2, "x")]
    attempt("SELECT 7 AS other", url=url, destination=to("kept", "replace"))
    assert attempt("SELECT other FROM kept", outputs=INT, url=url) == 7


def test_a_table_that_is_there_is_not_created_again(attempt: Attempts, url: str) -> None:
    attempt(ROWS, given(1, "x"), url=url, destination=to("kept"))
    with pytest.raises(QueryFailed, match="already exists") as caught:
        attempt(ROWS, given(2, "x"), url=url, destination=to("kept"))
    assert caught.value.kind is ErrorKind.SYSTEM
    assert 'write="replace"' in caught.value.hint
    assert kept(attempt, url) == [(1, "x")]


def test_a_table_that_is_not_there_gets_no_rows(attempt: Attempts, url: str) -> None:
    with pytest.raises(QueryFailed, match="nosuch"):
        attempt("SELECT 1 AS x", url=url, destination=to("nosuch", "append"))


@pytest.mark.parametrize("write", ["create", "append", "replace"])
def test_a_destination_that_fails_leaves_all_as_it_was(attempt: Attempts, url: str, write: Write) -> None:
    attempt(ROWS, given(1, "x"), url=url, destination=to("kept"))
    attempt("CREATE TABLE log (x INTEGER)", url=url)
    with pytest.raises(QueryFailed):
        attempt(
            "INSERT INTO log VALUES (1); SELECT n, nosuch FROM kept", url=url, destination=to("kept", write)
        )
    assert kept(attempt, url) == [(1, "x")]
    assert attempt("SELECT count(*) FROM log", outputs=INT, url=url) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["order", "Mixed-Case", "a$b", "größe"])
def test_a_name_is_quoted_with_its_schema(
    attempt: Attempts, url_of: Callable[[str], str], kind: str, name: str
) -> None:
    url = url_of(kind)
    for write in ("replace", "append"):
        attempt(ROWS, given(1, "x"), url=url, destination=to(f"{SCHEMAS[kind]}.{name}", write))
    assert kept(attempt, url, name) == [(1, "x")] * 2


def test_a_table_of_python_is_loaded_into_duckdb(attempt: Attempts, url_of: Callable[[str], str]) -> None:
    url, frame = url_of("duckdb"), pd.DataFrame({"n": [2, 1], "word": ["b", "a"]})
    for _ in range(2):
        attempt("SELECT * FROM kept", {"kept": (FRAME, frame)}, url=url, destination=to("kept", "replace"))
    assert kept(attempt, url) == [(1, "a"), (2, "b")]


def test_a_duckdb_table_may_be_replaced_by_what_is_read_from_it(
    attempt: Attempts, url_of: Callable[[str], str]
) -> None:
    url = url_of("duckdb")
    attempt(ROWS, given(1, "x"), url=url, destination=to("kept"))
    attempt("SELECT n + 1 AS n, word FROM kept", url=url, destination=to("kept", "replace"))
    assert kept(attempt, url) == [(2, "x")]


CARETS = [
    ("duckdb", "SELECT 1;\n\n  SELECT 2\n  FORM t", "4 |   FORM t\n  |        ^"),
    (
        "duckdb",
        "SELECT '日本', amonut FROM range(3)",
        "1 | SELECT '日本', amonut FROM range(3)\n  |                ^",
    ),
    ("duckdb", "SELECT 1; SELECT 1,\n nope", "2 |  nope\n  |  ^"),
    ("sqlite", "SELECT nope,\n  1", "1 | SELECT nope,\n  |        ^"),
    (
        "postgresql",
        "SELECT 1; SELECT '10%', nope",
        "1 | SELECT 1; SELECT '10%', nope\n  |                         ^",
    ),
    ("postgresql", "SELECT '%',\n :x, :x, nope", "2 |  :x, :x, nope\n  |          ^"),
    ("postgresql", "SELECT :x || nope", "1 | SELECT :x || nope\n  |              ^"),
]


@pytest.mark.parametrize("write", ["create", "append", "replace"])
@pytest.mark.parametrize(("kind", "sql", "shown"), CARETS)
def test_the_caret_stands_in_what_the_author_wrote(
    attempt: Attempts, url_of: Callable[[str], str], kind: str, sql: str, shown: str, write: Write
) -> None:
    url, inputs = url_of(kind), {"x": (STR, "word")} if ":x" in sql else {}
    if write == "append":
        attempt("CREATE TABLE kept (n INTEGER, word VARCHAR(20))", url=url)
    with pytest.raises(QueryFailed) as caught:
        attempt(sql, inputs, url=url, destination=to("kept", write))
    assert caught.value.message.rpartition("\n\n")[2] == shown


def test_an_error_in_front_of_the_query_has_no_caret(attempt: Attempts, url: str) -> None:
    with pytest.raises(QueryFailed) as caught:
        attempt("SELECT 1 AS x", url=url, destination=to("nosuch.kept", "create"))
    assert "nosuch" in caught.value.message
    assert "^" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "destination", "message"),
    [
        ("mssql+pyodbc://host/db", to("dbo.t"), "mssql makes no table .* with `create`\n\nhint: .*append"),
        ("mssql+pyodbc://host/db", to("dbo.t", "replace"), "cannot be written with `replace`"),
        ("duckdb:///:memory:", to("t"), "DuckDB in memory, and gone with the attempt"),
    ],
)
def test_a_database_that_cannot_keep_the_table_refuses_it(
    attempt: Attempts, url: str, destination: Destination, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        attempt("SELECT 1 AS x", url_secret="URL", secrets={"URL": url}, destination=destination)


def test_a_name_with_a_dot_may_be_in_a_database_that_the_sql_attaches(
    attempt: Attempts, tmp_path: Path
) -> None:
    file = tmp_path / "lake.duckdb"
    sql = f"ATTACH '{file}' AS lake; SELECT 5 AS x"
    attempt(sql, destination=to("lake.kept"), transaction=False)
    assert attempt("SELECT x FROM kept", outputs=INT, url=f"duckdb:///{file}") == 5
