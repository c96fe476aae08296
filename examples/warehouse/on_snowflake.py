"""The three queries on Snowflake: in the account, and as the user, that the environment names.

`SNOWFLAKE_ACCOUNT`, `SNOWFLAKE_USER`, `SNOWFLAKE_DATABASE` and `SNOWFLAKE_WAREHOUSE`. The key pair is the
secret `SNOWFLAKE_PRIVATE_KEY`, unless `SNOWFLAKE_OAUTH_SECRET` is the name of a secret with a token.
`WAREHOUSE_URL` is where the service is, if not at `https://ACCOUNT.snowflakecomputing.com`.
"""

from __future__ import annotations

import os
from datetime import date

import pandas as pd

from hardpoint_snowflake import Connection, Identifier, SnowflakeQuery

shop = Connection(
    os.environ.get("SNOWFLAKE_ACCOUNT", "acme-eu1"),
    user=os.environ.get("SNOWFLAKE_USER", "ETL"),
    database=os.environ.get("SNOWFLAKE_DATABASE", "SHOP"),
    warehouse=os.environ.get("SNOWFLAKE_WAREHOUSE", "SMALL"),
    oauth_token=os.environ.get("SNOWFLAKE_OAUTH_SECRET", ""),
    url=os.environ.get("WAREHOUSE_URL", ""),
)

query_orders = SnowflakeQuery(
    "query_orders",
    file="snowflake/orders.sql",
    connection=shop,
    inputs={"since": date},
    outputs=pd.DataFrame,
)

load_shares = SnowflakeQuery(
    "load_shares",
    file="snowflake/load.sql",
    connection=shop,
    inputs={"shares": pd.DataFrame},
    outputs=Identifier,
    destination="PUBLIC.REGION_SHARES",
    write="replace",
)

query_leader = SnowflakeQuery(
    "query_leader",
    file="snowflake/leader.sql",
    connection=shop,
    inputs={"shares": Identifier},
    outputs={"region": str, "share": float},
)
