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
        [(kept, wrong)] = connection.execute(
            "SELECT count(*), count(*) FILTER (total <> 1) "
            "FROM (SELECT sum(share) AS total FROM region_shares GROUP BY since)"
        ).fetchall()
    assert (kept, wrong) == (2, 0)


def test_workers_that_want_the_same_file_wait_for_each_other(
    shares: Workflow[..., Any], tmp_path: Path
) -> None:
    with Executor(tmp_path / "home", workers=2) as executor:
        runs = [executor.submit(shares, since=date(2026, 1, day)) for day in (1, 2)]
        assert {run.result(timeout_s=120).region for run in runs} == {"south"}


BROKEN = """
from hardpoint.core import workflow
from hardpoint_sql import SqlQuery

query = SqlQuery("daily", file="daily.sql", inputs={"n": int}, outputs=int)

@workflow
def daily(n: int) -> int:
    return query(n=n)
"""


def test_a_misspelt_column_reaches_whoever_waits(tmp_path: Path) -> None:
    (tmp_path / "daily.py").write_text(BROKEN)
    (tmp_path / "daily.sql").write_text("SELECT\n  amonut * :n\nFROM (SELECT 1 AS amount)")
    daily = find_workflow(tmp_path / "daily.py", "daily")
    with Executor(tmp_path / "home", workers=1) as executor, pytest.raises(ExecutionFailedError) as caught:
        executor.submit(daily, n=4).result(timeout_s=120)
    error = caught.value.outcome.error
    assert error is not None
    assert error.code == "QueryFailed" and "BinderException" in error.bases
    assert error.message.startswith("`daily.sql` failed: Binder Error: ")
    assert error.message.endswith("\n\n2 |   amonut * :n\n  |   ^")


def test_an_unknown_warehouse_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "WAREHOUSE": "nosuch", "HARDPOINT_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "hardpoint.executor.cli", "run", str(FLOW), "shares"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "WAREHOUSE is `nosuch`" in done.stderr
