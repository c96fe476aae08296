"""Snowflake: its stand-in behind a proxy, called through the official connector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.warehouses.warehouse import Counted, Query, Warehouse, declared_rate, pool_of

from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint_snowflake import Connection, SnowflakeQuery, plugin
from hardpoint_snowflake.testing.http_dialect import SnowflakeDialect
from hardpoint_snowflake.testing.server import Standin

SECRETS = {"HARDPOINT_SECRET_TOKEN": "an-access-token"}
SQL = "select :n as result, system$wait({:.0f}, 'MILLISECONDS') as waited"


@contextmanager
def snowflake() -> Iterator[Warehouse]:
    """The stand-in starts with the context, and ends with it."""
    dialect = Counted(SnowflakeDialect())
    with Standin() as standin, FaultProxy(standin.url, dialect) as proxy:
        standin.set(oauth_tokens=list(SECRETS.values()))
        here = Connection("acme-eu1", "ETL", "DB1", "SMALL", oauth_token="TOKEN", url=proxy.url)

        def query(length_s: float) -> SnowflakeQuery:
            sql = f"select result from ({SQL.format(1000 * length_s)})"
            return SnowflakeQuery(sql=sql, inputs={"n": int}, outputs={"result": int}, connection=here)

        def seen() -> list[Query]:
            return [Query(each["id"], each["started"], each["ended"]) for each in standin.queries("")]

        yield Warehouse(
            "snowflake", pool_of("snowflake"), query, seen, dialect.served, declared_rate(plugin), SECRETS
        )
