"""What the journal needs to know of the kind of database it lies in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError

from hardpoint.executor.journal.protocol import JournalUnavailableError, JournalUnreachableError

PAUSES_S = (0.05, 0.4)
"""Between tries on a server that broke off; it may be back, or another may have taken its place."""

T = TypeVar("T")
Filtered = TypeVar("Filtered", sa.Select[Any], sa.Update)
"""A statement that has a `where`."""


class Database(Protocol):
    """One kind of database, opened."""

    where: str
    """As people know it; holds no password."""

    elsewhere: str
    """How to choose another: the end of a hint."""

    engine: Engine

    begin: str
    """Starts a transaction that will write."""

    forgets: bool
    """Whether the server may lose commits that it has confirmed, unless they were durable."""

    @property
    def driver_error(self) -> type[Exception]:
        """What its driver raises."""

    def insert(self, table: sa.Table) -> Any:
        """An insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""

    def durably(self, statement: Filtered) -> Filtered:
        """The same statement, choosing the durability of its transaction if this is how it is done.

        The parameter `durability` is then `on` or `off`.
        """

    def choose_durability(self, cursor: Any, durable: bool) -> None:
        """Before a transaction, if that is when its durability is chosen."""

    def connect(self) -> Any:
        """A connection of the driver, outside of the pool, on which transactions are begun by hand."""

    def lock_schema(self, connection: Connection) -> None:
        """Keep other processes from making the tables until the transaction ends."""

    def explain(self, error: Exception) -> JournalUnavailableError:
        """What an error of the database means, and what helps."""


class Prepared:
    """A statement that is written for the database once, and not again for each call.

    SQLAlchemy's own way through its cache, its result and its transaction costs several times what
    SQLite needs for the insert itself, and every hop of a chain would pay it.
    """

    def __init__(self, statement: sa.Executable, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self._order = tuple(compiled.positiontup or ())
        self._constants = {name: each for name, each in compiled.params.items() if each is not None}

    def arguments(self, values: dict[str, Any]) -> Any:
        """Values by name, as the driver wants them."""
        if self._constants:
            values = self._constants | values
        return tuple([values[name] for name in self._order]) if self._order else values

    def run(self, cursor: Any, values: dict[str, Any]) -> None:
        """Execute it."""
        cursor.execute(self.sql, self.arguments(values))

    def run_many(self, cursor: Any, values: list[dict[str, Any]]) -> int:
        """Execute it for each; return how many rows that changed in all."""
        if not values:
            return 0
        if len(values) == 1:
            self.run(cursor, values[0])
        else:
            cursor.executemany(self.sql, [self.arguments(each) for each in values])
        return int(cursor.rowcount)


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
        except (DBAPIError, database.driver_error) as error:
            problem = database.explain(error)
            if pause_s is None or not isinstance(problem, JournalUnreachableError):
                raise problem from error
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")
