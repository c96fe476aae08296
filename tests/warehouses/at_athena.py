"""Athena: its stand-in behind a proxy, called through boto3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.warehouses.warehouse import Counted, Query, Warehouse, declared_rate, pool_of

from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint_athena import AthenaQuery, Connection, plugin
from hardpoint_athena.testing.http_dialect import AthenaDialect
from hardpoint_athena.testing.standin import Standin

SECRETS = {"HARDPOINT_SECRET_KEY": "AKIAEXAMPLE", "HARDPOINT_SECRET_SECRET": "s"}
SQL = "SELECT n FROM range(0, 100000) AS numbers (n) WHERE n = :n /* runs {} s */"


@contextmanager
def athena() -> Iterator[Warehouse]:
    """The stand-in starts with the context, and ends with it."""
    dialect = Counted(AthenaDialect())
    with Standin() as standin, FaultProxy(standin.url, dialect) as proxy:
        here = Connection(region="us-east-1", endpoint_url=proxy.url, access_key="KEY", secret_key="SECRET")

        def query(length_s: float) -> AthenaQuery:
            return AthenaQuery(
                sql=SQL.format(length_s), inputs={"n": int}, outputs={"result": int}, connection=here
            )

        def seen() -> list[Query]:
            return [Query(each["id"], each["submitted"], each["ended"]) for each in standin.queries()]

        yield Warehouse(
            "athena", pool_of("athena"), query, seen, dialect.served, declared_rate(plugin), SECRETS
        )
