"""What an engine's own connection says to the database.

Each takes `of` and `with_fence` where it concerns a run, and does nothing if that is not its lease.
"""

from __future__ import annotations

from hardpoint.executor.journal.database import Database
from hardpoint.executor.journal.protocol import CachedOutputs
from hardpoint.executor.journal.schema import EXECUTION, GroupRow, insert

LEASE = ("owner", "fence", "lease_until")
"""What a summary leaves alone: a heartbeat may have moved it since the summary was made."""

SUMMARY = tuple(name for name in EXECUTION if name not in ("execution", "priority", *LEASE))

_OWNED = "execution = :of AND fence = :with_fence"
_KEPT = CachedOutputs.__struct_fields__

LOOK = (
    "SELECT owner, fence, last_seq, crc FROM executions LEFT JOIN groups"
    " ON groups.execution = executions.execution AND first_seq = :first_seq WHERE executions.execution = :of"
)
"""Why a group was not inserted: owner and fencing number, last seq and checksum of what is there."""

SUMMARISE = f"UPDATE executions SET {', '.join(f'{name} = :new_{name}' for name in SUMMARY)} WHERE {_OWNED}"
"""Write a summary; its values are called `new_phase` and so on."""

DROP_COMMANDS = "DELETE FROM inbox WHERE execution = :of"
"""Remove what is in the inbox for a run that has ended."""

KEEP = (
    f"{insert('cache', _KEPT)} ON CONFLICT (key) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in _KEPT if name != 'key')}"
)
"""Keep outputs under a key."""

RENEW = f"UPDATE executions SET lease_until = :new_lease_until WHERE {_OWNED}"
"""Extend a lease until `new_lease_until`."""

RELEASE = f"UPDATE executions SET owner = '', lease_until = 0.0 WHERE {_OWNED}"
"""Give a lease back."""


def append(database: Database) -> str:
    """Insert a group if the lease is still ours and the group is not there yet.

    One statement: the row that holds the fencing number stays locked until the transaction ends, so
    nobody can claim the run in between.
    """
    columns = GroupRow._fields
    return (
        f"INSERT INTO groups ({', '.join(columns)}) SELECT {', '.join(f':{each}' for each in columns)}"
        f" FROM executions WHERE {_OWNED}{database.durably} {database.lock_row} ON CONFLICT DO NOTHING"
    )


def touch(database: Database) -> str:
    """Change nothing, but so that the transaction has something to wait for."""
    return f"UPDATE executions SET owner = owner WHERE {_OWNED}{database.durably}"
