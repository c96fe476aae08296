"""The example `warehouse` gives on Athena what it gives on DuckDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardpoint_athena.testing.standin import Standin

FLOW = Path(__file__).parents[3] / "examples" / "warehouse" / "flow.py"
SINCE = "2026-02-01"


def outputs(folder: Path, environment: Mapping[str, str]) -> Any:
    """Of the example, run in a store of its own."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "hardpoint.executor.cli", "run", FLOW, "shares", "--since", SINCE, "--json"],
        cwd=folder,
        env={**os.environ, "HARDPOINT_HOME": str(folder / "home"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["outputs"]


def test_query_python_load_query_gives_what_duckdb_gives(tmp_path: Path) -> None:
    on_duckdb = {"WAREHOUSE": "duckdb", "WAREHOUSE_URL": f"duckdb:///{tmp_path}/shop.duckdb"}
    expected = outputs(tmp_path / "duckdb", on_duckdb)
    with Standin() as standin:
        on_athena = {
            "WAREHOUSE": "athena",
            "WAREHOUSE_URL": standin.url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "s",
        }
        # The second run replaces the table of the first.
        found = [outputs(tmp_path / "athena", on_athena) for _ in range(2)]
        loaded = standin.sql("SELECT region, share FROM region_shares ORDER BY region")
    assert found == [expected] * 2 == [{"region": "south", "share": 0.5}] * 2
    assert loaded == [["north", 0.4083], ["south", 0.5], ["west", 0.0917]]
