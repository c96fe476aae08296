"""DuckDB, inside the worker's process."""

from __future__ import annotations

import glob
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from hardpoint.plugin_api import ErrorKind
from hardpoint.plugin_api.sql_text import Dialect
from hardpoint_sql.client import Complaint, Rows
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.failure import error_of
from hardpoint_sql.statements import STANDARD, Statement
from hardpoint_sql.tables import write_batches
from hardpoint_sql.urls import IN_MEMORY, duckdb_file

BATCH_ROWS = 100_000
OF_THE_SQL = (
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.NotSupportedError,
    duckdb.PermissionException,
)
"""What is wrong with a statement in itself."""
_POSITION = re.compile(r"\n+LINE (\d+): (.*)\n( *)\^+ *(?=\n|$)")


class DuckDbClient:
    """A DuckDB file, or one in memory.

    Args:
        url: Of the task, `duckdb:` or empty.
        config: Of the task.

    Raises:
        HardpointError: The file cannot be opened, or another process has it.
    """

    dialect = Dialect()
    lexis = STANDARD
    errors: tuple[type[Exception], ...] = (duckdb.Error,)

    def __init__(self, url: str, config: SqlConfig) -> None:
        self._file = duckdb_file(url)
        options: dict[str, str | bool | int | float | list[str]] = {
            **config.options,
            # Else a table that does not exist would be looked for among the variables of this very code.
            "python_enable_replacements": False,
        }
        try:
            self._connection = duckdb.connect(self._file, read_only=config.read_only, config=options)
        except duckdb.Error as error:
            raise error_of(_complaint(error, self._file), f"DuckDB does not open: {error}") from None
        self._open = config.transaction
        if self._open:
            self._connection.execute("BEGIN")

    def add_table(self, name: str, file: Path) -> None:
        """See `Client`."""
        # A relation made from the file: no path becomes SQL. Registered, it is a temporary view.
        self._connection.register(name, self._connection.read_parquet(glob.escape(str(file))))

    def execute(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """See `Client`."""
        self._connection.execute(*_bound(statement, values))

    def rows(self, statement: Statement, values: Mapping[str, Any], at_most: int) -> Rows | None:
        """See `Client`."""
        self.execute(statement, values)
        columns = tuple(column[0] for column in self._connection.description or ())
        return Rows(columns, tuple(self._connection.fetchmany(at_most))) if columns else None

    def write(self, statement: Statement, values: Mapping[str, Any], file: Path) -> bool:
        """See `Client`."""
        sql, bound = _bound(statement, values)
        relation = self._connection.sql(sql, params=bound)
        # Older statements for the database as a whole give none.
        if relation is None:
            return False
        reader = relation.to_arrow_reader(BATCH_ROWS)
        write_batches(reader.schema, reader, file)
        return True

    def commit(self) -> None:
        """See `Client`."""
        if self._open:
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """See `Client`."""
        self._connection.close()

    def complaint(self, error: Exception, statement: Statement | None) -> Complaint:
        """See `Client`."""
        return _complaint(error, self._file, statement)


def _bound(statement: Statement, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return statement.render(_placeholder), {name: values[name] for name in statement.inputs}


def _complaint(error: Exception, file: str, statement: Statement | None = None) -> Complaint:
    said = str(error)
    kind, hint = _meaning(error, said, file)
    found = _POSITION.search(said)
    if found is None or statement is None:
        return Complaint(kind, type(error).__name__, said.strip(), hint=hint)
    text = (said[: found.start()] + said[found.end() :]).strip()
    line, column = _place(found, int(found[1]), statement)
    return Complaint(kind, type(error).__name__, text, line, column, hint)


def _meaning(error: Exception, said: str, file: str) -> tuple[ErrorKind, str]:
    """Whose error it is, and what helps."""
    match type(error).__name__:
        case "IOException" if said.startswith("IO Error: Could not set lock on file"):
            return ErrorKind.THROTTLED, (
                "A DuckDB file is open to one process at a time, unless all open it with `read_only=True`"
            )
        case "TransactionException" if "onflict" in said:
            return ErrorKind.TRANSIENT, ""
        case "TransactionException":
            return ErrorKind.SYSTEM, "With `transaction=False` the SQL begins and commits by itself"
        case "HTTPException" | "InterruptException":
            return ErrorKind.TRANSIENT, ""
        case "InternalException" | "FatalException":
            return ErrorKind.SYSTEM, ""
        case "OutOfMemoryException":
            return ErrorKind.USER, 'Raise `options={"memory_limit": …}`, or work on the data in parts'
        case "CatalogException" if file == IN_MEMORY:
            return ErrorKind.SYSTEM, (
                "Without `url` every attempt has an empty DuckDB: its tables are the inputs that are tables"
            )
        case _:
            return ErrorKind.SYSTEM if isinstance(error, OF_THE_SQL) else ErrorKind.USER, ""


def _place(found: re.Match[str], line: int, statement: Statement) -> tuple[int | None, int | None]:
    """Line and column in what the author wrote; DuckDB shows a part of the line."""
    part = found[2]
    at = _characters(part, len(found[3]) - len(f"LINE {line}: "))
    if part.startswith("..."):
        part, at = part[3:], at - 3
    part = part.removesuffix("...")
    lines = statement.render(_placeholder).split("\n")
    whole = lines[line - 1] if line <= len(lines) else ""
    if whole.count(part) != 1:
        return line, None
    column = whole.index(part) + at + 1 - (len(statement.lead) if line == 1 else 0)
    return (line, column) if column > 0 else (None, None)


def _characters(text: str, columns: int) -> int:
    """How many characters fill so many columns of a terminal, as DuckDB counts them."""
    filled = 0
    for number, each in enumerate(text):
        if filled >= columns and unicodedata.category(each) not in ("Cc", "Mn"):
            return number
        if unicodedata.category(each) not in ("Cc", "Mn"):
            filled += 2 if unicodedata.east_asian_width(each) in ("W", "F") else 1
    return len(text)


def _placeholder(name: str) -> str:
    """As long as `:name`, so that DuckDB's columns are those of the author."""
    return f"${name}"
