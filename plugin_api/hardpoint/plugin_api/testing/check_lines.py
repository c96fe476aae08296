"""What the process that runs a kit is told, and what it tells: one JSON value on each line."""

from __future__ import annotations

import msgspec

KIT_GROUP = "hardpoint.conformance"
"""Entry points that name kits, one for each task type, named like it."""


class Order(msgspec.Struct, frozen=True):
    """What to run.

    Args:
        kit: The class, `module:Class`.
        folder: An empty one, for files of the run.
        words: Only cases whose names have these, as pytest's `-k`.
        done: Cases to leave out: an earlier process ran them.
        case_limit_s: Longest one case may take. After that the process ends, with its stacks on stderr.
    """

    kit: str
    folder: str
    words: str = ""
    done: tuple[str, ...] = ()
    case_limit_s: float = 60.0


class Collected(msgspec.Struct, frozen=True, tag=True):
    """The cases that are going to run, in order."""

    cases: tuple[str, ...]


class Began(msgspec.Struct, frozen=True, tag=True):
    """A case begins."""

    case: str


class Ended(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """A case is over.

    Args:
        case: Its name; empty if the kit itself could not be used.
        outcome: `passed`, `failed` or `skipped`.
        reason: Why it was skipped, or the promise that was broken.
        traceback: If something else was raised than a broken promise.
    """

    case: str
    outcome: str
    reason: str = ""
    traceback: str = ""


Line = Collected | Began | Ended
