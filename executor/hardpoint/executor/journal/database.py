"""What the journal needs to know of the kind of database it lies in, and how it talks to one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from hardpoint.executor.journal.protocol import JournalUnavailableError, JournalUnreachableError

PAUSES_S = (0.05, 0.4)
"""Between tries on a server that broke off; it may be back, or another may have taken its place."""

KEPT_CONNECTIONS = 2

T = TypeVar("T")
Values = Mapping[str, Any]
"""Parameters of a statement by name; it may name fewer."""


class Database(Protocol):
    """One kind of database, opened."""

    where: str
    """As people know it; holds no password."""

    elsewhere: str
    """How to choose another: the end of a hint."""

    begin: str
    """Starts a transaction that will write."""

    forgets: bool
    """Whether the server may lose commits that it has confirmed, unless they were durable."""

    driver_error: type[Exception]
    """What its driver raises."""

    types: Mapping[str, str]
    """How it writes what `schema.TABLES` leaves open."""

    lock_schema: str
    """A statement that keeps others from making the tables until the transaction ends, or nothing."""

    has_tables: str
    """A query that finds a row if the tables are there."""

    has_priority: str
    """A query that finds a row if the runs of the store have priorities, as they do since format 3."""

    lock_row: str
    """The end of a query whose rows nobody else may change until the transaction ends, or nothing."""

    durably: str
    """Another condition of a statement, by which it chooses the durability of its transaction.

    The parameter `durability` is then `on` or `off`. Empty if that is done by `choose_durability`.
    """

    def connect(self) -> Any:
        """A connection of the driver, on which transactions are begun by hand."""

    def written(self, sql: str) -> str:
        """A statement with parameters as `:name`, as the driver wants them."""

    def choose_durability(self, session: Session, durable: bool) -> None:
        """Before a transaction, if that is when its durability is chosen."""

    def explain(self, error: Exception) -> JournalUnavailableError:
        """What an error of the database means, and what helps."""


class Session:
    """One connection. Statements name their parameters as `:name`.

    SQL goes to the driver as it stands: a library that writes it would cost a run's start more than all the
    rest, and a hop of a chain several times what the database needs for its insert.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connect()
        self._cursor = self._connection.cursor()

    def run(self, sql: str, values: Values | None = None) -> int:
        """Execute a statement; return how many rows it changed."""
        self._cursor.execute(self._database.written(sql), values or {})
        return int(self._cursor.rowcount)

    def run_many(self, sql: str, values: Sequence[Values]) -> int:
        """Execute a statement for each; return how many rows that changed in all."""
        if len(values) == 1:
            return self.run(sql, values[0])
        if not values:
            return 0
        self._cursor.executemany(self._database.written(sql), values)
        return int(self._cursor.rowcount)

    def rows(self, sql: str, values: Values | None = None) -> list[tuple[Any, ...]]:
        """What a query finds."""
        self._cursor.execute(self._database.written(sql), values or {})
        found: list[tuple[Any, ...]] = self._cursor.fetchall()
        return found

    def row(self, sql: str, values: Values | None = None) -> tuple[Any, ...] | None:
        """The first row that a query finds."""
        return next(iter(self.rows(sql, values)), None)

    def begin(self) -> None:
        """Start a transaction that writes."""
        self._cursor.execute(self._database.begin)

    def commit(self) -> None:
        """End it, and keep what it changed."""
        self._cursor.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One that writes. Errors of the driver leave it open: the session is of no further use then."""
        self.begin()
        with self.to_commit():
            yield

    @contextmanager
    def to_commit(self) -> Iterator[None]:
        """The rest of a transaction that has begun."""
        try:
            yield
        except self._database.driver_error:
            raise
        except BaseException:
            self._cursor.execute("ROLLBACK")
            raise
        self.commit()

    def close(self) -> None:
        """Let go of the connection, in whatever state it is, and of what it has locked."""
        with contextlib.suppress(self._database.driver_error):
            # SQLite closes a connection only once its last statement is gone, and until then it stays locked.
            self._connection.rollback()
        with contextlib.suppress(self._database.driver_error):
            self._connection.close()


class Sessions:
    """Connections for whoever needs one for a moment; any thread may."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._idle: list[Session] = []

    @contextmanager
    def one(self) -> Iterator[Session]:
        """A connection that nobody else has meanwhile."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = Session(self._database)
        try:
            yield session
        except BaseException as error:
            session.close()
            if isinstance(error, self._database.driver_error):
                # Whatever broke this one has most likely broken the others.
                self.close()
            raise
        if len(self._idle) < KEPT_CONNECTIONS:
            self._idle.append(session)
        else:
            session.close()

    def close(self) -> None:
        """Let go of those that nobody uses."""
        while self._idle:
            self._idle.pop().close()


def listed(values: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Parameters for the list of an `IN`, and their values.

    >>> listed(["a", "b"])
    (':in_0, :in_1', {'in_0': 'a', 'in_1': 'b'})
    """
    named = {f"in_{number}": value for number, value in enumerate(values)}
    return ", ".join(f":{name}" for name in named), named


def persistently(database: Database, work: Callable[[], T]) -> T:
    """Do something with a database; once more if its server broke off, but not for long.

    Args:
        database: Explains what goes wrong.
        work: May be called several times, so it must not count on what an earlier call did not do.

    Raises:
        JournalUnreachableError: The server does not answer.
        JournalUnavailableError: Anything else that the database refuses.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            return work()
        except database.driver_error as error:
            problem = database.explain(error)
            if pause_s is None or not isinstance(problem, JournalUnreachableError):
                raise problem from error
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")
