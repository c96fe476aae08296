"""The example `warehouse` as its readers run it, on any of the warehouses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FLOW = Path(__file__).parents[2] / "examples" / "warehouse" / "flow.py"
SINCE = "2026-02-01"


def outputs(folder: Path, environment: Mapping[str, str]) -> Any:
    """What it gives, run in a store of its own below `folder`."""
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


def outputs_on_duckdb(folder: Path) -> Any:
    """The same on DuckDB, in a file below `folder`."""
    url = f"duckdb:///{folder}/shop.duckdb"
    return outputs(folder / "duckdb", {"WAREHOUSE": "duckdb", "WAREHOUSE_URL": url})
