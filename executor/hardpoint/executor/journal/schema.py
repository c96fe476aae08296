"""The tables of a journal in a database.

`groups` holds one row for each commit of one run: the events of that commit as a JSON array and a
checksum. A thousand events that were decided together are one insert.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    literal_column,
)

from hardpoint.executor.journal.events import RunPhase

metadata = MetaData()

formats = Table("formats", metadata, Column("journal", Integer, primary_key=True))

workflows = Table(
    "workflows",
    metadata,
    Column("digest", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("execution", String, primary_key=True),
    Column("workflow", String, nullable=False),
    Column("digest", String, ForeignKey("workflows.digest"), nullable=False),
    Column("project", String, nullable=False),
    Column("domain", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("owner", String, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("outputs", LargeBinary, nullable=False),
    Column("error", LargeBinary),
    Column("error_node", String, nullable=False),
    Column("detached", Boolean, nullable=False),
    # Room in each page for the new version of a row: a heartbeat then writes to no index.
    postgresql_with={"fillfactor": 70},
)
Index("executions_by_time", executions.c.submitted_at)
Index("executions_by_phase", executions.c.phase)

# Written out in SQL: a database uses the index below only where a query says literally the same.
unfinished = executions.c.phase.in_(
    [literal_column(f"'{phase.value}'") for phase in RunPhase if not phase.terminal]
)
# Without the lease, which every heartbeat changes.
executions_unfinished = Index(
    "executions_unfinished",
    executions.c.submitted_at,
    sqlite_where=unfinished,
    postgresql_where=unfinished,
)

groups = Table(
    "groups",
    metadata,
    Column("execution", String, ForeignKey("executions.execution"), primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("crc", BigInteger, nullable=False),
    Column("events", LargeBinary, nullable=False),
    # Without a row id the key is the table: one page written for an append instead of two.
    sqlite_with_rowid=False,
)

damaged = Table(
    "damaged_groups",
    metadata,
    Column("execution", String, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("set_aside_at", Float, primary_key=True),
    Column("events", LargeBinary, nullable=False),
)

cache = Table(
    "cache",
    metadata,
    Column("key", String, primary_key=True),
    Column("execution", String, nullable=False),
    Column("node", String, nullable=False),
    Column("outputs", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", String, primary_key=True),
    Column("execution", String, nullable=False),
    Column("name", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("sent_at", Float, nullable=False),
)
Index("inbox_by_execution", inbox.c.execution)

offsets = Table(
    "observer_offsets",
    metadata,
    Column("observer", String, primary_key=True),
    Column("execution", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
