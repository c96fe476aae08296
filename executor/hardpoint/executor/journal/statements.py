"""What an engine's own connection says to the database; each statement is written once, when first used."""

from __future__ import annotations

from functools import cached_property

import sqlalchemy as sa

from hardpoint.executor.journal.database import Database, Prepared
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.journal.schema import cache, executions, groups, inbox

LEASE = ("owner", "fence", "lease_until")
"""What a summary leaves alone: a heartbeat may have moved it since the summary was made."""

SUMMARY = tuple(name for name in ExecutionRow.__struct_fields__ if name not in ("execution", *LEASE))

_owned = (executions.c.execution == sa.bindparam("of"), executions.c.fence == sa.bindparam("with_fence"))
_update = executions.update().where(*_owned)


class Statements:
    """Each takes `of` and `with_fence` where it concerns a run, and does nothing if that is not its lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Most runs need three of them, and writing one takes longer than executing it a hundred times.

    @cached_property
    def append(self) -> Prepared:
        """Insert a group if the lease is still ours and the group is not there yet.

        One statement: the row that holds the fencing number stays locked until the transaction ends, so
        nobody can claim the run in between.
        """
        values = (sa.bindparam(column.name, type_=column.type) for column in groups.c)
        owned = self._database.durably(sa.select(*values).where(*_owned).with_for_update(key_share=True))
        insert = self._database.insert(groups).from_select([column.name for column in groups.c], owned)
        return self._prepared(insert.on_conflict_do_nothing())

    @cached_property
    def look(self) -> Prepared:
        """Why a group was not inserted: owner and fencing number, last seq and checksum of what is there."""
        there = sa.and_(
            groups.c.execution == executions.c.execution, groups.c.first_seq == sa.bindparam("first_seq")
        )
        query = sa.select(executions.c.owner, executions.c.fence, groups.c.last_seq, groups.c.crc)
        joined = query.select_from(executions.outerjoin(groups, there))
        return self._prepared(joined.where(executions.c.execution == sa.bindparam("of")))

    @cached_property
    def summarise(self) -> Prepared:
        """Write a summary; its values are called `new_phase` and so on."""
        return self._prepared(_update.values({name: sa.bindparam(f"new_{name}") for name in SUMMARY}))

    @cached_property
    def drop_commands(self) -> Prepared:
        """Remove what is in the inbox for a run that has ended."""
        return self._prepared(inbox.delete().where(inbox.c.execution == sa.bindparam("of")))

    @cached_property
    def keep(self) -> Prepared:
        """Keep outputs under a key."""
        insert = self._database.insert(cache)
        others = {column.name: insert.excluded[column.name] for column in cache.c if not column.primary_key}
        return self._prepared(insert.on_conflict_do_update(index_elements=[cache.c.key], set_=others))

    @cached_property
    def touch(self) -> Prepared:
        """Change nothing, but so that the transaction has something to wait for."""
        return self._prepared(self._database.durably(_update.values(owner=executions.c.owner)))

    @cached_property
    def renew(self) -> Prepared:
        """Extend a lease until `new_lease_until`."""
        return self._prepared(_update.values(lease_until=sa.bindparam("new_lease_until")))

    @cached_property
    def release(self) -> Prepared:
        """Give a lease back."""
        return self._prepared(_update.values(owner="", lease_until=0.0))

    def _prepared(self, statement: sa.Executable) -> Prepared:
        return Prepared(statement, self._database.engine.dialect)
