"""What share of the revenue does each region have? Query, compute in Python, load, query again.

hardpoint run examples/warehouse/flow.py shares
hardpoint run examples/warehouse/flow.py shares --since 2026-02-01
"""

from __future__ import annotations

import os
from datetime import date
from typing import NamedTuple

import pandas as pd

from hardpoint.core import node, task, workflow

# The one setting. Each warehouse has a module of its own with the same three names: `query_orders`, which
# gives a table; `load_shares`, which takes one; and `query_leader`, which gives `region` and `share`.
match os.environ.get("WAREHOUSE", "duckdb"):
    case "duckdb":
        from on_duckdb import (  # type: ignore[import-not-found]  # the file beside this one
            load_shares,
            query_leader,
            query_orders,
        )
    case other:
        raise ValueError(f"WAREHOUSE is `{other}`, and there is no module for it beside `flow.py`")


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
    loaded = load_shares(shares=shares_of(query_orders(since=since)), since=since)
    leader = query_leader(since=since)
    # Nothing flows from one to the other but through the warehouse.
    node(loaded) >> node(leader)
    return Leader(leader.region, leader.share)
