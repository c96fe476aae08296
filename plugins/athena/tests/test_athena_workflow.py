"""Workflows with queries, from the command line to the stand-in and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_athena.testing.http_dialect import AthenaDialect
from hardpoint_athena.testing.standin import Standin

FLOW = """
import os
from datetime import date

import pandas as pd

from hardpoint.core import map_task, task, workflow
from hardpoint_athena import AthenaQuery, Connection

url = os.environ["ATHENA_URL"]
here = Connection(region="us-east-1", endpoint_url=url, access_key="KEY", secret_key="SECRET")
totals = AthenaQuery(
    file="totals.sql",
    inputs={"since": date},
    outputs={"table": pd.DataFrame},
    names={"table": "orders"},
    connection=here,
)
square = AthenaQuery(
    sql="SELECT n * n AS squared FROM range(0, 1000) AS numbers (n) WHERE n = :n /* runs 0.05 s */",
    inputs={"n": int},
    outputs={"result": int},
    connection=here,
)


@task
def best(table: pd.DataFrame) -> str:
    return str(table.sort_values("total").iloc[-1]["region"])


@workflow
def report(since: date) -> str:
    return best(table=totals(since=since).table)


@workflow
def many(values: list[int]) -> list[int]:
    return map_task(square)(n=values)
"""
TOTALS = "SELECT region, sum(amount) AS total\nFROM {table}\nWHERE day >= :since GROUP BY region"
QUERIES, FEW = 100, 20
FAULTS = (
    Fault(FaultKind.LOSE, ("StartQueryExecution",)),
    Fault(FaultKind.REFUSE, ("StartQueryExecution",), 400, "TooManyRequestsException", 0.1),
    Fault(FaultKind.CUT, ("StartQueryExecution",)),
    Fault(FaultKind.REFUSE, ("StartQueryExecution",), 400, "ExpiredTokenException"),
    Fault(FaultKind.REPEAT, ("StartQueryExecution",)),
    Fault(FaultKind.GARBLE, ("BatchGetQueryExecution",)),
    Fault(FaultKind.REFUSE, ("BatchGetQueryExecution",), 503),
    Fault(FaultKind.REFUSE, ("GetQueryResults",), 429, "ThrottlingException", 0.1),
    Fault(FaultKind.LOSE, ("GetQueryResults",)),
)


class Place:
    """A folder with the workflows, in which commands are run."""

    def __init__(self, folder: Path, proxy: FaultProxy) -> None:
        self.folder = folder
        secrets = {"HARDPOINT_SECRET_KEY": "AKIAEXAMPLE", "HARDPOINT_SECRET_SECRET": "s"}
        self.env = {**os.environ, **secrets, "ATHENA_URL": proxy.url}
        (folder / "flow.py").write_text(FLOW)
        (folder / "totals.sql").write_text(TOTALS)

    def json(self, *words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", *words, "--json"],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Standin, FaultProxy]]:
    with Standin() as standin, FaultProxy(standin.url, AthenaDialect()) as proxy:
        yield standin, proxy


def test_a_table_goes_from_a_query_into_a_task(tmp_path: Path, running: tuple[Standin, FaultProxy]) -> None:
    standin, proxy = running
    standin.reset(scanned=4096)
    standin.sql("CREATE TABLE orders (region VARCHAR, amount BIGINT, day DATE)")
    standin.sql("INSERT INTO orders VALUES ('north', 1, '2026-01-01'), ('south', 9, '2026-02-01')")
    standin.sql("INSERT INTO orders VALUES ('north', 99, '2025-01-01')")
    place = Place(tmp_path, proxy)
    assert place.json("run", "flow.py", "report", "--since", "2026-01-01")["outputs"] == {"result": "south"}
    used = place.json("executions", "show", "last", "--usage")["tasks"]
    assert [each["usage"]["bytes_scanned"] for each in used] == [4096.0]


def test_many_queries_take_few_calls_and_few_slots(
    tmp_path: Path, running: tuple[Standin, FaultProxy]
) -> None:
    standin, proxy = running
    standin.reset()
    proxy.reset()
    place = Place(tmp_path, proxy)
    found = place.json("run", "flow.py", "many", "--values", json.dumps(list(range(QUERIES))))
    assert found["outputs"] == {"result": [n * n for n in range(QUERIES)]}
    assert len(standin.queries()) == QUERIES
    calls = Counter(proxy.calls())
    assert calls["StartQueryExecution"] == calls["GetQueryResults"] == QUERIES
    assert calls.total() <= 3 * QUERIES, calls


def test_faults_on_the_way_start_no_second_query(tmp_path: Path, running: tuple[Standin, FaultProxy]) -> None:
    standin, proxy = running
    standin.reset()
    proxy.reset()
    proxy.script(*FAULTS)
    place = Place(tmp_path, proxy)
    found = place.json("run", "flow.py", "many", "--values", json.dumps(list(range(FEW))))
    assert found["outputs"] == {"result": [n * n for n in range(FEW)]}
    assert [each["state"] for each in standin.queries()] == ["SUCCEEDED"] * FEW
    assert not proxy.scripted()
