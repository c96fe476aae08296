"""What `EXPLAIN` tells about a statement before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hardpoint.plugin_api import TransientError
from hardpoint.plugin_api.handler import Estimate


class _Stats(msgspec.Struct, rename="camel"):
    partitions_total: int = 0
    partitions_assigned: int = 0
    bytes_assigned: int = 0


class _Plan(msgspec.Struct):
    stats: _Stats = msgspec.field(name="GlobalStats")


def explain_sql(sql: str) -> str:
    """What to ask, with the same bind variables."""
    return f"explain using json {sql}"


def estimate_of(rows: Sequence[Mapping[str, str | None]]) -> Estimate:
    """The estimate in the one row that `EXPLAIN USING JSON` answers with.

    Raises:
        TransientError: It is not what the service documents.

    >>> plan = '{"GlobalStats": {"partitionsTotal": 4, "partitionsAssigned": 1, "bytesAssigned": 2048}}'
    >>> estimate_of([{"content": plan}]).text
    'Scans 1 of 4 partitions, 2,048 bytes'
    """
    try:
        [row] = rows
        [text] = row.values()
        stats = msgspec.json.decode(text or "", type=_Plan).stats
    except (ValueError, msgspec.MsgspecError) as error:
        raise TransientError(f"The answer to EXPLAIN cannot be read: {error}") from None
    told = (
        f"Scans {stats.partitions_assigned:,} of {stats.partitions_total:,} partitions, "
        f"{stats.bytes_assigned:,} bytes"
    )
    return Estimate({"bytes_scanned": float(stats.bytes_assigned)}, told)
