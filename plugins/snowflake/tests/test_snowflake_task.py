"""What an author writes becomes a task; what cannot work is told where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardpoint.plugin_api import Parameter, UsageError
from hardpoint_snowflake import Connection, SnowflakeQuery
from hardpoint_snowflake.placeholders import place

SHOP = Connection("acme-eu1", "ETL", "SHOP", "SMALL")


def test_a_query_is_a_task_with_its_secrets_and_its_sql() -> None:
    task = SnowflakeQuery(
        sql="select :n as n", connection=SHOP, inputs={"n": Parameter(int, default=3)}, outputs={"n": int}
    )
    assert (task.name, task.task_type) == ("snowflake", "snowflake")
    assert task.config == {
        "connection": {"account": "acme-eu1", "user": "ETL", "database": "SHOP", "warehouse": "SMALL"},
        "sql": {"text": "select :n as n"},
    }
    assert [each.name for each in task.options.secrets] == ["SNOWFLAKE_PRIVATE_KEY"]


def test_other_sql_is_another_version_and_another_name_is_not() -> None:
    one, same, other = (
        SnowflakeQuery(sql=sql, connection=SHOP, name=name)
        for sql, name in [("select 1", "a"), ("select 1", "b"), ("select 2", "a")]
    )
    assert one.version == same.version != other.version


def test_an_input_that_the_sql_never_uses_is_an_error() -> None:
    with pytest.raises(UsageError, match="never uses the input `day`") as told:
        SnowflakeQuery(sql="select ':day' -- :day", connection=SHOP, inputs={"day": str})
    assert "`:day`" in told.value.hint


def test_a_question_mark_is_an_error_with_its_line() -> None:
    with pytest.raises(UsageError, match="Line 2 of the SQL has a `\\?`"):
        SnowflakeQuery(sql="select 1,\n ?", connection=SHOP)


@pytest.mark.parametrize("name", ["QUERY_TAG", "query_tag", "MULTI_STATEMENT_COUNT"])
def test_the_tag_that_a_query_is_found_by_cannot_be_replaced(name: str) -> None:
    with pytest.raises(ValueError, match="is no parameter to set"):
        SnowflakeQuery(sql="select 1", connection=SHOP, parameters={name: "other"})


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"No SQL file `missing\.sql`"):
        SnowflakeQuery(file="missing.sql", connection=SHOP)


def test_a_file_gives_the_name_and_is_archived(tmp_path: Path) -> None:
    (tmp_path / "daily-sales.sql").write_text("select 1")
    flow = tmp_path / "flow.py"
    flow.write_text(
        "from hardpoint_snowflake import Connection, SnowflakeQuery\n"
        "task = SnowflakeQuery(file='daily-sales.sql', connection=Connection('a', 'u', 'd', 'w'))\n"
    )
    scope: dict[str, SnowflakeQuery] = {}
    exec(compile(flow.read_text(), str(flow), "exec"), scope)
    task = scope["task"]
    assert task.name == "daily_sales"
    assert task.files == (tmp_path / "daily-sales.sql",)


@pytest.mark.parametrize(
    "sql",
    [
        "select v:day, v:day.x::int, v['a']:day, \"v\":day, f(v):day from t",
        "select $$ :day $$, 'it\\'s :day', \":day\" from t",
        "begin let day := 1; return day; end",
        "select 1 /* :day */ // :day",
    ],
)
def test_paths_casts_quotes_and_comments_hold_no_inputs(sql: str) -> None:
    assert place(f"{sql}\n, :day", {"day"}).sql == f"{sql}\n, ?"
