"""A journal's database in one SQLite file, in WAL mode."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hardpoint.executor.journal.database import Session
from hardpoint.executor.journal.protocol import JournalUnavailableError

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another process's transaction on the same file."""


class SqliteDatabase:
    """See `Database`. The file is made if it is not there."""

    elsewhere = "choose another store with HARDPOINT_HOME"
    driver_error: type[Exception] = sqlite3.Error
    # A deferred transaction that reads first and then writes can fail at once with SQLITE_BUSY,
    # whatever the timeout; taking the write lock first makes it wait its turn.
    begin = "BEGIN IMMEDIATE"
    # What is in the log survives the process that wrote it; after a power loss, no engine is left
    # that would go on from what was lost.
    forgets = False
    types: Mapping[str, str] = MappingProxyType(
        {
            "bytes": "BLOB",
            "float": "FLOAT",
            # Without a row id the key is the table: one page written for an append instead of two.
            "keyed": "WITHOUT ROWID",
            "updated": "",
        }
    )
    has_tables = "SELECT 1 FROM sqlite_master WHERE name = 'formats'"
    has_priority = "SELECT 1 FROM pragma_table_info('executions') WHERE name = 'priority'"
    # Whoever writes has the file for himself.
    lock_schema = lock_row = ""
    durably = ""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnavailableError(
                f"Cannot make the store's folder `{path.parent}`: {error.strerror}",
                hint="Set HARDPOINT_HOME to a folder that you may write to",
            ) from error

    def connect(self) -> Any:
        """See `Database.connect`."""
        connection = sqlite3.connect(
            self.where, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def written(self, sql: str) -> str:
        """As it stands."""
        return sql

    def choose_durability(self, session: Session, durable: bool) -> None:
        """See `Database.choose_durability`."""
        session.run(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")

    def explain(self, error: Exception) -> JournalUnavailableError:
        """See `Database.explain`."""
        reason = str(error)
        if "full" in reason or "disk I/O" in reason:
            hint = "Free some space; nothing that was journaled is lost, and unfinished runs can be resumed"
        elif "malformed" in reason or "not a database" in reason:
            hint = f"Restore the file from a backup, or {self.elsewhere}"
        elif "locked" in reason:
            hint = "Another process holds the store; try again, or use one store for each"
        else:
            hint = f"Check the folder's owner and rights, or {self.elsewhere}"
        return JournalUnavailableError(f"The store `{self.where}` cannot be used: {reason}", hint=hint)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Set the mode of a new file; others may be about to as well, and SQLite waits for none of them."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.005)
