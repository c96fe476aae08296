"""Which journal a program gets: SQLite in the store's folder, a database server's, or one in memory."""

from __future__ import annotations

import os
from pathlib import Path

from hardpoint.executor.home import JOURNAL_FILE, journal_url
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.postgresql import PostgresqlDatabase
from hardpoint.executor.journal.protocol import LEASE_S, Journal
from hardpoint.executor.journal.sql import SqlJournal


def open_journal(home: Path, url: str = "", *, lease_s: float = LEASE_S) -> Journal:
    """A store's journal, with its tables made if they are not there.

    Args:
        home: The store's folder.
        url: `postgresql://user@host/database`, `sqlite` for a file in that folder, or `memory`;
            empty: `$HARDPOINT_JOURNAL`, else `sqlite`.
        lease_s: How long a run that is claimed through it stays with an engine that gives no sign of life.

    Raises:
        JournalUrlError: Nothing can be opened by that URL, or its driver is not installed.
        JournalUnavailableError: The database cannot be used; `JournalUnreachableError` if that may pass.
        JournalFormatError: A newer hardpoint wrote it.
    """
    match journal_url(url, os.environ):
        case "memory":
            return MemoryJournal(lease_s)
        case "sqlite":
            return SqlJournal.at(home / JOURNAL_FILE, lease_s)
        case address:
            return SqlJournal(PostgresqlDatabase(address), lease_s)


def existing_journal(home: Path, url: str = "") -> Journal:
    """A store's journal for somebody who only looks: an empty one where there is none, and none is made.

    Args:
        home: The store's folder.
        url: See `open_journal`.
    """
    if journal_url(url, os.environ) == "sqlite" and not (home / JOURNAL_FILE).exists():
        return MemoryJournal()
    return open_journal(home, url)
