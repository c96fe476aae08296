"""A journal's database in one SQLite file, in WAL mode."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from hardpoint.executor.journal.database import Filtered
from hardpoint.executor.journal.protocol import JournalUnavailableError

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another process's transaction on the same file."""


class SqliteDatabase:
    """See `Database`. The file is made if it is not there."""

    elsewhere = "choose another store with HARDPOINT_HOME"
    driver_error = sqlite3.Error
    # A deferred transaction that reads first and then writes can fail at once with SQLITE_BUSY,
    # whatever the timeout; taking the write lock first makes it wait its turn.
    begin = "BEGIN IMMEDIATE"
    # What is in the log survives the process that wrote it; after a power loss, no engine is left
    # that would go on from what was lost.
    forgets = False

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnavailableError(
                f"Cannot make the store's folder `{path.parent}`: {error.strerror}",
                hint="Set HARDPOINT_HOME to a folder that you may write to",
            ) from error
        self.engine = sa.create_engine(
            f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
        )
        sa.event.listen(self.engine, "connect", _configure)
        sa.event.listen(self.engine, "begin", _begin)
        self._durable = False

    def insert(self, table: sa.Table) -> Any:
        """See `Database.insert`."""
        return insert(table)

    def durably(self, statement: Filtered) -> Filtered:
        """Nothing: see `choose_durability`."""
        return statement

    def choose_durability(self, cursor: Any, durable: bool) -> None:
        """See `Database.choose_durability`."""
        if durable != self._durable:
            cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def connect(self) -> Any:
        """See `Database.connect`."""
        pooled = self.engine.raw_connection()
        connection = pooled.dbapi_connection
        pooled.detach()
        self._durable = False
        return connection

    def lock_schema(self, connection: Connection) -> None:
        """Nothing: whoever writes has the file for himself."""

    def explain(self, error: Exception) -> JournalUnavailableError:
        """See `Database.explain`."""
        reason = str(getattr(error, "orig", None) or error)
        if "full" in reason or "disk I/O" in reason:
            hint = "Free some space; nothing that was journaled is lost, and unfinished runs can be resumed"
        elif "malformed" in reason or "not a database" in reason:
            hint = f"Restore the file from a backup, or {self.elsewhere}"
        elif "locked" in reason:
            hint = "Another process holds the store; try again, or use one store for each"
        else:
            hint = f"Check the folder's owner and rights, or {self.elsewhere}"
        return JournalUnavailableError(f"The store `{self.where}` cannot be used: {reason}", hint=hint)


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("reads_only"):
        connection.exec_driver_sql(SqliteDatabase.begin)
