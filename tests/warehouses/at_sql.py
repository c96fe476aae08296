"""PostgreSQL, called through psycopg from worker processes: as many of them as there are slots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from postgres_server import PostgresServer
from tests.warehouses.warehouse import SLOTS, Query, Warehouse, pool_of

from hardpoint_sql import SqlQuery

WORK = """
CREATE TABLE seen (n int, started float, ended float);
CREATE FUNCTION work(n int, length_s float) RETURNS int LANGUAGE plpgsql AS $$
DECLARE started float := extract(epoch FROM clock_timestamp());
BEGIN
    PERFORM pg_sleep(length_s);
    INSERT INTO seen VALUES (n, started, extract(epoch FROM clock_timestamp()));
    RETURN n;
END $$
"""


@contextmanager
def sql() -> Iterator[Warehouse]:
    """The server starts with the context, and ends with it. Each slot has a worker process."""
    with PostgresServer() as server:
        url = server.make_database()
        database = url.rpartition("/")[2]
        for statement in WORK.split(";\n", 1):
            server.execute(statement, database)

        def query(length_s: float) -> SqlQuery:
            return SqlQuery(
                "work",
                sql=f"SELECT work(CAST(:n AS int), {length_s})",
                inputs={"n": int},
                outputs=int,
                url=url.replace("postgresql://", "postgresql+psycopg://"),
            )

        def seen() -> list[Query]:
            rows = server.execute("SELECT n, started, ended FROM seen", database)
            return [Query(str(n), float(started), float(ended)) for n, started, ended in rows]

        yield Warehouse("sql", pool_of("sql"), query, seen, workers=SLOTS)
