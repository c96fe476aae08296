"""Queries through an executor: how many calls they cost, how soon their end is noticed, what ends a run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hardpoint.core import Workflow, map_task, workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import Retry
from hardpoint_snowflake import Connection, SnowflakeQuery
from hardpoint_snowflake.conformance import SECRET, TOKEN
from hardpoint_snowflake.testing.http_dialect import Step
from hardpoint_snowflake.testing.server import Standin
from hardpoint_snowflake.testing.switch import SnowflakeSwitch

WITHIN_S = 30.0
QUERIES = 20
NEXT_TOKEN = "the-next-token"


@pytest.fixture(scope="module")
def secrets() -> Iterator[Path]:
    """A file with the token, as it is mounted where tokens are rotated."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(prefix="hardpoint-") as folder:
        patch.setenv("HARDPOINT_SECRETS", folder)
        yield Path(folder) / SECRET


@pytest.fixture(scope="module")
def executor(secrets: Path) -> Iterator[Executor]:
    with Executor(journal="memory", workers=1) as executor:
        yield executor


@pytest.fixture(autouse=True)
def valid(secrets: Path) -> None:
    secrets.write_text(TOKEN)


def flow_of(query: SnowflakeQuery) -> Workflow[..., Any]:
    """A workflow of one query without inputs."""

    @workflow
    def run() -> int:
        result: int = query()
        return result

    return run


def query(account: Connection, sql: str, **more: Any) -> SnowflakeQuery:
    return SnowflakeQuery(sql=sql, connection=account, outputs={"result": int}, **more)


def sent(standin: Standin, sql: str) -> list[Any]:
    """All queries with this SQL."""
    return [each for each in standin.queries("") if each["sql"] == sql]


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_short_queries_cost_at_most_three_calls_each(
    executor: Executor, account: Connection, switch: SnowflakeSwitch
) -> None:
    square = query(
        account, "select :n * :n as result, system$wait(300, 'MILLISECONDS') as waited", inputs={"n": int}
    )

    @workflow
    def many(values: list[int]) -> list[int]:
        squares: list[int] = map_task(square)(n=values)
        return squares

    run = executor.submit(many, values=list(range(QUERIES)))
    assert run.result(WITHIN_S) == [n * n for n in range(QUERIES)]
    calls = Counter(switch.proxy.calls())
    assert calls[Step.CHANGE] == QUERIES
    assert calls[Step.SIGN_IN] == 1
    assert calls.total() <= 3 * QUERIES, calls


def test_the_end_of_a_query_of_two_seconds_is_noticed_within_half_a_second(
    executor: Executor, account: Connection, standin: Standin
) -> None:
    # Not a whole number of seconds, or polls of each second would do.
    sql = "select 2 as result, system$wait(2200, 'MILLISECONDS') as waited"
    run = executor.submit(flow_of(query(account, sql)))
    assert run.result(WITHIN_S) == 2
    [asked] = sent(standin, sql)
    ends = [each.at for each in run.events() if each.data.get("phase") == "SUCCEEDED"]
    assert 0 < min(ends) - asked["ended"] < 0.5


@pytest.mark.parametrize("destination", [None, "PUBLIC.NEVER"])
def test_sql_that_does_not_compile_is_one_query_however_often_it_may_be_tried(
    executor: Executor, account: Connection, standin: Standin, destination: str | None
) -> None:
    sql = f"select count(* as result -- {destination}"
    task = SnowflakeQuery(sql=sql, connection=account, retry=Retry(3), destination=destination)

    @workflow
    def run() -> None:
        task()

    outcome = executor.submit(run).outcome(WITHIN_S)
    assert outcome.error is not None and outcome.error.code == "SqlCompilationError"
    assert len([each for each in standin.queries("") if sql in each["sql"]]) == 1


def test_a_query_that_somebody_cancelled_has_not_failed_and_is_not_tried_again(
    executor: Executor, account: Connection, standin: Standin
) -> None:
    sql = "select 3 as result, system$wait(3600) as cancelled"
    run = executor.submit(flow_of(query(account, sql, retry=Retry(3))))
    until(lambda: bool(sent(standin, sql)))
    standin.tell("finish", id=sent(standin, sql)[0]["id"], status="ABORTED")
    outcome = run.outcome(WITHIN_S)
    assert outcome.error is not None and outcome.error.code == "CancelledElsewhere"
    phases = [each.data["phase"] for each in run.events() if each.kind == "JobMoved"]
    assert phases[-1] == "CANCELLED"
    assert len(sent(standin, sql)) == 1


def test_a_session_and_a_token_that_expire_in_mid_run_are_renewed(
    executor: Executor, account: Connection, switch: SnowflakeSwitch, secrets: Path
) -> None:
    sql = "select 4 as result, system$wait(3600) as renewed"
    run = executor.submit(flow_of(query(account, sql)))
    until(lambda: bool(sent(switch.standin, sql)))
    secrets.write_text(NEXT_TOKEN)
    switch.standin.set(oauth_tokens=[NEXT_TOKEN])
    switch.standin.tell("sign_out")
    [job] = sent(switch.standin, sql)
    until(lambda: switch.proxy.calls().count(Step.SIGN_IN) == 2)
    switch.standin.tell("finish", id=job["id"], status="SUCCESS")
    assert run.result(WITHIN_S) == 4
    assert len(sent(switch.standin, sql)) == 1
