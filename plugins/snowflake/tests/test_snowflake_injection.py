"""Values of inputs are data, whatever they look like; names are names or refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardpoint.plugin_api import SimpleKind, SimpleType, UserError
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint_snowflake.config import Connection
from hardpoint_snowflake.placeholders import place
from hardpoint_snowflake.task import SnowflakeQuery
from hardpoint_snowflake.testing.runner import Runner, asking
from hardpoint_snowflake.testing.server import Standin

TEXT = SimpleType(SimpleKind.STR)
CORPUS = (
    "'",
    "''",
    "\\'",
    "\\",
    '"',
    "it's",
    "'; drop table precious; --",
    "x'); drop table precious; --",
    "' or '1'='1",
    "/* */ ' union select 1 --",
    "-- comment",
    "// comment",
    "/* open",
    "$$ drop table precious $$",
    "$1",
    "?",
    "? , ?",
    ":value",
    ":1",
    "::int",
    "{table}",
    "%s %(value)s",
    "1",
    "1.5e300",
    "007",
    "NULL",
    "null",
    "true",
    "nan",
    "a\nb\r\nc\td",
    "ﬁ Ünïcödé 漢字 🙂 e\u0301",
    "\u2019; drop table precious; \u2018",
    "\uff07 or 1=1",
    "\u202e;elbat pord",
    "\ufeff",
    " ",
    "",
    "select * from precious",
    "identifier('precious')",
    "x" * 20_000,
)


def echo(runner: Runner, account: Connection, values: list[str]) -> list[str]:
    """What the service makes of them, bound side by side in one query."""
    names = [f"v{number}" for number in range(len(values))]
    sql = "select " + ", ".join(f":{name} as {name}" for name in names)
    inputs = {name: (TEXT, value) for name, value in zip(names, values, strict=True)}
    outputs = runner.run(asking(account, sql, inputs, dict.fromkeys([*names], TEXT)))
    return [outputs[name] for name in names]


def test_the_corpus_comes_back_as_it_went_and_nothing_is_dropped(
    runner: Runner, account: Connection, standin: Standin
) -> None:
    standin.tell("sql", sql="create or replace table precious (a int)")
    assert echo(runner, account, list(CORPUS)) == list(CORPUS)
    assert standin.tell("sql", sql="select * from precious")["success"]


def test_a_text_that_looks_like_a_condition_matches_only_itself(runner: Runner, account: Connection) -> None:
    sql = "select count(*) as n from values ('a'), ('b'), (''' or ''1''=''1') where column1 = :value"
    outputs = {"n": SimpleType(SimpleKind.INT)}
    assert runner.run(asking(account, sql, {"value": (TEXT, "' or '1'='1")}, outputs)) == {"n": 1}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=20
    )
)
def test_any_text_comes_back_as_it_went(runner: Runner, account: Connection, values: list[str]) -> None:
    assert echo(runner, account, values) == values


@given(before=st.text(), value=st.sampled_from(CORPUS))
def test_what_is_quoted_is_never_taken_for_an_input(before: str, value: str) -> None:
    quoted = "'" + (before + ":value" + value).replace("\\", "\\\\").replace("'", "''") + "'"
    placed = place(f"select {quoted} as a, :value as b", {"value"})
    assert placed.names == ("value",)
    assert placed.sql == f"select {quoted} as a, ? as b"


@pytest.mark.parametrize("name", ['t"; drop table precious; --', "a b", "", "t;", "a..b", "'t'", "t/**/"])
def test_a_name_that_is_none_is_refused_where_it_is_written(name: str, account: Connection) -> None:
    with pytest.raises(UserError, match="is not a name of a table or column"):
        SnowflakeQuery(sql="select * from {table}", connection=account, names={"table": name})


def test_a_name_is_quoted_in_what_is_submitted(runner: Runner, account: Connection, standin: Standin) -> None:
    task = SnowflakeQuery(sql="select * from {table}", connection=account, names={"table": "SHOP.drop"})
    request = asking(account, msgspec.convert(task.config["sql"], SqlText))
    runner.handler.create(runner.context, request)
    assert [each["sql"] for each in standin.queries(request.token)] == ['select * from "SHOP"."drop"']
