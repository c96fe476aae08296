"""A journal's database on a PostgreSQL server, for any number of executors on any number of machines."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import ArgumentError

from hardpoint.executor.journal.database import Filtered
from hardpoint.executor.journal.protocol import JournalUnavailableError, JournalUnreachableError
from hardpoint.plugin_api import UsageError

SCHEMA_LOCK = 0x68617264_706F696E
"""Key of the advisory lock under which the tables are made: `hardpoin` in ASCII."""

CONNECTION = {
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

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self.where = _without_password(self._url)
        try:
            import psycopg

            self.engine = sa.create_engine(
                self._url.set(drivername="postgresql+psycopg", query=CONNECTION | dict(self._url.query)),
                hide_parameters=True,
                pool_size=2,
            )
        except ImportError as error:
            raise JournalUrlError(
                f"The journal `{self.where}` needs psycopg, which is not installed",
                hint="Run `pip install 'hardpoint[postgresql]'`",
            ) from error
        self.driver_error: type[Exception] = psycopg.Error
        sa.event.listen(self.engine, "connect", _configure)

    def insert(self, table: sa.Table) -> Any:
        """See `Database.insert`."""
        return insert(table)

    def durably(self, statement: Filtered) -> Filtered:
        """See `Database.durably`: a setting for this transaction, without a round trip of its own."""
        setting = sa.literal_column("'synchronous_commit'", sa.String)
        durability = sa.bindparam("durability", type_=sa.String)
        return statement.where(sa.func.set_config(setting, durability, sa.true()) == durability)

    def choose_durability(self, cursor: Any, durable: bool) -> None:
        """Nothing: see `durably`."""

    def connect(self) -> Any:
        """See `Database.connect`."""
        pooled = self.engine.raw_connection()
        connection: Any = pooled.dbapi_connection
        pooled.detach()
        connection.autocommit = True
        return connection

    def lock_schema(self, connection: Connection) -> None:
        """See `Database.lock_schema`: `CREATE TABLE IF NOT EXISTS` fails if two do it at once."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))

    def explain(self, error: Exception) -> JournalUnavailableError:
        """See `Database.explain`."""
        original: Any = getattr(error, "orig", None) or error
        state = getattr(original, "sqlstate", None) or ""
        reason = _reason(str(original))
        hint = self._hint(state, reason)
        if hint:
            return JournalUnavailableError(f"The journal `{self.where}` cannot be used: {reason}", hint=hint)
        if state in _AGAIN or state.startswith("08") or (not state and _is_of_connection(original)):
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
                return f"Let the user make tables there: `GRANT ALL ON SCHEMA public TO {self._url.username}`"
            case "25006":
                return "Connect to the primary: add `target_session_attrs=read-write` to the URL"
            case "53100":
                return _SPACE
            case _:
                return ""

    def _createdb(self) -> str:
        url = self._url
        options = [("-h", url.host), ("-p", url.port), ("-U", url.username)]
        given = [f"{name} {value}" for name, value in options if value]
        return " ".join(["createdb", *given, url.database or ""]).strip()


def _configure(connection: Any, _record: Any) -> None:
    autocommit = connection.autocommit
    connection.autocommit = True
    connection.execute(SESSION)
    connection.autocommit = autocommit


def _is_of_connection(error: Exception) -> bool:
    from psycopg import InterfaceError, OperationalError

    return isinstance(error, (OperationalError, InterfaceError))


def _reason(text: str) -> str:
    """The server's words without those around them: the address is in the URL."""
    line = text.strip().partition("\n")[0]
    return re.sub("^.*(?:failed|FATAL|ERROR|fe_sendauth): +", "", line)


def _without_password(url: URL) -> str:
    # A password may also stand among the parameters.
    query = {name: each for name, each in url.query.items() if name in ("host", "port")}
    plain = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query)
    return plain.render_as_string()


def _parsed(text: str) -> URL:
    # Errors of the parser quote parts of the text, and a password with an `@` or `/` in it can be any part.
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.database or ""):
        raise JournalUrlError(
            "The journal's URL cannot be read",
            hint="Write `postgresql://user:password@host:5432/database`; "
            "`%40`, `%2F` and `%3A` stand for `@`, `/` and `:` in a password",
        )
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise JournalUrlError(
            f"No journal can lie in `{url.drivername}://`",
            hint="Write `postgresql://user@host/database`, or leave HARDPOINT_JOURNAL unset for SQLite",
        )
    return url.set(drivername="postgresql")
