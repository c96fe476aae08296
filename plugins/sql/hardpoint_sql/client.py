"""What the handler needs of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hardpoint.plugin_api import ErrorKind
from hardpoint.plugin_api.sql_text import Dialect
from hardpoint_sql.statements import Lexis, Statement


class Rows(msgspec.Struct, frozen=True):
    """The first rows of a result."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Complaint(msgspec.Struct, frozen=True):
    """What a database says of a statement.

    Args:
        kind: Whose error it is.
        reason: The driver's class of error, for `Retry(on=…)`.
        text: The driver's words, without secrets.
        line, column: Where in the statement, from 1, as far as it is known.
        hint: What helps.
    """

    kind: ErrorKind
    reason: str
    text: str
    line: int | None = None
    column: int | None = None
    hint: str = ""


class Client(Protocol):
    """An open connection, and perhaps a transaction on it."""

    @property
    def dialect(self) -> Dialect:
        """How it writes names."""

    @property
    def lexis(self) -> Lexis:
        """How it writes strings and comments."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What it raises, for `complaint`."""

    def add_table(self, name: str, file: Path) -> None:
        """Let a Parquet file be a table of that name, for this connection only."""

    def execute(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Run a statement whose result nobody wants."""

    def rows(self, statement: Statement, values: Mapping[str, Any], at_most: int) -> Rows | None:
        """Run a statement and read its first rows; None if it gives no result."""

    def write(self, statement: Statement, values: Mapping[str, Any], file: Path) -> bool:
        """Run a statement and write its rows as Parquet; False if it gives no result."""

    def commit(self) -> None:
        """Keep what was changed."""

    def close(self) -> None:
        """End the connection; what was not committed is undone."""

    def complaint(self, error: Exception, statement: Statement | None) -> Complaint:
        """What one of `errors` means, of a statement or of the connection."""
