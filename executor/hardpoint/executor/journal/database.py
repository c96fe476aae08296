"""The database under a journal: how it is opened, and what its errors mean for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from hardpoint.plugin_api import HardpointError

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another process's transaction on the same SQLite file."""


class JournalUnavailableError(HardpointError):
    """The database cannot be read or written: missing rights, a full disk, a damaged file."""


def sqlite_engine(path: Path) -> Engine:
    """An SQLite file in WAL mode, made if it is not there."""
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that reads first and then writes can fail at once with SQLITE_BUSY,
        # whatever the timeout; taking the write lock first makes it wait its turn.
        if not connection.get_execution_options().get("reads_only"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class Prepared:
    """A statement that is written for the database once, and not again for each call.

    SQLAlchemy's own cache still costs some 30 µs a statement, which every commit of a chain would pay twice.
    """

    def __init__(self, statement: sa.Insert | sa.Select[Any], engine: Engine) -> None:
        compiled = statement.compile(dialect=engine.dialect)
        self._sql = str(compiled)
        self._order = tuple(compiled.positiontup or ())

    def run(self, connection: Connection, values: dict[str, Any]) -> sa.CursorResult[Any]:
        """Execute it with values by name."""
        ordered = tuple(values[name] for name in self._order) if self._order else values
        return connection.exec_driver_sql(self._sql, ordered)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the database says into an error that says what to do about it."""
    try:
        yield
    except IntegrityError:
        raise
    except DatabaseError as error:
        raise _unavailable(where, str(error.orig)) from error


def _unavailable(where: str, reason: str) -> JournalUnavailableError:
    if "full" in reason or "disk I/O" in reason:
        hint = "Free some space; nothing that was journaled is lost, and unfinished runs can be resumed"
    elif "malformed" in reason or "not a database" in reason:
        hint = "Restore the file from a backup, or choose another store with HARDPOINT_HOME"
    elif "locked" in reason:
        hint = "Another process holds the store; try again, or use one store for each"
    else:
        hint = "Check the folder's owner and rights, or choose another store with HARDPOINT_HOME"
    return JournalUnavailableError(f"The store `{where}` cannot be used: {reason}", hint=hint)
