"""Runs tasks of type `sql` in a worker process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from hardpoint.plugin_api import FunctionContext, Inputs, Outputs, UserError
from hardpoint_sql.arguments import Arguments, read_arguments
from hardpoint_sql.client import Client
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.destination import check_writes, leads
from hardpoint_sql.failure import Place, error_of, failed
from hardpoint_sql.outcome import run_last
from hardpoint_sql.statements import Statement, split
from hardpoint_sql.urls import backend_of


class SqlHandler:
    """Opens a connection of its own for each attempt, and closes it with the attempt."""

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """Run all statements; return what the last one gives.

        Raises:
            QueryFailed: The database refuses a statement.
            UserError: The SQL, the inputs or the outputs do not fit each other or the database.
            ThrottledError: Another process has the database.
            TransientError: The connection was lost, or transactions collided.
        """
        config = msgspec.convert(context.spec.config, SqlConfig)
        given = read_arguments(context, config, inputs)
        url = context.secret(config.url_secret) if config.url_secret else config.url
        if config.destination is not None:
            check_writes(config.destination, url)
        with closing(open_client(url, config)) as client:
            with _told(client):
                for name, file in given.tables.items():
                    client.add_table(name, file)
            outputs = _run(context, config, client, given, url)
            with _told(client):
                client.commit()
        return outputs


def open_client(url: str, config: SqlConfig) -> Client:
    """A connection to the database of that URL."""
    # Either library takes a moment to import, and an attempt needs one of them.
    if backend_of(url) == "duckdb":
        from hardpoint_sql.duckdb_client import DuckDbClient

        return DuckDbClient(url, config)
    from hardpoint_sql.sqlalchemy_client import SqlAlchemyClient

    return SqlAlchemyClient(url, config)


def _run(context: FunctionContext, config: SqlConfig, client: Client, given: Arguments, url: str) -> Outputs:
    origin, text = config.sql.origin, config.sql.named(client.dialect, given.names)
    places = _statements(client, text, origin, given)
    if config.destination is not None:
        places[-1:] = _led(places[-1], leads(config.destination, url, client.dialect))
    *others, last = places
    for place in others:
        context.progress(place.number - 1, place.count, f"statement {place.number} of {place.count}")
        with _told(client, place):
            client.execute(place.statement, given.values)
    with _told(client, last):
        return run_last(context, config, client, last.statement, given.values)


def _statements(client: Client, text: str, origin: str, given: Arguments) -> list[Place]:
    statements = split(text, set(given.values), client.lexis)
    if not statements:
        raise UserError(f"There are only comments in {origin}", hint="Write at least one statement")
    unbound = set(given.values).difference(*(each.inputs for each in statements))
    if unbound:
        name = min(unbound)
        raise UserError(f"The input `{name}` is not used in {origin}", hint=f"Its value is written `:{name}`")
    return [Place(text, origin, each, at, len(statements)) for at, each in enumerate(statements, 1)]


def _led(last: Place, leads: Sequence[str]) -> list[Place]:
    """The last statement with its lead, and the statements before it that no author wrote."""
    written = last.statement
    statements = [Statement(("",), written.line, written.column, lead) for lead in leads[:-1]]
    statements.append(msgspec.structs.replace(written, lead=leads[-1]))
    return [msgspec.structs.replace(last, statement=each) for each in statements]


@contextmanager
def _told(client: Client, place: Place | None = None) -> Iterator[None]:
    """Say which statement failed, if it does."""
    try:
        yield
    except client.errors as error:
        complaint = client.complaint(error, place.statement if place else None)
        if place is None:
            raise error_of(complaint, f"The database refused: {complaint.text}") from None
        raise failed(complaint, place) from None
