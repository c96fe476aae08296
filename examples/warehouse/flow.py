"""What share of the revenue does each region have? Query, compute in Python, load, query again.

hardpoint run examples/warehouse/flow.py shares
WAREHOUSE=snowflake hardpoint run examples/warehouse/flow.py shares --since 2026-02-01
"""

from __future__ import annotations

import importlib
import os
from datetime import date
from typing import NamedTuple

import pandas as pd

from hardpoint.core import task, workflow

# The one setting. Each warehouse has a module of its own with the same three names: `query_orders`, which
# gives a table; `load_shares`, which writes one and gives its name; and `query_leader`, which reads that.
WAREHOUSES = ("duckdb", "athena", "bigquery", "snowflake")
chosen = os.environ.get("WAREHOUSE", "duckdb")
if chosen not in WAREHOUSES:
    raise ValueError(f"WAREHOUSE is `{chosen}`, and not one of {', '.join(WAREHOUSES)}")
warehouse = importlib.import_module(f"on_{chosen}")


class Leader(NamedTuple):
    """The region with the largest share, between 0 and 1."""

    region: str
    share: float


@task
def shares_of(orders: pd.DataFrame) -> pd.DataFrame:
    """Each region's share of the revenue."""
    revenue = orders.groupby("region")["cents"].sum()
    return pd.DataFrame({"region": revenue.index, "share": (revenue / revenue.sum()).round(4).to_numpy()})


@workflow
def shares(since: date = date(2026, 1, 1)) -> Leader:
    """Load each region's share of the revenue into the warehouse; return the largest.

    Args:
        since: Orders of earlier days do not count.
    """
    loaded = warehouse.load_shares(shares=shares_of(warehouse.query_orders(since=since)))
    leader = warehouse.query_leader(shares=loaded)
    return Leader(leader.region, leader.share)
