"""Workflows of queries from the command line to the stand-in and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint_bigquery.testing.job_book import JobBook

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]


def hardpoint(folder: Path, proxy: FaultProxy, *words: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("bigquery_flow.py"), folder / "flow.py")
    changed = {"HARDPOINT_HOME": str(folder / "home"), "BIGQUERY_ENDPOINT": proxy.url, "PYTHONPATH": ""}
    return subprocess.run(
        [str(Path(sys.executable).with_name("hardpoint")), *words],
        cwd=folder,
        env=os.environ | changed,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_workflow_goes_from_query_to_python_and_back_in_few_calls(
    warehouse: Warehouse, book: JobBook, tmp_path: Path
) -> None:
    book.statistics = {"totalBytesProcessed": "1000", "totalSlotMs": "5"}
    ran = hardpoint(tmp_path, warehouse.proxy, "run", "flow.py", "squares", "--most", "20", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(json.loads(ran.stdout)["outputs"].values()) == [sum(n * n for n in range(1, 21))]
    calls = warehouse.proxy.calls()
    inserted = sum(each.startswith("POST") for each in calls)
    assert inserted == 21 and len(calls) <= 3 * inserted, calls
    used = hardpoint(tmp_path, warehouse.proxy, "executions", "show", "last", "--usage")
    assert used.returncode == 0 and "bytes_scanned" in used.stdout, used.stdout + used.stderr


def test_a_query_that_cannot_run_shows_its_line_to_the_author(warehouse: Warehouse, tmp_path: Path) -> None:
    ran = hardpoint(tmp_path, warehouse.proxy, "run", "flow.py", "wrong")
    told = ran.stdout + ran.stderr
    assert ran.returncode == 1 and "2 |   2 frm x y" in told and "invalidQuery: Syntax error" in told, told
    assert sum(each.startswith("POST") for each in warehouse.proxy.calls()) == 1


def test_a_plan_tells_what_a_dry_run_says(warehouse: Warehouse, tmp_path: Path) -> None:
    planned = hardpoint(tmp_path, warehouse.proxy, "plan", "flow.py", "wrong", "--estimate")
    assert "Syntax error" in planned.stdout + planned.stderr
    planned = hardpoint(tmp_path, warehouse.proxy, "plan", "flow.py", "squares", "--most", "3", "--estimate")
    assert planned.returncode == 0 and "Dry run: the SELECT would read" in planned.stdout, planned
