"""The example `warehouse` gives on Snowflake what it gives on DuckDB."""

from __future__ import annotations

from pathlib import Path

from tests.warehouses.example import outputs, outputs_on_duckdb

from hardpoint_snowflake.conformance import SECRET, TOKEN
from hardpoint_snowflake.testing.switch import SnowflakeSwitch


def test_query_python_load_query_gives_what_duckdb_gives(tmp_path: Path, switch: SnowflakeSwitch) -> None:
    on_snowflake = {
        "WAREHOUSE": "snowflake",
        "WAREHOUSE_URL": switch.url,
        "SNOWFLAKE_DATABASE": "DB1",
        "SNOWFLAKE_OAUTH_SECRET": SECRET,
        f"HARDPOINT_SECRET_{SECRET}": TOKEN,
    }
    expected = outputs_on_duckdb(tmp_path)
    assert outputs(tmp_path / "snowflake", on_snowflake) == expected == {"region": "south", "share": 0.5}
