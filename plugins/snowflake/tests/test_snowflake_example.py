"""The example `warehouse` gives on Snowflake what it gives on DuckDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardpoint_snowflake.conformance import SECRET, TOKEN
from hardpoint_snowflake.testing.switch import SnowflakeSwitch

FLOW = Path(__file__).parents[3] / "examples" / "warehouse" / "flow.py"
SINCE = "2026-02-01"


def outputs(folder: Path, environment: Mapping[str, str]) -> Any:
    """Of the example, run in a store of its own."""
    folder.mkdir()
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


def test_query_python_load_query_gives_what_duckdb_gives(tmp_path: Path, switch: SnowflakeSwitch) -> None:
    on_duckdb = {"WAREHOUSE": "duckdb", "WAREHOUSE_URL": f"duckdb:///{tmp_path}/shop.duckdb"}
    on_snowflake = {
        "WAREHOUSE": "snowflake",
        "WAREHOUSE_URL": switch.url,
        "SNOWFLAKE_DATABASE": "DB1",
        "SNOWFLAKE_OAUTH_SECRET": SECRET,
        f"HARDPOINT_SECRET_{SECRET}": TOKEN,
    }
    expected = outputs(tmp_path / "duckdb", on_duckdb)
    assert outputs(tmp_path / "snowflake", on_snowflake) == expected == {"region": "south", "share": 0.5}
