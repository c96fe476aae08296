"""The tables of a database as this hardpoint has them: made, or brought up from an older format."""

from __future__ import annotations

from hardpoint.executor.journal.database import Database, Session
from hardpoint.executor.journal.events import JOURNAL_FORMAT
from hardpoint.executor.journal.schema import (
    ADD_PRIORITY,
    INDEXES_OF_RUNS,
    OUTDATED,
    SHARED_TABLES,
    TABLES,
    insert,
)
from hardpoint.executor.journal.sql_queue import know_tenants


def make_tables(session: Session, database: Database) -> None:
    """Make whatever is not there."""
    if database.lock_schema:
        session.rows(database.lock_schema)
    for table in TABLES:
        session.run(table.format(**database.types))
    # The last of it: who finds the number finds every table.
    if session.row("SELECT journal FROM formats") is None:
        session.run(insert("formats", ("journal",)), {"journal": JOURNAL_FORMAT})


def raise_format(session: Session, database: Database) -> None:
    """Make an older store one of this format; older executors refuse it from then on."""
    if database.lock_schema:
        session.rows(database.lock_schema)
    if session.row(database.has_priority) is None:
        session.run(ADD_PRIORITY)
    for table in (*OUTDATED, *INDEXES_OF_RUNS, *SHARED_TABLES):
        session.run(table.format(**database.types))
    know_tenants(session)
    session.run("UPDATE formats SET journal = :journal", {"journal": JOURNAL_FORMAT})
