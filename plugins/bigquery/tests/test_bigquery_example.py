"""The example `warehouse` gives on BigQuery what it gives on DuckDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.plugin_api import FrameType, SimpleKind, SimpleType
from hardpoint_bigquery.testing import standin

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]

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


def test_query_python_load_query_gives_what_duckdb_gives(warehouse: Warehouse, tmp_path: Path) -> None:
    on_duckdb = {"WAREHOUSE": "duckdb", "WAREHOUSE_URL": f"duckdb:///{tmp_path}/shop.duckdb"}
    dataset = warehouse.dataset()
    on_bigquery = {
        "WAREHOUSE": "bigquery",
        "WAREHOUSE_URL": warehouse.proxy.url,
        "GOOGLE_CLOUD_PROJECT": standin.PROJECT,
        "BIGQUERY_DATASET": dataset,
    }
    expected = outputs(tmp_path / "duckdb", on_duckdb)
    # There is an older table, which is replaced.
    warehouse.run(
        warehouse.request(f"CREATE TABLE {dataset}.region_shares AS SELECT 'old' AS region, 0.9 AS share")
    )
    assert outputs(tmp_path / "bigquery", on_bigquery) == expected == {"region": "south", "share": 0.5}
    sql = "SELECT region, share FROM {source} ORDER BY region"
    name = {"source": (SimpleType(SimpleKind.STR), f"{dataset}.region_shares")}
    loaded = warehouse.table(warehouse.request(sql, name, {"rows": FrameType()}, slots=["source"]))
    assert loaded.to_pydict() == {"region": ["north", "south", "west"], "share": [0.4083, 0.5, 0.0917]}
