"""Queries through an executor, while they take their time: noticed soon, polled together, and not lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from hardpoint.core import Retry, map_task, workflow
from hardpoint.executor import Execution, ExecutionFailedError, Executor
from hardpoint.executor.journal.events import AttemptSucceeded, JobCreated
from hardpoint.plugin_api import Phase
from hardpoint_bigquery import BigQueryJob
from hardpoint_bigquery.testing import standin
from hardpoint_bigquery.testing.job_book import JobBook

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]

SECRET = "BIGQUERY_CREDENTIALS"
LONG_S, SHORT_S, NOTICED_WITHIN_S, WITHIN_S = 2.0, 0.5, 0.5, 30.0
QUERIES, CALLS_MOST = 20, 3


@pytest.fixture
def book() -> JobBook:
    """Its jobs run until the test says so."""
    return JobBook(holds=True)


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[Executor]:
    with Executor(tmp_path / "home", workers=1) as executor:
        yield executor


def square(warehouse: Warehouse, **settings: Any) -> BigQueryJob:
    place: dict[str, Any] = {"project": standin.PROJECT, "endpoint": warehouse.proxy.url}
    return BigQueryJob(
        "square",
        sql="SELECT @n * @n AS result",
        inputs={"n": int},
        outputs={"result": int},
        **{**place, **settings},
    )


def jobs_of(executor: Executor, run: Execution, count: int) -> list[str]:
    """The ids of its jobs, once there are so many."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = [each.job.id for each in executor.journal.read(run.id) if isinstance(each, JobCreated)]
        if len(found) == count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"There are {len(found)} jobs after {WITHIN_S} s")


def test_a_query_of_two_seconds_is_noticed_within_half_a_second(
    warehouse: Warehouse, book: JobBook, executor: Executor
) -> None:
    task = square(warehouse)

    @workflow
    def one() -> int:
        answer: int = task(n=7)
        return answer

    run = executor.submit(one)
    [job] = jobs_of(executor, run, 1)
    time.sleep(LONG_S)
    ended = time.time()
    book.end(job, Phase.SUCCEEDED)
    assert run.result(timeout_s=WITHIN_S) == 49
    [noticed] = [each.at for each in executor.journal.read(run.id) if isinstance(each, AttemptSucceeded)]
    assert noticed - ended < NOTICED_WITHIN_S


def test_many_queries_at_once_take_three_calls_each_at_most(
    warehouse: Warehouse, book: JobBook, executor: Executor
) -> None:
    task = square(warehouse)

    @workflow
    def many(numbers: list[int]) -> list[int]:
        answers: list[int] = map_task(task)(n=numbers)
        return answers

    run = executor.submit(many, numbers=list(range(QUERIES)))
    jobs = jobs_of(executor, run, QUERIES)
    time.sleep(SHORT_S)
    for job in jobs:
        book.end(job, Phase.SUCCEEDED)
    assert run.result(timeout_s=WITHIN_S) == [n * n for n in range(QUERIES)]
    calls = warehouse.proxy.calls()
    assert sum(each.startswith("POST") for each in calls) == QUERIES
    assert len(calls) <= CALLS_MOST * QUERIES, calls


def test_a_token_that_ends_in_mid_run_is_fetched_anew_and_the_run_succeeds(
    warehouse: Warehouse, book: JobBook, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HARDPOINT_SECRET_{SECRET}", warehouse.context.secret(SECRET))
    warehouse.dialect.checks_tokens = True
    task = square(warehouse, credentials_secret=SECRET)

    @workflow
    def two() -> int:
        answer: int = task(n=task(n=3))
        return answer

    run = executor.submit(two)
    for count in (1, 2):
        *_, job = jobs_of(executor, run, count)
        warehouse.dialect.expire_tokens()
        book.end(job, Phase.SUCCEEDED)
    assert run.result(timeout_s=WITHIN_S) == 81


def test_a_job_that_somebody_else_cancelled_has_not_failed_and_is_not_tried_again(
    warehouse: Warehouse, executor: Executor
) -> None:
    task = square(warehouse, retry=Retry(3))

    @workflow
    def one() -> int:
        answer: int = task(n=7)
        return answer

    run = executor.submit(one)
    [job] = jobs_of(executor, run, 1)
    path = f"/bigquery/v2/projects/{standin.PROJECT}/jobs/{job}/cancel?location=US"
    with urlopen(Request(warehouse.proxy.url + path, b"", method="POST"), timeout=10):
        pass
    with pytest.raises(ExecutionFailedError) as caught:
        run.result(timeout_s=WITHIN_S)
    error = caught.value.outcome.error
    assert error is not None and error.code == "CancelledElsewhere"
    assert "resume" in error.hint
    inserted = [
        each for each in warehouse.proxy.calls() if each.endswith("/jobs") and each.startswith("POST")
    ]
    assert len(inserted) == 1
