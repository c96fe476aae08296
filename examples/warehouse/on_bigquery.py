"""The three steps on BigQuery, in the project that `GOOGLE_CLOUD_PROJECT` names.

`BIGQUERY_DATASET` is where the table goes, and must exist: `bq mk example`. Its location is that of
`GOOGLE_CLOUD_LOCATION`. Google's default credentials of this machine are used, and none for an endpoint that
begins with `http://`.
"""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import pandas as pd

from hardpoint_bigquery import BigQueryJob, Identifier

PLACE: dict[str, Any] = {
    "project": os.environ.get("GOOGLE_CLOUD_PROJECT", "example"),
    "location": os.environ.get("GOOGLE_CLOUD_LOCATION", "US"),
    "endpoint": os.environ.get("WAREHOUSE_URL", ""),
}
DATASET = os.environ.get("BIGQUERY_DATASET", "example")

query_orders = BigQueryJob(
    "query_orders",
    file="bigquery/orders.sql",
    inputs={"since": date},
    outputs=pd.DataFrame,
    **PLACE,
)

# A load job: BigQuery does not charge for it, and replaces the older table in one step.
load_shares = BigQueryJob(
    "load_shares",
    job_config={"load": {}},
    inputs={"shares": pd.DataFrame},
    destination=f"{DATASET}.region_shares",
    write_disposition="WRITE_TRUNCATE",
    outputs=Identifier,
    **PLACE,
)

query_leader = BigQueryJob(
    "query_leader",
    file="bigquery/leader.sql",
    inputs={"shares": Identifier},
    outputs={"region": str, "share": float},
    **PLACE,
)
