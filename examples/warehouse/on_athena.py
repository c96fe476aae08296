"""The three queries on Amazon Athena: as whom boto3 finds, in the region of `AWS_REGION`.

`ATHENA_WORKGROUP` needs a location for its results, and `ATHENA_DATABASE` is where the table goes.
`WAREHOUSE_URL` is where the service is, if not where boto3 looks for it.
"""

from __future__ import annotations

import os
from datetime import date

import pandas as pd

from hardpoint_athena import AthenaQuery, Connection, Identifier

WORKGROUP = os.environ.get("ATHENA_WORKGROUP", "primary")
DATABASE = os.environ.get("ATHENA_DATABASE", "default")
here = Connection(
    region=os.environ.get("AWS_REGION", "us-east-1"), endpoint_url=os.environ.get("WAREHOUSE_URL", "")
)

query_orders = AthenaQuery(
    "query_orders",
    file="athena/orders.sql",
    inputs={"since": date},
    outputs=pd.DataFrame,
    workgroup=WORKGROUP,
    connection=here,
)

load_shares = AthenaQuery(
    "load_shares",
    file="athena/load.sql",
    inputs={"shares": pd.DataFrame},
    outputs=Identifier,
    destination=f"{DATABASE}.region_shares",
    write="replace",
    table_properties={"format": "PARQUET"},
    workgroup=WORKGROUP,
    connection=here,
)

query_leader = AthenaQuery(
    "query_leader",
    file="athena/leader.sql",
    inputs={"shares": Identifier},
    outputs={"region": str, "share": float},
    workgroup=WORKGROUP,
    connection=here,
)
