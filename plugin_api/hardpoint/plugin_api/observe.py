"""A journaled fact as observers see it."""

from __future__ import annotations

from typing import Any

import msgspec


class JournaledEvent(msgspec.Struct, frozen=True):
    """One fact of a run.

    Args:
        execution: The run.
        seq: Position in its journal, from 1.
        kind: Name of the event, such as `AttemptSucceeded`.
        at: When it was journaled, seconds since the epoch.
        data: Its fields, plain JSON.

    >>> JournaledEvent("e1", 3, "AttemptStarted", 0.0, {"node": "train"}).id
    'e1/3'
    """

    execution: str
    seq: int
    kind: str
    at: float
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """Unique over all runs: an observer that keeps it can drop repeats."""
        return f"{self.execution}/{self.seq}"
