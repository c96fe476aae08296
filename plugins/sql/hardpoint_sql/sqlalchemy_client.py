"""Any database that SQLAlchemy has a dialect for."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from hardpoint.plugin_api import ErrorKind, UserError
from hardpoint.plugin_api.sql_text import Dialect
from hardpoint_sql.client import Complaint, Rows
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.failure import error_of
from hardpoint_sql.statements import MYSQL, STANDARD, Statement, position_of
from hardpoint_sql.tables import write_rows

CHUNK_ROWS = 10_000
_BACKTICKS = ("mysql", "mariadb")
_EXCERPT = re.compile(r"\nLINE \d+: .*\n *\^(?=\n|$)")
_AT_LINE = re.compile(r" at line (\d+)")
_STATE = re.compile(r"[0-9A-Z]{5}")
SQLITE_THROTTLED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
THROTTLED_STATES = ("53300", "55P03")
TRANSIENT_STATES = ("08", "40", "53", "57P")
SQL_STATES = ("0A", "3D", "3F", "42")
USER_STATES = ("2", "3", "44")
MYSQL_THROTTLED, MYSQL_TRANSIENT = (1040, 1203), (1205, 1213, 2002, 2003, 2006, 2013)
MYSQL_SQL = (1049, 1050, 1051, 1052, 1054, 1064, 1146, 1305)
"""Unknown or doubled databases, tables, columns and functions, and syntax: mostly an `OperationalError`."""


class SqlAlchemyClient:
    """A connection through a driver.

    Args:
        url: Of the database.
        config: Of the task.

    Raises:
        HardpointError: There is no such dialect or driver, or the database cannot be reached.
    """

    errors: tuple[type[Exception], ...] = (SQLAlchemyError, OverflowError)

    def __init__(self, url: str, config: SqlConfig) -> None:
        self._engine = _engine(url, config)
        name = self._engine.dialect.name
        self.lexis = MYSQL if name in _BACKTICKS else STANDARD
        self.dialect = Dialect(
            "`" if name in _BACKTICKS else '"', self._engine.dialect.max_identifier_length or 255
        )
        level = {} if config.transaction else {"isolation_level": "AUTOCOMMIT"}
        try:
            self._connection = self._engine.connect().execution_options(**level)
        except SQLAlchemyError as error:
            complaint = self.complaint(error, None)
            raise error_of(complaint, f"The {name} database does not open: {complaint.text}") from None

    def add_table(self, name: str, file: Path) -> None:
        """See `Client`."""
        raise UserError(
            f"The input `{name}` is a table, and {self._engine.dialect.name} cannot read it",
            hint="Query it on DuckDB (without `url`), or insert it with a Python task",
        )

    def execute(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """See `Client`."""
        self._result(statement, values).close()

    def rows(self, statement: Statement, values: Mapping[str, Any], at_most: int) -> Rows | None:
        """See `Client`."""
        result = self._result(statement, values)
        if not result.returns_rows:
            return None
        found = Rows(tuple(result.keys()), tuple(map(tuple, result.fetchmany(at_most))))
        result.close()
        return found

    def write(self, statement: Statement, values: Mapping[str, Any], file: Path) -> bool:
        """See `Client`."""
        result = self._result(statement, values)
        if not result.returns_rows:
            return False
        write_rows(tuple(result.keys()), _chunks(result), file)
        return True

    def commit(self) -> None:
        """See `Client`."""
        self._connection.commit()

    def close(self) -> None:
        """See `Client`."""
        self._connection.close()
        self._engine.dispose()

    def complaint(self, error: Exception, statement: Statement | None) -> Complaint:
        """See `Client`."""
        said = str(getattr(error, "orig", None) or error).strip()
        password = self._engine.url.password
        text = said.replace(password, "***") if password else said
        origin = getattr(error, "orig", None) or error
        line, column = _position(error, statement, said) if statement is not None else (None, None)
        kind = _kind_of(error, statement is None)
        return Complaint(kind, type(origin).__name__, _EXCERPT.sub("", text), line, column)

    def _result(self, statement: Statement, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        text = sa.text(statement.render(lambda name: f":{name}", _escaped))
        return self._connection.execute(text.bindparams(**{name: values[name] for name in statement.inputs}))


def _engine(url: str, config: SqlConfig) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url, poolclass=NullPool, hide_parameters=True, connect_args=dict(config.options)
        )
    except NoSuchModuleError as error:
        raise UserError(f"SQLAlchemy knows no such database: {error}", hint=_INSTALL) from None
    except ImportError as error:
        raise UserError(f"The driver is not installed: {error}", hint=_INSTALL) from None
    except (ArgumentError, ValueError):
        # Their texts hold the URL, and that perhaps a password.
        raise UserError(
            "SQLAlchemy cannot read the URL of the database",
            hint="It is written `dialect+driver://user:password@host:port/database`",
        ) from None
    if engine.dialect.driver == "pysqlite" and config.transaction:
        _begin_early(engine)
    return engine


def _begin_early(engine: sa.Engine) -> None:
    """By itself the driver begins no transaction before a `CREATE TABLE`, which then could not be undone.

    Source: SQLAlchemy's documentation of SQLite, "Enabling non-legacy SQLite transactional modes".
    """

    def no_commits_of_its_own(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    sa.event.listen(engine, "connect", no_commits_of_its_own)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))


_INSTALL = "Install the driver where the workers run, such as `pip install 'psycopg[binary]'`"


def _escaped(sql: str) -> str:
    """SQL in which SQLAlchemy finds no parameters of its own."""
    return sql.replace(":", "\\:")


def _chunks(result: sa.CursorResult[Any]) -> Iterator[Sequence[sa.Row[Any]]]:
    while chunk := result.fetchmany(CHUNK_ROWS):
        yield chunk


def _kind_of(error: Exception, opening: bool) -> ErrorKind:
    """Whose error it is: by the driver's own code, else by the class."""
    if not isinstance(error, DBAPIError):
        return ErrorKind.USER
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return _sqlite_kind(getattr(origin, "sqlite_errorcode", 0) & 0xFF)
    number = next(iter(getattr(origin, "args", ())), None)
    state = _state(origin, number)
    if state.startswith(SQL_STATES) or number in MYSQL_SQL:
        return ErrorKind.SYSTEM
    if state in THROTTLED_STATES or number in MYSQL_THROTTLED:
        return ErrorKind.THROTTLED
    if state.startswith(TRANSIENT_STATES) or number in MYSQL_TRANSIENT or error.connection_invalidated:
        return ErrorKind.TRANSIENT
    if state.startswith(USER_STATES):
        return ErrorKind.USER
    match type(error).__name__:
        case "OperationalError" | "InterfaceError":
            return ErrorKind.TRANSIENT if opening or not state else ErrorKind.USER
        case "InternalError" | "NotSupportedError":
            return ErrorKind.SYSTEM
        case "ProgrammingError":
            return ErrorKind.USER if state else ErrorKind.SYSTEM
        case _:
            return ErrorKind.USER


