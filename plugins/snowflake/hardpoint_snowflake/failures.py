"""Errors of the service by class, with its own reason and the line that failed."""

from __future__ import annotations

import re

import msgspec

from hardpoint.plugin_api import (
    ErrorInfo,
    ErrorKind,
    HardpointError,
    PermanentSystemError,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.sql_text import caret

CANCELLED_CODE, CANCELLED_WORDS = "000604", "SQL execution canceled"
"""Of a query that was cancelled, by whomever."""

SESSION_OVER = frozenset({"390104", "390110", "390111", "390112", "390114", "390115"})
"""Codes that say: sign in again, and repeat the call. Nothing was done."""

_POSITION = re.compile(r"line (\d+) at position (-?\d+)")
_BROKEN_STATES = ("FAILED_WITH_INCIDENT", "DISCONNECTED")


class _Class(msgspec.Struct, frozen=True):
    name: str
    kind: ErrorKind
    hint: str = ""


_COMPILATION = _Class(
    "SqlCompilationError",
    # As written it fails each time, so the author's retries would only pay for it again.
    ErrorKind.SYSTEM,
    "Correct the SQL; `hardpoint plan --estimate` compiles it without running it",
)
_INTERNAL = _Class("SnowflakeInternalError", ErrorKind.TRANSIENT)
_FAILED = _Class("QueryFailed", ErrorKind.USER)
_BY_CODE = {
    "000603": _INTERNAL,
    "000606": _Class(
        "NoWarehouse", ErrorKind.SYSTEM, "Name a warehouse that exists and that the role may use"
    ),
    "000625": _Class("LockedTable", ErrorKind.TRANSIENT),
    "000630": _Class(
        "StatementTimeout", ErrorKind.USER, "Raise `statement_timeout_s`, or the warehouse's own"
    ),
    "002002": _Class(
        "ObjectExists", ErrorKind.SYSTEM, 'Give it another name, or let `write` be "replace" or "append"'
    ),
    "002003": _Class(
        "ObjectNotFound", ErrorKind.SYSTEM, "Check the name, `database` and `schema`, and what `role` may see"
    ),
    "003001": _Class(
        "InsufficientPrivileges", ErrorKind.SYSTEM, "Grant the privilege to the role, or set `role`"
    ),
}
_OPERATORS = ("NoWarehouse", "InsufficientPrivileges")


def padded(code: str) -> str:
    """The code with six digits, as the documentation has it.

    >>> padded("604")
    '000604'
    """
    return code.strip().zfill(6) if code.strip() else ""


def failure(state: str, code: str, message: str, sql: str = "") -> ErrorInfo:
    """The error of a query that failed.

    Args:
        state: The service's word.
        code: Its error code.
        message: Its reason; where it tells a position, the line of `sql` is shown with a caret.
        sql: What ran; empty if positions are not about it.

    >>> print(failure("FAILED_WITH_ERROR", "000904",
    ...     "SQL compilation error: error line 1 at position 7\\ninvalid identifier 'X'", "select x").message)
    000904: SQL compilation error: error line 1 at position 7
    invalid identifier 'X'
    1 | select x
      |        ^
    """
    number = padded(code)
    found = _class_of(state, number)
    said = f"{number}: {message}" if number else message
    bases = (f"Snowflake{number}",) if number else ()
    return ErrorInfo(found.name, _with_line(said, sql), found.kind, found.hint, bases=bases)


def refusal(code: str, message: str, sql: str = "") -> HardpointError:
    """The error of a call that the service did not carry out, and that left no query.

    >>> refusal("001003", "SQL compilation error")
    UserError('001003: SQL compilation error')
    """
    error = failure("", code, message, sql)
    if error.kind is ErrorKind.TRANSIENT:
        return TransientError(error.message, hint=error.hint)
    if error.code in _OPERATORS:
        return PermanentSystemError(error.message, hint=error.hint)
    return UserError(error.message, hint=error.hint)


def _class_of(state: str, code: str) -> _Class:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if state in _BROKEN_STATES:
        return _INTERNAL
    return _COMPILATION if "000900" <= code < "003000" or code == "000008" else _FAILED


def _with_line(message: str, sql: str) -> str:
    position = _POSITION.search(message)
    if position is None or not sql:
        return message
    # The service counts lines from 1 and characters from 0.
    shown = caret(sql, int(position[1]), max(0, int(position[2])) + 1)
    return f"{message.rstrip()}\n{shown}" if shown else message
