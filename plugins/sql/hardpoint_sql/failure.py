"""What went wrong in SQL, said with the statement, its line and a caret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

import msgspec

from hardpoint.plugin_api import (
    ErrorInfo,
    ErrorKind,
    HardpointError,
    ThrottledError,
    TransientError,
)
from hardpoint.plugin_api.sql_text import caret
from hardpoint_sql.client import Complaint
from hardpoint_sql.statements import Statement, position_of

LOCKED_RETRY_S = 1.0
_EXISTS = 'Write `write="replace"` for a new table in its place, or `write="append"` for more rows of it'
_NAMED = re.compile(r"""\"([^"\n]+)\"|'([^'\n]+)'|`([^`\n]+)`|no such \w+: (\S+)|no column named (\w+)""")


class QueryFailed(HardpointError):
    """A statement that the database refused.

    Args:
        message: Which statement, what the database said, and the line under a caret.
        kind: `USER` for what another attempt may find changed, such as rows; `SYSTEM` for what lies in the
            SQL itself, which no retry repeats.
        hint: What helps.
        reason: The driver's class of error, for `Retry(on=…)`.
    """

    def __init__(self, message: str, kind: ErrorKind, *, hint: str = "", reason: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.reason = reason

    def info(self) -> ErrorInfo:
        """This error as data; the driver's class counts as one of its bases."""
        return msgspec.structs.replace(super().info(), bases=(self.reason,))


class Place(msgspec.Struct, frozen=True):
    """A statement among others.

    Args:
        text: All that was sent, for the line that failed.
        origin: What the text is called.
        statement: This one.
        number, count: Which of how many, from 1.
    """

    text: str
    origin: str
    statement: Statement
    number: int
    count: int


def failed(complaint: Complaint, place: Place) -> HardpointError:
    """The error to raise."""
    which = f"Statement {place.number} of {place.origin}" if place.count > 1 else place.origin
    shown = _line_shown(complaint, place)
    message = f"{which[0].upper()}{which[1:]} failed: {complaint.text}" + (f"\n\n{shown}" if shown else "")
    if not complaint.hint and place.statement.lead and "already exists" in complaint.text:
        complaint = msgspec.structs.replace(complaint, hint=_EXISTS)
    return error_of(complaint, message)


def error_of(complaint: Complaint, message: str) -> HardpointError:
    """An error of the complaint's kind."""
    match complaint.kind:
        case ErrorKind.THROTTLED:
            return ThrottledError(message, retry_after_s=LOCKED_RETRY_S, hint=complaint.hint)
        case ErrorKind.TRANSIENT:
            return TransientError(message, hint=complaint.hint)
        case ErrorKind.USER | ErrorKind.SYSTEM | ErrorKind.CONTRACT:
            return QueryFailed(message, complaint.kind, hint=complaint.hint, reason=complaint.reason)
        case _:
            assert_never(complaint.kind)


def _line_shown(complaint: Complaint, place: Place) -> str:
    line, column = complaint.line, complaint.column
    if line is None and complaint.kind in (ErrorKind.USER, ErrorKind.SYSTEM):
        line, column = next(_named_once(complaint.text, place.statement.source), (None, None))
    if line is None:
        return ""
    first = place.statement
    if column is not None and line == 1:
        column += first.column - 1
    return caret(place.text, line + first.line - 1, column)


def _named_once(said: str, source: str) -> Iterator[tuple[int, int]]:
    """Where the words that the database quotes stand, if that is one place only."""
    for found in _NAMED.finditer(said):
        word = next(filter(None, found.groups()))
        places = [each.start() for each in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", source)]
        if len(places) == 1:
            yield position_of(source, places[0])
