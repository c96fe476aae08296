"""The example `warehouse` gives on BigQuery what it gives on DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.warehouses.example import outputs, outputs_on_duckdb

from hardpoint.plugin_api import FrameType, SimpleKind, SimpleType
from hardpoint_bigquery.testing import standin

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]


def test_query_python_load_query_gives_what_duckdb_gives(warehouse: Warehouse, tmp_path: Path) -> None:
    dataset = warehouse.dataset()
    on_bigquery = {
        "WAREHOUSE": "bigquery",
        "WAREHOUSE_URL": warehouse.proxy.url,
        "GOOGLE_CLOUD_PROJECT": standin.PROJECT,
        "BIGQUERY_DATASET": dataset,
    }
    expected = outputs_on_duckdb(tmp_path)
    # There is an older table, which is replaced.
    warehouse.run(
        warehouse.request(f"CREATE TABLE {dataset}.region_shares AS SELECT 'old' AS region, 0.9 AS share")
    )
    assert outputs(tmp_path / "bigquery", on_bigquery) == expected == {"region": "south", "share": 0.5}
    sql = "SELECT region, share FROM {source} ORDER BY region"
    name = {"source": (SimpleType(SimpleKind.STR), f"{dataset}.region_shares")}
    loaded = warehouse.table(warehouse.request(sql, name, {"rows": FrameType()}, slots=["source"]))
    assert loaded.to_pydict() == {"region": ["north", "south", "west"], "share": [0.4083, 0.5, 0.0917]}
