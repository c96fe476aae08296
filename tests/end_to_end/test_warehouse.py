"""The example with a warehouse as its readers run it: DuckDB in worker processes, with Python in between."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from hardpoint.core import Workflow
from hardpoint.core.loading import find_workflow
from hardpoint.executor import ExecutionFailedError, Executor
from hardpoint.plugin_api import ErrorInfo

FLOW = Path(__file__).parents[2] / "examples" / "warehouse" / "flow.py"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"


@pytest.fixture(scope="module")
def shares(database: Path) -> Iterator[Workflow[..., Any]]:
    # A file is imported once in a process, so the example keeps the database that it finds first.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_URL", f"duckdb:///{database}")
        yield find_workflow(FLOW, "shares")


def test_a_share_goes_through_sql_python_and_sql_again(
    shares: Workflow[..., Any], database: Path, tmp_path: Path
) -> None:
    with Executor(tmp_path / "home", workers=2) as executor:
        first, again, later = [
            executor.submit(shares, since=since).result(timeout_s=120)
            for since in (date(2026, 1, 1), date(2026, 1, 1), date(2026, 2, 1))
        ]
    assert (first.region, first.share) == ("south", 0.38)
    assert again == first
    assert (later.region, later.share) == ("south", 0.5)
    with duckdb.connect(str(database)) as connection:
        kept = connection.execute("SELECT region, share FROM region_shares ORDER BY region").fetchall()
    assert kept == [("north", 0.4083), ("south", 0.5), ("west", 0.0917)]


def test_workers_that_want_the_same_file_wait_for_each_other(
    shares: Workflow[..., Any], tmp_path: Path
) -> None:
    with Executor(tmp_path / "home", workers=2) as executor:
        runs = [executor.submit(shares, since=date(2026, 1, day)) for day in (1, 2)]
        assert {run.result(timeout_s=120).region for run in runs} == {"south"}


QUERY = """
from hardpoint.core import Retry, workflow
from hardpoint_sql import SqlQuery

query = SqlQuery("daily", file="daily.sql", inputs={"n": int}, outputs=int, retry=Retry(3, delay_s=0.0))

@workflow
def daily(n: int) -> int:
    return query(n=n)
"""


def failure(folder: Path, sql: str) -> tuple[ErrorInfo, int]:
    """The error that the query ends with, and how many attempts were made."""
    (folder / "daily.py").write_text(QUERY)
    (folder / "daily.sql").write_text(sql)
    daily = find_workflow(folder / "daily.py", "daily")
    with Executor(folder / "home", workers=1) as executor:
        execution = executor.submit(daily, n=4)
        with pytest.raises(ExecutionFailedError) as caught:
            execution.result(timeout_s=120)
        tries = [event.kind for event in execution.events()].count("AttemptStarted")
    assert caught.value.outcome.error is not None
    return caught.value.outcome.error, tries


def test_a_misspelt_column_reaches_whoever_waits_after_one_attempt(tmp_path: Path) -> None:
    error, tries = failure(tmp_path, "SELECT\n  amonut * :n\nFROM (SELECT 1 AS amount)")
    assert tries == 1
    assert error.code == "QueryFailed" and "BinderException" in error.bases
    assert error.message.startswith("`daily.sql` failed: Binder Error: ")
    assert error.message.endswith("\n\n2 |   amonut * :n\n  |   ^")


def test_rows_that_do_not_fit_are_tried_as_often_as_the_author_says(tmp_path: Path) -> None:
    error, tries = failure(tmp_path, "SELECT CAST('x' || :n AS INTEGER)")
    assert tries == 3
    assert error.code == "QueryFailed" and "ConversionException" in error.bases


def test_an_unknown_warehouse_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "WAREHOUSE": "nosuch", "HARDPOINT_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "hardpoint.executor.cli", "run", str(FLOW), "shares"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "WAREHOUSE is `nosuch`" in done.stderr
