"""The three queries on DuckDB: in the file of `WAREHOUSE_URL`, by default one among the temporary files."""

from __future__ import annotations

import os
import tempfile
from datetime import date
from pathlib import Path

import pandas as pd

from hardpoint_sql import Identifier, SqlQuery

DEFAULT = Path(tempfile.gettempdir()) / "hardpoint-warehouse.duckdb"
URL = os.environ.get("WAREHOUSE_URL", f"duckdb:///{DEFAULT}")

query_orders = SqlQuery(
    "query_orders",
    file="duckdb/orders.sql",
    inputs={"since": date},
    outputs=pd.DataFrame,
    url=URL,
)

load_shares = SqlQuery(
    "load_shares",
    file="duckdb/load.sql",
    inputs={"shares": pd.DataFrame},
    outputs=Identifier,
    url=URL,
    destination="region_shares",
    write="replace",
)

query_leader = SqlQuery(
    "query_leader",
    file="duckdb/leader.sql",
    inputs={"shares": Identifier},
    outputs={"region": str, "share": float},
    url=URL,
)