def _state(origin: object, number: object) -> str:
    """The SQLSTATE; ODBC drivers give it as their first argument."""
    state = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)
    if state is None and isinstance(number, str) and _STATE.fullmatch(number):
        return number
    return str(state or "")


def _sqlite_kind(primary: int) -> ErrorKind:
    if primary in SQLITE_THROTTLED:
        return ErrorKind.THROTTLED
    # Of SQLite's many codes it is the one for all that cannot be prepared, such as an unknown table.
    return ErrorKind.SYSTEM if primary == sqlite3.SQLITE_ERROR else ErrorKind.USER


def _position(error: Exception, statement: Statement, said: str) -> tuple[int | None, int | None]:
    """Line and column in the statement, as far as the driver says."""
    origin, compiled = getattr(error, "orig", None), getattr(error, "statement", None)
    offset = getattr(getattr(origin, "diag", None), "statement_position", None)
    # psycopg 3 alone leaves the binding to the server, so that no value moves the place.
    if offset is not None and compiled is not None and type(origin).__module__.startswith("psycopg."):
        lead = len(statement.lead)
        if int(offset) <= lead:
            return None, None
        place = _translated(int(offset) - 1 - lead, _sent(compiled[lead:], statement), statement)
        return position_of(statement.source, place)
    found = _AT_LINE.search(said)
    return (int(found[1]), None) if found else (None, None)


def _sent(compiled: str, statement: Statement) -> list[str]:
    """What psycopg sent, in the statement's parts: `$1` for the first input, with SQLAlchemy's cast."""
    numbers: dict[str, int] = {}
    sent, at = [], 0
    for index, part in enumerate(statement.parts):
        if index % 2 == 0:
            sent.append(part)
            at += len(part.replace("%", "%%"))
            continue
        cast = compiled.index(")s", at) + len(")s")
        following = statement.parts[index + 1].replace("%", "%%")
        at = compiled.index(following, cast) if following else len(compiled)
        sent.append(f"${numbers.setdefault(part, len(numbers) + 1)}{compiled[cast:at]}")
    return sent


def _translated(offset: int, sent: list[str], statement: Statement) -> int:
    """The place in the author's text of a place in what was sent, part by part."""
    place = 0
    for index, theirs in enumerate(sent):
        ours = len(statement.parts[index]) + index % 2
        if offset < len(theirs):
            return place + min(offset, ours)
        offset, place = offset - len(theirs), place + ours
    return place
