"""A journal's database on a PostgreSQL server, for any number of executors on any number of machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hardpoint.executor.journal.database import Session
from hardpoint.executor.journal.protocol import JournalUnavailableError, JournalUnreachableError
from hardpoint.plugin_api import UsageError

SCHEMA_LOCK = 0x68617264_706F696E
"""Key of the advisory lock under which the tables are made: `hardpoin` in ASCII."""

CONNECTION: dict[str, Any] = {
    "application_name": "hardpoint",
    "connect_timeout": "10",
    # A server that vanishes without a word is given up in about the time of a lease, not in hours.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""Parameters of libpq, unless the URL has them."""

# A process that is stopped in the middle of a transaction must not hold up the others for good.
SESSION = (
    "SET default_transaction_isolation = 'read committed'; "
    "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '10s'"
)

_AGAIN = {"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03", "57P05", "25P03"}
"""After these the same may succeed: a deadlock, a lock held too long, a server going down or coming up."""

_SPACE = "Free some space; nothing that was journaled is lost, and unfinished runs can be resumed"


class JournalUrlError(UsageError):
    """A journal's URL that cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Address:
    """A journal's URL, taken apart. The password is in `parameters` alone.

    Args:
        plain: The URL without what must not be shown.
        parameters: What libpq is given.
    """

    plain: str
    parameters: dict[str, str]


class PostgresqlDatabase:
    """See `Database`.

    READ COMMITTED is enough: whatever depends on who holds a run's lease names its fencing number in the
    statement that locks the run's row. Such a statement waits for another transaction that has the row,
    and then looks at the row again as that one left it, so a stale number finds nothing.

    Args:
        url: `postgresql://user@host/database`; whatever libpq understands may follow as parameters.

    Raises:
        JournalUrlError: The URL cannot be read, or psycopg is not installed.
    """

    elsewhere = "choose another database with HARDPOINT_JOURNAL"
    begin = "BEGIN"
    # Commits that do not wait for the disk are lost if the server dies within the next moments; the
    # engine may live on, and what it writes next must not leave a gap.
    forgets = True
    types: Mapping[str, str] = MappingProxyType(
        {
            "bytes": "BYTEA",
            "float": "DOUBLE PRECISION",
            "keyed": "",
            # Room in each page for the new version of a row: a heartbeat then writes to no index.
            "updated": "WITH (fillfactor = 70)",
        }
    )
    has_tables = "SELECT 1 WHERE to_regclass('formats') IS NOT NULL"
    # `CREATE TABLE IF NOT EXISTS` fails if two do it at once.
    lock_schema = f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"
    has_priority = (
        "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('executions') AND attname = 'priority'"
    )
    lock_row = "FOR NO KEY UPDATE"
    # A setting for this transaction, without a round trip of its own.
    durably = " AND set_config('synchronous_commit', :durability, true) = :durability"

    def __init__(self, url: str) -> None:
        self._address = _parsed(url)
        self.where = self._address.plain
        try:
            import psycopg
        except ImportError as error:
            raise JournalUrlError(
                f"The journal `{self.where}` needs psycopg, which is not installed",
                hint="Run `pip install 'hardpoint[postgresql]'`",
            ) from error
        self.driver_error: type[Exception] = psycopg.Error

    def connect(self) -> Any:
        """See `Database.connect`."""
        import psycopg

        connection = psycopg.connect(autocommit=True, **CONNECTION | self._address.parameters)
        connection.execute(SESSION)
        return connection

    def written(self, sql: str) -> str:
        """See `Database.written`."""
        return _written(sql)

    def choose_durability(self, session: Session, durable: bool) -> None:
        """Nothing: see `durably`."""

    def explain(self, error: Exception) -> JournalUnavailableError:
        """See `Database.explain`."""
        state = getattr(error, "sqlstate", None) or ""
        reason = _reason(str(error))
        hint = self._hint(state, reason)
        if hint:
            return JournalUnavailableError(f"The journal `{self.where}` cannot be used: {reason}", hint=hint)
        if state in _AGAIN or state.startswith("08") or (not state and _is_of_connection(error)):
            return JournalUnreachableError(
                f"The journal `{self.where}` cannot be reached: {reason}",
                hint="Check that the server is up, and host and port in HARDPOINT_JOURNAL; "
                "nothing that was journaled is lost, and unfinished runs can be resumed",
            )
        return JournalUnavailableError(
            f"The journal `{self.where}` cannot be used: {reason}",
            hint=f"See the server's log for the state `{state}`, or {self.elsewhere}",
        )

    def _hint(self, state: str, reason: str) -> str:
        """What helps where trying again does not; empty if it may."""
        if re.search('^database ".*" does not exist', reason):
            return f"Make it first: `{self._createdb()}`"
        if re.search("authentication failed|no password|^role .* does not exist|pg_hba|to log in", reason):
            return "Check the user; a password is taken from the URL, `PGPASSWORD` or `~/.pgpass`"
        if re.search("certificate|does not support SSL|sslmode", reason) and not state:
            return "Check `sslmode` in the URL and the server's certificate"
        match state:
            case "42501" | "3F000":
                user = self._address.parameters.get("user", "USER")
                return f"Let the user make tables there: `GRANT ALL ON SCHEMA public TO {user}`"
            case "25006":
                return "Connect to the primary: add `target_session_attrs=read-write` to the URL"
            case "53100":
                return _SPACE
            case _:
                return ""

    def _createdb(self) -> str:
        given = self._address.parameters
        options = [("-h", "host"), ("-p", "port"), ("-U", "user")]
        named = [f"{option} {given[name]}" for option, name in options if name in given]
        return " ".join(["createdb", *named, given.get("dbname", "")]).strip()


@lru_cache(maxsize=1000)
def _written(sql: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", sql)


def _is_of_connection(error: Exception) -> bool:
    from psycopg import InterfaceError, OperationalError

    return isinstance(error, (OperationalError, InterfaceError))


def _reason(text: str) -> str:
    """The server's words without those around them: the address is in the URL."""
    line = text.strip().partition("\n")[0]
    return re.sub("^.*(?:failed|FATAL|ERROR|fe_sendauth): +", "", line)


def _parsed(text: str) -> Address:
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise JournalUrlError(
            f"No journal can lie in `{scheme}://`",
            hint="Write `postgresql://user@host/database`, or leave HARDPOINT_JOURNAL unset for SQLite",
        )
    address = _taken_apart(f"postgresql://{rest}") if separator else None
    if address is None:
        raise JournalUrlError(
            "The journal's URL cannot be read",
            hint="Write `postgresql://user:password@host:5432/database`; "
            "`%40`, `%2F` and `%3A` stand for `@`, `/` and `:` in a password",
        )
    return address


def _taken_apart(url: str) -> Address | None:
    # Errors of the parser quote parts of the text, and a password with an `@` or `/` in it can be any part.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    database = unquote(parts.path.removeprefix("/"))
    if "@" in database or parts.netloc.count("@") > 1:
        return None
    named = {
        "host": parts.hostname,
        "port": port and str(port),
        "user": parts.username and unquote(parts.username),
    }
    shown = {name: value for name, value in (*named.items(), ("dbname", database)) if value}
    # A password may also stand among the parameters.
    query = dict(parse_qsl(parts.query))
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")
    if parts.username:
        plain = plain._replace(netloc=f"{parts.username}@{plain.netloc}")
    asked = "&".join(f"{name}={query[name]}" for name in ("host", "port") if name in query)
    secret = {"password": unquote(parts.password)} if parts.password else {}
    return Address(plain._replace(query=asked).geturl(), shown | secret | query)
