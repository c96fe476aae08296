"""A workflow runs on the service through the executor: query, Python, query."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path

from hardpoint_snowflake.conformance import SECRET, TOKEN
from hardpoint_snowflake.testing.switch import SnowflakeSwitch

FLOW = """
import datetime
import os

import pandas
from hardpoint.core import task, workflow
from hardpoint_snowflake import Connection, SnowflakeQuery

URL = os.environ["SHOP_URL"]
SHOP = Connection("acme-eu1", "ETL", "DB1", "SMALL", oauth_token="SNOWFLAKE_TOKEN", url=URL)

orders = SnowflakeQuery(
    sql="select column1::int as amount, column2::date as day "
    "from values (10, '2026-01-01'), (20, '2026-01-02'), (30, '2026-01-03') where column2::date >= :since",
    connection=SHOP, name="orders", inputs={"since": datetime.date}, outputs={"rows": pandas.DataFrame},
)
double = SnowflakeQuery(
    sql="select :n * 2 as n, cast(:at as timestamp_ntz) as moment", connection=SHOP, name="double",
    inputs={"n": int, "at": datetime.datetime}, outputs={"n": int, "moment": datetime.datetime},
)

@task
def total(rows: pandas.DataFrame) -> int:
    return int(rows["AMOUNT"].sum())

@workflow
def main(since: datetime.date, at: datetime.datetime) -> tuple[int, datetime.datetime]:
    doubled = double(n=total(rows=orders(since=since).rows), at=at)
    return doubled.n, doubled.moment
"""


def test_query_python_query(tmp_path: Path, switch: SnowflakeSwitch) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hardpoint.executor.cli", "run", "flow.py", "main"),
            *("--since", "2026-01-02", "--at", at.isoformat()),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "HARDPOINT_HOME": str(tmp_path / "home"),
            f"HARDPOINT_SECRET_{SECRET}": TOKEN,
            "SHOP_URL": switch.url,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100" in done.stdout
    assert at.isoformat() in done.stdout
