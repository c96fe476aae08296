"""A broken promise, found by a check while a world runs."""

from __future__ import annotations


class Violation(BaseException):
    """Ends the world at once. Not an `Exception`: what is tested catches those."""


def require(holds: bool, message: str) -> None:
    """Raise `Violation` unless it holds."""
    if not holds:
        raise Violation(message)
