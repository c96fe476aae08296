"""The tables of a journal in a database.

`groups` holds one row for each commit of one run: the events of that commit as a JSON array and a
checksum. A thousand events that were decided together are one insert.
"""

from __future__ import annotations

from typing import NamedTuple

from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow

# Written out in SQL: a database uses the index of unfinished runs only where a query says literally the same.
_PHASES = [f"'{phase.value}'" for phase in RunPhase if not phase.terminal]
UNFINISHED = f"phase IN ({', '.join(_PHASES)})"

# Without the lease, which every heartbeat changes.
INDEX_OF_UNFINISHED = (
    f"CREATE INDEX IF NOT EXISTS executions_unfinished ON executions (submitted_at) WHERE {UNFINISHED}"
)

TABLES = (
    "CREATE TABLE IF NOT EXISTS formats (journal INTEGER NOT NULL PRIMARY KEY)",
    """CREATE TABLE IF NOT EXISTS workflows (
        digest VARCHAR NOT NULL PRIMARY KEY,
        body {bytes} NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS executions (
        execution VARCHAR NOT NULL PRIMARY KEY,
        workflow VARCHAR NOT NULL,
        digest VARCHAR NOT NULL REFERENCES workflows (digest),
        project VARCHAR NOT NULL,
        domain VARCHAR NOT NULL,
        phase VARCHAR NOT NULL,
        submitted_at {float} NOT NULL,
        started_at {float},
        ended_at {float},
        owner VARCHAR NOT NULL,
        fence BIGINT NOT NULL,
        lease_until {float} NOT NULL,
        outputs {bytes} NOT NULL,
        error {bytes},
        error_node VARCHAR NOT NULL,
        detached BOOLEAN NOT NULL
    ) {updated}""",
    "CREATE INDEX IF NOT EXISTS executions_by_time ON executions (submitted_at)",
    "CREATE INDEX IF NOT EXISTS executions_by_phase ON executions (phase)",
    INDEX_OF_UNFINISHED,
    """CREATE TABLE IF NOT EXISTS groups (
        execution VARCHAR NOT NULL REFERENCES executions (execution),
        first_seq BIGINT NOT NULL,
        last_seq BIGINT NOT NULL,
        crc BIGINT NOT NULL,
        events {bytes} NOT NULL,
        PRIMARY KEY (execution, first_seq)
    ) {keyed}""",
    """CREATE TABLE IF NOT EXISTS damaged_groups (
        execution VARCHAR NOT NULL,
        first_seq BIGINT NOT NULL,
        set_aside_at {float} NOT NULL,
        events {bytes} NOT NULL,
        PRIMARY KEY (execution, first_seq, set_aside_at)
    )""",
    """CREATE TABLE IF NOT EXISTS cache (
        key VARCHAR NOT NULL PRIMARY KEY,
        execution VARCHAR NOT NULL,
        node VARCHAR NOT NULL,
        outputs {bytes} NOT NULL,
        at {float} NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS inbox (
        id VARCHAR NOT NULL PRIMARY KEY,
        execution VARCHAR NOT NULL,
        name VARCHAR NOT NULL,
        body {bytes} NOT NULL,
        sent_at {float} NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS inbox_by_execution ON inbox (execution)",
    """CREATE TABLE IF NOT EXISTS observer_offsets (
        observer VARCHAR NOT NULL,
        execution VARCHAR NOT NULL,
        seq BIGINT NOT NULL,
        PRIMARY KEY (observer, execution)
    )""",
)
"""In the order in which they are made; `{...}` is in `Database.types`."""

EXECUTION = ExecutionRow.__struct_fields__
"""Columns of `executions`: the fields of a summary."""


class GroupRow(NamedTuple):
    """A row of `groups`."""

    execution: str
    first_seq: int
    last_seq: int
    crc: int
    events: bytes


def insert(table: str, columns: tuple[str, ...]) -> str:
    """A statement that inserts a row, each value named as its column.

    >>> insert("formats", ("journal",))
    'INSERT INTO formats (journal) VALUES (:journal)'
    """
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{each}' for each in columns)})"
