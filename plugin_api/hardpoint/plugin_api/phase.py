"""What a plugin may say about one attempt."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from hardpoint.plugin_api.errors import ErrorInfo


class Phase(enum.Enum):
    """The plugin's word on an attempt's external job."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    ABSENT = "ABSENT"
    """The service says it does not know the job; believed only after the declared settling delay."""

    @property
    def terminal(self) -> bool:
        """Whether the job will not change any more.

        >>> [phase.name for phase in Phase if not phase.terminal]
        ['QUEUED', 'RUNNING', 'ABSENT']
        """
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)


class Status(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A phase, why, and what is known with it.

    Args:
        phase: Mapped by a pure table from the vendor's word.
        reason: The vendor's own words, for the reader.
        error: For `FAILED`: what failed, already classed.
        links: Titles and URLs of consoles and logs.
        outputs: For `SUCCEEDED`: wire values by output name, if the service tells them together with the
            status; then `outputs` of the handler is not called.
        usage: What the attempt has used by now, by name with its unit: `bytes_scanned`, `slot_ms`,
            `cost_usd`. Finite, at least 0; all that is known each time, not what came since the last poll.
            Journaled with the attempt's end, whatever the phase, and looked at whenever the phase changes: so
            told with the end at the latest.

    >>> Status(Phase.RUNNING, "step 3 of 7").phase.terminal
    False
    """

    phase: Phase
    reason: str = ""
    error: ErrorInfo | None = None
    links: dict[str, str] = {}
    outputs: dict[str, Any] | None = None
    usage: dict[str, float] = {}


class ItemStates(msgspec.Struct, frozen=True):
    """The states of an array's items, one letter each: `Q`, `R`, `S`, `F`, `C`, by index.

    >>> ItemStates("SSRQF").indices("S")
    [0, 1]
    """

    letters: str

    def indices(self, letter: str) -> list[int]:
        """Indices of the items in that state, ascending."""
        return [index for index, each in enumerate(self.letters) if each == letter]


class ArrayStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an array plugin says of N items in one request; `usage` is of the whole array."""

    phase: Phase
    items: ItemStates
    reason: str = ""
    errors: dict[int, ErrorInfo] = {}
    usage: dict[str, float] = {}
