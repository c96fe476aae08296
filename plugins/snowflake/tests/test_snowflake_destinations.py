"""Results that become tables: written once, as was asked for, and known again by what was sent."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from hardpoint.plugin_api import (
    CreateRequest,
    ErrorKind,
    Phase,
    SimpleKind,
    SimpleType,
    TransientError,
    UsageError,
    UserError,
)
from hardpoint.plugin_api.handler import Kept
from hardpoint.plugin_api.query_task import Destination, Write
from hardpoint.plugin_api.sql_text import Identifier, SqlText
from hardpoint.plugin_api.testing.fakes import SuddenDeath
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_snowflake import Connection, SnowflakeQuery
from hardpoint_snowflake.conformance import SECRET, TOKEN
from hardpoint_snowflake.testing.http_dialect import Step
from hardpoint_snowflake.testing.runner import Runner, asking
from hardpoint_snowflake.testing.switch import SnowflakeSwitch

INT, TEXT = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)
_numbers = itertools.count()


@pytest.fixture
def table() -> str:
    """A name that no other test has."""
    return f"PUBLIC.TOTALS_{next(_numbers)}"


def writing(
    account: Connection, table: str, write: Write, sql: str = "select 1 as n", **more: Any
) -> CreateRequest:
    return asking(account, sql, destination=Destination.given(table, write), **more)


def rows(runner: Runner, account: Connection, table: str) -> list[int]:
    """Number and sum of its rows."""
    sql = SqlText(
        "select count(*) as rows, sum(n)::int as total from {table}", names={"table": Identifier(table)}
    )
    return list(runner.run(asking(account, sql, outputs={"rows": INT, "total": INT})).values())


def test_a_table_is_created_appended_to_and_replaced(runner: Runner, account: Connection, table: str) -> None:
    script: list[tuple[Write, str, list[int]]] = [
        ("create", "with a as (select 1 as n)\nselect n from a;", [1, 1]),
        ("append", "with a as (select 2 as n)\nselect n from a;", [2, 3]),
        ("replace", "-- anew\nselect 7 as n", [1, 7]),
    ]
    for write, sql, expected in script:
        assert runner.outcome(writing(account, table, write, sql)).phase is Phase.SUCCEEDED
        assert rows(runner, account, table) == expected


def test_a_table_that_is_there_already_is_not_created(
    runner: Runner, account: Connection, table: str
) -> None:
    runner.outcome(writing(account, table, "create"))
    error = runner.outcome(writing(account, table, "create", "select 2 as n")).error
    assert error is not None
    assert (error.code, error.kind) == ("ObjectExists", ErrorKind.SYSTEM)
    assert '"replace"' in error.hint
    assert rows(runner, account, table) == [1, 1]


def test_a_table_to_append_to_must_be_there(runner: Runner, account: Connection, table: str) -> None:
    error = runner.outcome(writing(account, table, "append")).error
    assert error is not None and error.code == "ObjectNotFound"


@pytest.mark.parametrize("write", ["create", "append", "replace"])
def test_lines_are_counted_as_the_author_wrote_them(
    runner: Runner, account: Connection, table: str, write: Write
) -> None:
    if write == "append":
        runner.outcome(writing(account, table, "create"))
    error = runner.outcome(writing(account, table, write, "select 1 as n,\n  amonut\nfrom values (1)")).error
    assert error is not None and error.code == "SqlCompilationError"
    assert error.message.splitlines()[-2:] == ["2 |   amonut", "  |   ^"]


def test_the_first_line_is_shown_as_it_was_sent(runner: Runner, account: Connection, table: str) -> None:
    error = runner.outcome(writing(account, table, "replace", "select amonut")).error
    assert error is not None
    line, caret = error.message.splitlines()[-2:]
    assert line.endswith("as select amonut") and caret.index("^") == line.index("amonut")


def test_the_output_is_the_name_of_the_table_and_costs_no_call(
    runner: Runner, account: Connection, switch: SnowflakeSwitch, table: str
) -> None:
    request = writing(account, table, "create", outputs={"loaded": TEXT})
    job = runner.handler.create(runner.context, request)
    assert runner.end(job).phase is Phase.SUCCEEDED
    before = switch.calls_received()
    assert runner.handler.outputs(runner.context, request, job) == {"loaded": table}
    assert switch.calls_received() == before


def test_a_submission_whose_answer_is_lost_appends_once(
    runner: Runner, account: Connection, switch: SnowflakeSwitch, table: str
) -> None:
    runner.outcome(writing(account, table, "create"))
    request = writing(account, table, "append", "select 2 as n")
    switch.proxy.script(Fault(FaultKind.LOSE, (Step.CHANGE,)))
    with pytest.raises(TransientError):
        runner.handler.create(runner.context, request)
    assert runner.outcome(request).phase is Phase.SUCCEEDED
    assert rows(runner, account, table) == [2, 3]


@pytest.mark.parametrize("write", ["before", "after"])
def test_an_engine_that_dies_around_the_submission_has_appended_once(
    runner: Runner, account: Connection, switch: SnowflakeSwitch, table: str, write: str
) -> None:
    switch.standin.set(remembers=False)
    runner.outcome(writing(account, table, "create"))
    request = writing(account, table, "append", "select 2 as n")
    dying = Runner({SECRET: TOKEN})
    if write == "before":
        dying.context.calls.die_before_write(1)
    else:
        dying.context.calls.die_after_write(1)
    with pytest.raises(SuddenDeath):
        dying.handler.create(dying.context, request)
    job = runner.handler.find(runner.context, request) or runner.handler.create(runner.context, request)
    assert runner.end(job).phase is Phase.SUCCEEDED
    assert rows(runner, account, table) == [2, 3]


def test_a_second_query_is_known_by_the_text_that_was_submitted(
    runner: Runner, account: Connection, switch: SnowflakeSwitch, table: str
) -> None:
    switch.standin.set(remembers=False)
    request = writing(account, table, "replace", "select 1 as n, system$wait(3600) as waited")
    other = msgspec.structs.replace(asking(account, "select 1 as other"), token=request.token)
    runner.handler.create(runner.context, other)
    first = runner.handler.create(runner.context, request)
    second = runner.handler.create(runner.context, request)
    assert runner.handler.find(runner.context, request) == first
    found = runner.handler.duplicates(runner.context, [Kept(request, first)])
    assert [each.id for each in found] == [second.id]
    for job in (first, second):
        runner.handler.cancel(runner.context, job, "test")


def test_an_estimate_is_that_of_the_query_whether_or_not_the_table_is_there(
    runner: Runner, account: Connection, table: str
) -> None:
    request = writing(account, table, "create")
    before = runner.handler.estimate(runner.context, request)
    runner.outcome(request)
    assert runner.handler.estimate(runner.context, request) == before


def test_a_name_in_a_slot_may_come_from_an_input(runner: Runner, account: Connection, table: str) -> None:
    runner.outcome(writing(account, table, "create"))
    sql = SqlText("select n from {source}", inputs=("source",))
    assert runner.run(asking(account, sql, {"source": (TEXT, table)}, {"n": INT})) == {"n": 1}


def test_a_value_that_is_no_name_is_refused_before_anything_is_sent(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    sql = SqlText("select n from {source}", inputs=("source",))
    request = asking(account, sql, {"source": (TEXT, 't"; drop table precious; --')}, {"n": INT})
    with pytest.raises(UserError, match="is not a name of a table or column"):
        runner.handler.create(runner.context, request)
    assert not switch.proxy.calls()


def test_the_result_goes_into_a_table_or_into_outputs(account: Connection) -> None:
    task = SnowflakeQuery(
        sql="select 1 as n",
        connection=account,
        destination="PUBLIC.T",
        write="append",
        outputs={"t": Identifier},
    )
    assert task.config["destination"] == {"table": {"name": "PUBLIC.T"}, "write": "append"}
    assert task.outputs == {"t": str}
    with pytest.raises(UsageError, match=r"goes into `PUBLIC\.T`, and output `n` would be read from it"):
        SnowflakeQuery(sql="select 1 as n", connection=account, destination="PUBLIC.T", outputs={"n": int})
    with pytest.raises(UsageError, match=r"Output `t` .* the result goes into none"):
        SnowflakeQuery(sql="select 1 as n", connection=account, outputs={"t": Identifier})


def test_a_script_has_no_destination(account: Connection) -> None:
    with pytest.raises(ValueError, match="takes the result of one statement, and `statements` is 2"):
        SnowflakeQuery(sql="select 1; select 2", connection=account, statements=2, destination="PUBLIC.T")


def test_another_way_to_write_is_another_version(account: Connection) -> None:
    versions = {
        SnowflakeQuery(sql="select 1 as n", connection=account, destination=table, write=write).version
        for table, write in [(None, "create"), ("T", "create"), ("T", "append"), ("U", "append")]
    }
    assert len(versions) == 4
