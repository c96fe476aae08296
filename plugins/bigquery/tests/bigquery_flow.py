"""A flow of queries, with the service at `BIGQUERY_ENDPOINT`."""

from __future__ import annotations

import os
from typing import Any

from pandas import DataFrame

from hardpoint.core import Retry, map_task, task, workflow
from hardpoint_bigquery import BigQueryJob

PLACE: dict[str, Any] = {
    "project": "p1",
    "endpoint": os.environ.get("BIGQUERY_ENDPOINT", "http://127.0.0.1:1"),
}

numbers = BigQueryJob(
    "numbers",
    sql="SELECT n FROM UNNEST(GENERATE_ARRAY(1, @most)) AS n",
    inputs={"most": int},
    outputs={"rows": DataFrame},
    **PLACE,
)
square = BigQueryJob(
    "square", sql="SELECT @n * @n AS square", inputs={"n": int}, outputs={"square": int}, **PLACE
)
broken = BigQueryJob("broken", sql="SELECT 1,\n  2 frm x y", outputs={"n": int}, retry=Retry(3), **PLACE)


@task
def items(rows: DataFrame) -> list[int]:
    return [int(each) for each in rows["n"]]


@task
def total(squares: list[int]) -> int:
    return sum(squares)


@workflow
def squares(most: int = 3) -> int:
    wanted = items(numbers(most=most).rows)
    return total(map_task(square)(n=wanted).square)


@workflow
def wrong() -> int:
    answer: int = broken().n
    return answer
