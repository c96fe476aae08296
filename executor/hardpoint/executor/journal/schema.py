"""The tables of a journal in a database.

`groups` holds one row for each commit of one run: the events of that commit as a JSON array and a
checksum. A thousand events that were decided together are one insert.
"""

from __future__ import annotations

from typing import NamedTuple

from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow

# Written out in SQL: a database uses a partial index only where a query says literally the same.
QUEUED = f"phase = '{RunPhase.QUEUED.value}'"
_BEGUN = [f"'{phase.value}'" for phase in RunPhase if not phase.terminal and phase is not RunPhase.QUEUED]
BEGUN = f"phase IN ({', '.join(_BEGUN)})"

INDEXES_OF_RUNS = (
    # Without the lease, which every heartbeat changes.
    f"CREATE INDEX IF NOT EXISTS executions_begun ON executions (project, domain) WHERE {BEGUN}",
    "CREATE INDEX IF NOT EXISTS executions_queued ON executions"
    f" (project, domain, priority DESC, submitted_at, execution) WHERE {QUEUED}",
    "CREATE INDEX IF NOT EXISTS executions_ended ON executions (project, domain, ended_at)"
    " WHERE ended_at IS NOT NULL",
)

ADD_PRIORITY = "ALTER TABLE executions ADD COLUMN priority BIGINT NOT NULL DEFAULT 0"
OUTDATED = ("DROP INDEX IF EXISTS executions_unfinished",)
"""What older formats have and this one needs no more."""

SHARED_TABLES = (
    """CREATE TABLE IF NOT EXISTS tenants (
        project VARCHAR NOT NULL,
        domain VARCHAR NOT NULL,
        PRIMARY KEY (project, domain)
    ) {keyed}""",
    """CREATE TABLE IF NOT EXISTS pools (
        name VARCHAR NOT NULL PRIMARY KEY,
        version BIGINT NOT NULL,
        settings {bytes}
    ) {updated}""",
    """CREATE TABLE IF NOT EXISTS leases (
        execution VARCHAR NOT NULL,
        node VARCHAR NOT NULL,
        pool VARCHAR NOT NULL,
        units BIGINT NOT NULL,
        project VARCHAR NOT NULL,
        domain VARCHAR NOT NULL,
        PRIMARY KEY (execution, node, pool)
    ) {keyed}""",
    "CREATE INDEX IF NOT EXISTS leases_by_tenant ON leases (pool, project, domain)",
    """CREATE TABLE IF NOT EXISTS holdings (
        pool VARCHAR NOT NULL,
        project VARCHAR NOT NULL,
        domain VARCHAR NOT NULL,
        units BIGINT NOT NULL,
        slot_s {float} NOT NULL,
        since {float} NOT NULL,
        version BIGINT NOT NULL,
        PRIMARY KEY (pool, project, domain)
    ) {updated}""",
    """CREATE TABLE IF NOT EXISTS wanted (
        pool VARCHAR NOT NULL,
        executor VARCHAR NOT NULL,
        project VARCHAR NOT NULL,
        domain VARCHAR NOT NULL,
        demands {bytes} NOT NULL,
        version BIGINT NOT NULL,
        PRIMARY KEY (pool, executor, project, domain)
    ) {updated}""",
    """CREATE TABLE IF NOT EXISTS executors (
        name VARCHAR NOT NULL PRIMARY KEY,
        seen_at {float} NOT NULL
    ) {updated}""",
    """CREATE TABLE IF NOT EXISTS rates (
        account VARCHAR NOT NULL,
        kind VARCHAR NOT NULL,
        body {bytes} NOT NULL,
        PRIMARY KEY (account, kind)
    ) {updated}""",
)
"""What executors that share pools know of each other; since format 3."""

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
        detached BOOLEAN NOT NULL,
        priority BIGINT NOT NULL DEFAULT 0
    ) {updated}""",
    "CREATE INDEX IF NOT EXISTS executions_by_time ON executions (submitted_at)",
    "CREATE INDEX IF NOT EXISTS executions_by_phase ON executions (phase)",
    *INDEXES_OF_RUNS,
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
    *SHARED_TABLES,
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
