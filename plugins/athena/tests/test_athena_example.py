"""The example `warehouse` gives on Athena what it gives on DuckDB."""

from __future__ import annotations

from pathlib import Path

from tests.warehouses.example import outputs, outputs_on_duckdb

from hardpoint_athena.testing.standin import Standin


def test_query_python_load_query_gives_what_duckdb_gives(tmp_path: Path) -> None:
    expected = outputs_on_duckdb(tmp_path)
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
