"""What one commit writes, as rows; and the commits that a server may still lose."""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hardpoint.executor.journal import statements
from hardpoint.executor.journal.events import Event, encode_events
from hardpoint.executor.journal.protocol import Append, CachedOutputs, ExecutionRow

UNFLUSHED_S = 1.0
UNFLUSHED_COMMITS = 512
UNFLUSHED_BYTES = 4 << 20
"""What a server may have confirmed without having it on disk: past any of these, a commit waits for it."""

Values = dict[str, Any]


def group_values(execution: str, first_seq: int, events: list[Event]) -> Values:
    """The row of `groups` for a commit."""
    body = encode_events(events)
    return {
        "execution": execution,
        "first_seq": first_seq,
        "last_seq": first_seq + len(events) - 1,
        "crc": zlib.crc32(body) & 0x7FFFFFFF,
        "events": body,
    }


def row_values(row: ExecutionRow) -> Values:
    """The row of `executions` for a summary."""
    values = {field: getattr(row, field) for field in ExecutionRow.__struct_fields__}
    values["phase"] = row.phase.value
    values["outputs"] = msgspec.json.encode(row.outputs)
    values["error"] = msgspec.json.encode(row.error) if row.error else None
    return values


class Batch:
    """What one commit writes, as values of statements; ready to be written again."""

    def __init__(self, appends: Sequence[Append]) -> None:
        self.groups: list[Values] = []
        self.summaries: list[Values] = []
        self.cached: list[Values] = []
        self.ended: list[Values] = []
        self.granted = [(append.execution, lease) for append in appends for lease in append.granted]
        self.held = [(append.execution, lease) for append in appends for lease in append.held]
        self.released = [(append.execution, lease) for append in appends for lease in append.released]
        self.at = max(append.at for append in appends)
        # In the same order in every engine, so that two of them never wait for each other.
        for append in sorted(appends, key=_execution) if len(appends) > 1 else appends:
            owned = {"of": append.execution, "with_fence": append.fence}
            self.groups.append(group_values(append.execution, append.first_seq, append.events) | owned)
            if append.summary is not None:
                new = row_values(append.summary)
                self.summaries.append(owned | {f"new_{name}": new[name] for name in statements.SUMMARY})
                if append.summary.phase.terminal:
                    self.ended.append({"of": append.execution})
            self.cached += map(_cached_values, append.cached)

    @property
    def is_one_group(self) -> bool:
        """Whether a single statement writes it."""
        return len(self.groups) == 1 and not (
            self.summaries or self.cached or self.granted or self.held or self.released
        )

    @property
    def pools(self) -> set[str]:
        """Those of which it changes who holds what."""
        return {lease.pool for _, lease in (*self.granted, *self.held, *self.released)}

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return sum(len(group["events"]) for group in self.groups)


def _execution(append: Append) -> str:
    return append.execution


def _cached_values(each: CachedOutputs) -> Values:
    return {
        "key": each.key,
        "execution": each.execution,
        "node": each.node,
        "outputs": msgspec.json.encode(each.outputs),
        "at": each.at,
    }


class Unflushed:
    """Commits that the server has confirmed and may still lose, oldest first.

    The server writes its log in order, so a commit that waited for the disk took all earlier ones with it.
    """

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._since = 0.0

    def __bool__(self) -> bool:
        return bool(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)

    @property
    def overdue(self) -> bool:
        """Whether the next commit should wait for the disk."""
        return bool(self._batches) and (
            len(self._batches) >= UNFLUSHED_COMMITS
            or self._bytes >= UNFLUSHED_BYTES
            or time.monotonic() - self._since >= UNFLUSHED_S
        )

    def add(self, batch: Batch) -> None:
        """Remember a commit that did not wait."""
        if not self._batches:
            self._since = time.monotonic()
        self._batches.append(batch)
        self._bytes += batch.bytes

    def clear(self) -> None:
        """One waited: all are on disk."""
        self._batches.clear()
        self._bytes = 0
