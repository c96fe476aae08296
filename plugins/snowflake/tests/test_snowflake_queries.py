"""Queries through the official connector and a real SQL engine: results, errors, limits, estimates."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from hardpoint.plugin_api import (
    ErrorKind,
    FrameType,
    ListType,
    Phase,
    Reference,
    SimpleKind,
    SimpleType,
    UserError,
)
from hardpoint_snowflake.config import Connection
from hardpoint_snowflake.testing.http_dialect import Step
from hardpoint_snowflake.testing.runner import Runner, asking
from hardpoint_snowflake.testing.server import Standin
from hardpoint_snowflake.testing.switch import SnowflakeSwitch

INT, FLOAT, TEXT = (SimpleType(kind) for kind in (SimpleKind.INT, SimpleKind.FLOAT, SimpleKind.STR))


def frame_of(runner: Runner, wire: Any) -> Any:
    data = runner.context.store.read_bytes(msgspec.convert(wire, Reference))
    return pq.read_table(io.BytesIO(data))


def test_a_table_has_the_columns_and_types_that_the_service_tells(
    runner: Runner, account: Connection
) -> None:
    sql = (
        "select column1::int as n, column2::varchar as name, column3::number(10, 2) as price, "
        "column4::date as day from values (1, 'a', 1.25, '2026-01-02'), (2, null, 10.50, '2026-02-03')"
    )
    [wire] = runner.run(asking(account, sql, outputs={"rows": FrameType("pandas")})).values()
    table = frame_of(runner, wire)
    assert table.column_names == ["N", "NAME", "PRICE", "DAY"]
    kinds = [str(field.type) for field in table.schema]
    assert kinds == ["int64", "string", "decimal128(10, 2)", "date32[day]"]
    assert [str(each) for each in table["PRICE"].to_pylist()] == ["1.25", "10.50"]
    assert table["NAME"].to_pylist() == ["a", None]


def test_a_table_without_rows_keeps_its_columns(runner: Runner, account: Connection) -> None:
    sql = "select 1::int as n, 'x' as name where 1 = 0"
    [wire] = runner.run(asking(account, sql, outputs={"rows": FrameType()})).values()
    assert frame_of(runner, wire).column_names == ["N", "NAME"]
    assert frame_of(runner, wire).num_rows == 0


def test_the_counts_of_an_insert_are_a_table_too(
    runner: Runner, account: Connection, standin: Standin
) -> None:
    standin.tell("sql", sql="create or replace table counted (a int)")
    request = asking(account, "insert into counted values (1), (2)", outputs={"rows": FrameType()})
    [wire] = runner.run(request).values()
    assert list(frame_of(runner, wire).to_pylist()[0].values()) in ([2], ["2"])


def test_columns_of_the_only_row_are_outputs_by_name(runner: Runner, account: Connection) -> None:
    sql = "select :n * 2 as twice, 'x' as word, 0.5::number(3, 1) as half"
    request = asking(account, sql, {"n": (INT, 21)}, {"half": FLOAT, "twice": INT, "word": TEXT})
    assert runner.run(request) == {"half": 0.5, "twice": 42, "word": "x"}


def test_the_only_column_is_the_only_output_whatever_its_name(runner: Runner, account: Connection) -> None:
    assert runner.run(asking(account, "select count(*) from values (1), (2)", outputs={"result": INT})) == {
        "result": 2
    }


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select 1 as n where 1 = 0", "no row"),
        ("select column1 as n from values (1), (2)", "more than one row"),
        ("select 1 as m, 2 as k", "no column `n`, only `M, K`"),
    ],
)
def test_a_result_that_is_no_row_of_these_columns_is_the_authors(
    runner: Runner, account: Connection, sql: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        runner.run(asking(account, sql, outputs={"n": INT}))


def test_no_outputs_are_no_call(runner: Runner, account: Connection, switch: SnowflakeSwitch) -> None:
    request = asking(account, "select 1")
    job = runner.handler.create(runner.context, request)
    assert runner.end(job).phase is Phase.SUCCEEDED
    before = switch.calls_received()
    assert runner.handler.outputs(runner.context, request, job) == {}
    assert switch.calls_received() == before


def test_a_list_arrives_as_json(runner: Runner, account: Connection) -> None:
    request = asking(account, "select :items as items", {"items": (ListType(INT), [1, 2])}, {"items": TEXT})
    assert runner.run(request) == {"items": "[1,2]"}


def test_the_last_statement_of_a_script_gives_the_result(runner: Runner, account: Connection) -> None:
    sql = (
        "create or replace table pairs (a int, b varchar);\n"
        "insert into pairs values (:a, :b), (:a, 'x;y');\n"
        "select count(*) as n from pairs where a = :a;"
    )
    request = asking(account, sql, {"a": (INT, 3), "b": (TEXT, "q")}, {"n": INT}, statements=3)
    assert runner.run(request) == {"n": 2}


def test_more_statements_than_declared_run_not_at_all(
    runner: Runner, account: Connection, standin: Standin
) -> None:
    standin.tell("sql", sql="create or replace table kept (a int)")
    status = runner.outcome(asking(account, "select 1; drop table kept"))
    assert status.phase is Phase.FAILED
    assert "Actual statement count 2" in status.reason
    assert standin.tell("sql", sql="select * from kept")["success"]


def test_an_unknown_column_is_shown_under_a_caret_and_tried_once(runner: Runner, account: Connection) -> None:
    status = runner.outcome(asking(account, "select\n  :n as n, amonut\nfrom values (1)", {"n": (INT, 1)}))
    assert status.error is not None
    assert status.error.kind is ErrorKind.SYSTEM, "or the author's retries would pay for it"
    assert status.error.message.splitlines()[-2:] == ["2 |   ? as n, amonut", "  |           ^"]


def test_a_missing_table_is_named_with_a_hint(runner: Runner, account: Connection) -> None:
    error = runner.outcome(asking(account, "select * from no_such_table")).error
    assert error is not None
    assert (error.code, error.bases) == ("ObjectNotFound", ("Snowflake002003",))
    assert "NO_SUCH_TABLE" in error.message
    assert "`database`" in error.hint


def test_the_statement_timeout_is_the_services_and_the_authors(runner: Runner, account: Connection) -> None:
    error = runner.outcome(asking(account, "select system$wait(60)", statement_timeout_s=1)).error
    assert error is not None
    assert (error.code, error.kind) == ("StatementTimeout", ErrorKind.USER)


def test_a_query_that_somebody_else_cancelled_has_not_failed(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    job = runner.handler.create(runner.context, asking(account, "select system$wait(60)"))
    switch.finish(job.id, Phase.CANCELLED)
    status = runner.end(job)
    assert (status.phase, status.error) == (Phase.CANCELLED, None)


def test_usage_is_told_with_the_end(runner: Runner, account: Connection) -> None:
    usage = runner.end(runner.handler.create(runner.context, asking(account, "select 1"))).usage
    assert usage["bytes_scanned"] == 4096
    assert usage["credits_cloud_services"] > 0


def test_an_estimate_is_what_explain_tells(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    switch.standin.set(bytes_explained=123_456)
    estimate = runner.handler.estimate(runner.context, asking(account, "select :n as n", {"n": (INT, 1)}))
    assert estimate.usage == {"bytes_scanned": 123_456}
    assert estimate.text == "Scans 1 of 4 partitions, 123,456 bytes"
    assert Step.CHANGE not in switch.proxy.calls()


def test_a_ceiling_refuses_before_anything_runs(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    switch.standin.set(bytes_explained=2_000_000)
    request = asking(account, "select 1 as n", bytes_scanned_max=1_000_000)
    with pytest.raises(UserError, match="would scan 2,000,000 bytes, and `bytes_scanned_max` is 1,000,000"):
        runner.handler.create(runner.context, request)
    assert not switch.jobs_for(request.token)


def test_a_ceiling_refuses_a_script_since_nobody_can_tell(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    request = asking(account, "select 1; select 2", statements=2, bytes_scanned_max=1)
    with pytest.raises(UserError, match="explains one statement at a time"):
        runner.handler.create(runner.context, request)
    assert not switch.jobs_for(request.token)


def test_tag_and_parameters_arrive(runner: Runner, account: Connection, switch: SnowflakeSwitch) -> None:
    request = asking(account, "select 1", query_tag="team=finance", parameters={"USE_CACHED_RESULT": False})
    runner.handler.create(runner.context, request)
    assert switch.jobs_for(f"{request.token} team=finance")


def test_many_jobs_are_polled_in_one_call(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    jobs = [
        runner.handler.create(runner.context, asking(account, f"select {number}")) for number in range(30)
    ]
    before = switch.calls_received()
    assert len(runner.handler.poll_many(runner.context, jobs)) == 30
    assert switch.calls_received() - before == 1
