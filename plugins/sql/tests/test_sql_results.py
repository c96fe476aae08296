"""Values in and out, on every kind of database that is at hand."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from hardpoint.plugin_api import (
    AnyType,
    FileType,
    FrameType,
    ListType,
    SimpleKind,
    SimpleType,
    UnionType,
    UserError,
)
from hardpoint_sql.failure import QueryFailed

if TYPE_CHECKING:
    from tests.sql_attempts import Attempts

pytest_plugins = ["tests.sql_attempts"]

KINDS = ("duckdb", "sqlite", "postgresql")
INT, FLOAT, STR, BOOL, BYTES, DATETIME, DATE, TIME, DECIMAL, UUID = (
    SimpleType(SimpleKind(name))
    for name in ("int", "float", "str", "bool", "bytes", "datetime", "date", "time", "decimal", "uuid")
)
FRAME = FrameType("pandas")
VALUES: list[tuple[AnyType, Any, str]] = [
    (INT, 2**62, "BIGINT"),
    (FLOAT, 0.1, "DOUBLE PRECISION"),
    (STR, "O'Brien; -- \\ %s ? :x \u00fc \u65e5", "VARCHAR"),
    (BOOL, True, "BOOLEAN"),
    (BYTES, b"\x00'\xff", ""),
    (DATE, dt.date(2026, 2, 28), ""),
    (DATETIME, dt.datetime(2026, 2, 28, 23, 59, 59, 123456), ""),
    (TIME, dt.time(1, 2, 3), ""),
    (DECIMAL, Decimal("12.50"), "DECIMAL(10, 2)"),
    (UUID, uuid.UUID(int=7), ""),
    (UnionType((INT, SimpleType(SimpleKind.NONE))), None, "BIGINT"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("type", "value", "cast"), VALUES, ids=lambda each: str(each)[:12])
@pytest.mark.filterwarnings("ignore:Dialect sqlite.*does .not. support Decimal")
def test_a_value_comes_back_as_it_went_in(
    attempt: Attempts, url_of: Callable[[str], str], kind: str, type: AnyType, value: Any, cast: str
) -> None:
    sql = f"SELECT CAST(:x AS {cast})" if cast else "SELECT :x"
    assert attempt(sql, {"x": (type, value)}, type, url=url_of(kind)) == value


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_an_instant_comes_back_in_utc(attempt: Attempts, url_of: Callable[[str], str], kind: str) -> None:
    instant = dt.datetime(2026, 2, 28, 23, 0, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    found = attempt("SELECT :x", {"x": (DATETIME, instant)}, DATETIME, url=url_of(kind))
    assert (found, found.tzinfo) == (instant, dt.UTC)


def test_a_table_of_instants_is_the_same_on_every_machine(
    attempt: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    instant = dt.datetime(2026, 2, 28, 23, 0, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    frame = attempt("SELECT :x AS x", {"x": (DATETIME, instant)}, FRAME)
    assert str(frame.x[0]) == "2026-03-01 04:00:00+00:00"


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_attempt_writes_the_next_one_reads(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    url = url_of(kind)
    attempt(
        "CREATE TABLE orders (id BIGINT, item VARCHAR(20)); -- two of them\n"
        "INSERT INTO orders VALUES (:first, 'a;b');\n"
        "INSERT INTO orders VALUES (:first + 1, :item);",
        {"first": (INT, 1), "item": (STR, "c")},
        url=url,
    )
    frame = attempt("SELECT id, item FROM orders ORDER BY id", outputs=FRAME, url=url)
    assert frame.to_dict("list") == {"id": [1, 2], "item": ["a;b", "c"]}
    row = attempt(
        "SELECT count(*) AS n, avg(id) AS mean FROM orders", outputs={"n": INT, "MEAN": FLOAT}, url=url
    )
    assert row == {"n": 2, "MEAN": 1.5}


@pytest.mark.parametrize("kind", KINDS)
def test_an_attempt_that_fails_changes_nothing(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    url = url_of(kind)
    attempt("CREATE TABLE t (x INTEGER)", url=url)
    with pytest.raises(UserError):
        attempt("INSERT INTO t VALUES (1); SELECT 'word' AS x", outputs=INT, url=url)
    assert attempt("SELECT count(*) FROM t", outputs=INT, url=url) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_sql_may_begin_and_commit_by_itself(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    url = url_of(kind)
    attempt(
        "CREATE TABLE t (x INTEGER); BEGIN; INSERT INTO t VALUES (1); COMMIT; "
        "BEGIN; INSERT INTO t VALUES (2); ROLLBACK",
        url=url,
        transaction=False,
    )
    assert attempt("SELECT max(x) FROM t", outputs=INT, url=url) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_may_be_an_input(attempt: Attempts, url_of: Callable[[str], str], kind: str) -> None:
    url = url_of(kind)
    attempt('CREATE TABLE "select" (x INTEGER); INSERT INTO "select" VALUES (3)', url=url)
    found = attempt(
        "SELECT {column} FROM {table}",
        {"table": (STR, "select"), "column": (STR, "x")},
        INT,
        url=url,
        slots=("table", "column"),
    )
    assert found == 3


def test_a_name_may_be_given_with_the_task(attempt: Attempts) -> None:
    sql = "CREATE TABLE {t} AS SELECT 4 AS x; SELECT x FROM {t}"
    assert attempt(sql, outputs=INT, names={"t": "main.kept"}) == 4


def test_a_table_is_an_input_of_duckdb(attempt: Attempts) -> None:
    orders = pd.DataFrame({"region": ["north", "south", "north"], "amount": [1, 2, 3]})
    totals = attempt(
        'SELECT region, sum(amount)::BIGINT AS total FROM "order" WHERE amount < :below '
        "GROUP BY ALL ORDER BY region",
        {"order": (FRAME, orders), "below": (INT, 3)},
        FRAME,
    )
    assert totals.to_dict("list") == {"region": ["north", "south"], "total": [1, 2]}


def test_a_table_as_input_is_gone_with_its_attempt(attempt: Attempts, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/data.duckdb"
    attempt("CREATE TABLE kept AS SELECT * FROM mine", {"mine": (FRAME, pd.DataFrame({"x": [1]}))}, url=url)
    tables = "SELECT string_agg(table_name, ' ') FROM information_schema.tables"
    assert attempt(tables, outputs=STR, url=url) == "kept"


def test_a_table_in_a_folder_with_a_strange_name_is_found(
    attempts_in: Callable[[str], Attempts],
) -> None:
    attempt = attempts_in("we[i]rd 'd*r?")
    assert attempt("SELECT max(x) FROM t", {"t": (FRAME, pd.DataFrame({"x": [7]}))}, INT) == 7


def test_variables_of_this_process_are_no_tables(attempt: Attempts) -> None:
    frame = pd.DataFrame({"x": [1]})
    assert len(frame) == 1
    with pytest.raises(QueryFailed, match="frame"):
        attempt("SELECT * FROM frame", outputs=FRAME)


def test_a_database_that_cannot_read_parquet_refuses_tables(attempt: Attempts) -> None:
    with pytest.raises(UserError, match="The input `t` is a table, and sqlite cannot read it"):
        attempt("SELECT * FROM t", {"t": (FRAME, pd.DataFrame({"x": [7]}))}, FRAME, url="sqlite://")


def test_large_sums_stay_exact(attempt: Attempts) -> None:
    big = 2**53 + 1
    frame = attempt("SELECT sum(x) AS x FROM (VALUES (:big)) AS t(x)", {"big": (INT, big)}, FRAME)
    assert int(frame.x[0]) == big


def test_lists_are_values_of_duckdb(attempt: Attempts) -> None:
    found = attempt("SELECT list_sum(:x)", {"x": (ListType(INT), [1, 2, 3])}, INT)
    assert found == 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_without_rows_is_a_table_without_rows(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    frame = attempt("SELECT 1 AS x, 'a' AS y WHERE 1 = 0", outputs=FRAME, url=url_of(kind))
    assert (list(frame.columns), len(frame)) == (["x", "y"], 0)


def test_many_rows_of_another_database_are_written_in_parts(
    attempt: Attempts, url_of: Callable[[str], str]
) -> None:
    rows = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t WHERE x < 25000)"
    nulls = "SELECT x, CASE WHEN x > 15000 THEN x * 0.5 END AS half FROM t"
    frame = attempt(f"{rows} {nulls}", outputs=FRAME, url=url_of("sqlite"))
    assert (len(frame), frame.half.count(), frame.half.max()) == (25000, 10000, 12500.0)


@pytest.mark.parametrize(
    ("sql", "outputs", "message"),
    [
        ("SELECT 1 WHERE false", INT, "columns of one row, and the query gave none"),
        ("SELECT * FROM range(3)", INT, "columns of one row, and the query gave several"),
        ("SELECT 1 AS m", {"n": INT}, "no column for the output `n`; the query gave `m`"),
        ("SELECT 'x' AS n", {"n": INT}, "`n` is declared `int`, but the query gave `str`: x"),
        ("SELECT NULL AS n", {"n": INT}, "but the query gave NULL\n\nhint: .*`… | None` takes NULL"),
        ("SELECT 1 AS a, 2 AS a", FRAME, "two columns `a`"),
        ("SELECT 1 AS n", {"n": INT, "t": FRAME}, "`t` is a table, and there are others besides"),
        ("-- nothing", None, "only comments"),
        ("SELECT INTERVAL 1 MONTH AS x", FRAME, "no Parquet form"),
    ],
)
def test_a_result_that_does_not_fit_is_the_authors(
    attempt: Attempts, sql: str, outputs: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        attempt(sql, outputs=outputs)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_statement_without_rows_gives_no_outputs(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    for outputs in (INT, FRAME):
        with pytest.raises(UserError, match="The last statement gives no rows for the outputs `result`"):
            attempt("CREATE TABLE t (x INTEGER)", outputs=outputs, url=url_of(kind))


def test_columns_of_several_types_are_named(attempt: Attempts) -> None:
    with pytest.raises(UserError, match="Column `x` holds int and str"):
        attempt("SELECT 1 AS x UNION ALL SELECT 'a'", outputs=FRAME, url="sqlite://")


def test_an_input_that_is_never_bound_is_an_error(attempt: Attempts) -> None:
    with pytest.raises(UserError, match=r"The input `day` is not used in the query\n\nhint: .* `:day`"):
        attempt("SELECT 1 AS day", {"day": (INT, 1)}, INT)


def test_a_file_is_no_value(attempt: Attempts, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.touch()
    with pytest.raises(UserError, match="`x` is a `File`, which no database takes as a value"):
        attempt("SELECT :x", {"x": (FileType(), path)}, STR)


def test_progress_tells_of_statements(attempt: Attempts) -> None:
    attempt("SELECT 1; SELECT 2; SELECT 3")
    assert attempt.noted == ["statement 1 of 3", "statement 2 of 3"]
