"""Many queries of eight tenants at one warehouse: a shard of the proof `warehouses`.

By hand: `python tests/warehouses/eight_tenants.py --shard 0 --shards 4 --out /tmp/athena.json --queries 100`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

# Run as a file, it finds only what lies beside it.
sys.path.append(str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "postgres_server"))

from tests.warehouses.at_athena import athena
from tests.warehouses.at_bigquery import bigquery
from tests.warehouses.at_snowflake import snowflake
from tests.warehouses.at_sql import sql
from tests.warehouses.governed import govern
from tests.warehouses.measures import Measured, missed, over_limits
from tests.warehouses.warehouse import SLOTS, Warehouse

Start = Callable[[], AbstractContextManager[Warehouse]]
WAREHOUSES: dict[str, Start] = {
    "athena": athena,
    "bigquery": bigquery,
    "snowflake": snowflake,
    "sql": sql,
}


def judged(start: Start, queries: int, again: Callable[[list[str]], None]) -> tuple[Measured, list[str]]:
    """Run so many queries; return what was measured, and what is wrong with it.

    What a busy machine may be the cause of is tried a second time.

    Args:
        start: Starts the warehouse.
        queries: A multiple of 100.
        again: Told what is not good enough, before the second time.
    """
    found, broken, poor = _once(start, queries)
    if poor and not broken:
        again(poor)
        found, broken, poor = _once(start, queries)
    return found, broken + poor


def _once(start: Start, queries: int) -> tuple[Measured, list[str], list[str]]:
    with start() as warehouse, tempfile.TemporaryDirectory() as home:
        found = govern(warehouse, queries, Path(home))
        return found, over_limits(found, warehouse), missed(found)


def row_of(found: Measured) -> dict[str, Any]:
    """A row of the table of results."""
    return {
        "warehouse": found.warehouse,
        "Jain, of what ran": f"{found.jain:.4f}",
        "of what was held": f"{found.jain_held:.4f}",
        "over": f"{found.window_s:.0f} s",
        "utilisation": f"{found.utilisation:.1%}",
        f"most at once, of {SLOTS}": found.most_at_once,
        "calls a query": f"{found.calls_per_query:.2f}" if found.reads else "",
        "most reads a second": found.reads_in_a_second if found.reads else "",
        "most writes a second": found.writes_in_a_second if found.reads else "",
        "noticed after, median": f"{found.notice_median_s:.2f} s",
        "p90": f"{found.notice_p90_s:.2f} s",
    }


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    repeated: list[list[str]] = []
    found, wrong = judged(list(WAREHOUSES.values())[options.shard], options.queries, repeated.append)
    told = {
        "queries": found.queries,
        "calls": found.reads + found.writes,
        "runs_repeated": len(repeated),
        "repeated_for": "; ".join(text for each in repeated for text in each),
        "row": row_of(found),
        "broken": "; ".join(wrong),
    }
    options.out.write_text(json.dumps(told))
    print(json.dumps({**told, **found._asdict()}, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
