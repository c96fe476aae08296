"""Every error hardpoint raises or records, and what the executor does about it.

    HardpointError
    ├── UserError                 the author's code or input; uses the author's retries
    │   ├── UsageError            a command or a call that cannot be carried out as written
    │   └── SecretMissingError    a named secret that no source provides
    ├── ThrottledError            the service asked to wait; never uses the author's retries
    ├── TransientError            may pass by itself; never uses the author's retries
    │   ├── PreemptedError        the capacity a job ran on was taken away, such as a spot machine
    │   └── StreamClosedError     nobody listens to a stream of statuses any more
    ├── PermanentSystemError      will not pass by itself, and is not the author's fault
    └── ContractViolation         a plugin broke its promise

A plugin raises these from a handler; what it raises instead (a vendor's exception, a bug) is classed
as `PermanentSystemError`, so a plugin maps its vendor's errors itself.
"""

from __future__ import annotations

import enum

import msgspec


class ErrorKind(enum.Enum):
    """Who is asked to pay for an error: decides which retry budget it draws on."""

    USER = "user"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    SYSTEM = "system"
    CONTRACT = "contract"


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as data: what the journal keeps and `--json` prints.

    Args:
        code: Stable name of the error, such as `ValueError` or `TimeoutExpired`.
        message: What happened, where, with which values.
        kind: Which retry budget it draws on.
        hint: The command or edit that helps; empty when there is none.
        traceback: The author's frames, oldest first; empty when there are none.
        retry_after_s: Seconds the service asked to wait, if it did.
        bases: Names of the exception's base classes, for `Retry(on=...)`.

    >>> ErrorInfo("ValueError", "x must be positive").kind
    <ErrorKind.USER: 'user'>
    """

    code: str
    message: str
    kind: ErrorKind = ErrorKind.USER
    hint: str = ""
    traceback: str = ""
    retry_after_s: float | None = None
    bases: tuple[str, ...] = ()


class HardpointError(Exception):
    """Base of every error hardpoint raises.

    Args:
        message: What happened, where, with which values; no trailing period on one sentence.
        hint: The command or edit that helps. Printed after a blank line as `hint: …`.

    >>> print(HardpointError("No file `flow.py`", hint="Give the path of a Python file"))
    No file `flow.py`
    <BLANKLINE>
    hint: Give the path of a Python file
    """

    kind: ErrorKind = ErrorKind.SYSTEM

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message

    @property
    def code(self) -> str:
        """The stable name under which `--json` reports this error."""
        return type(self).__name__

    def info(self) -> ErrorInfo:
        """This error as data."""
        return ErrorInfo(code=self.code, message=self.message, kind=self.kind, hint=self.hint)


class UserError(HardpointError):
    """The author's code or input is at fault; trying again uses the author's retries."""

    kind = ErrorKind.USER


class UsageError(UserError):
    """A command or a call that cannot be carried out as written; nothing was started."""


class SecretMissingError(UserError):
    """A secret was asked for by name and no source provides it."""


class ThrottledError(HardpointError):
    """The service asked to wait. The attempt goes on afterwards; no retry of the author's is used.

    Args:
        message: What was refused.
        retry_after_s: Seconds the service asked for; None when it did not say.
        hint: What would raise the limit.
    """

    kind = ErrorKind.THROTTLED

    def __init__(self, message: str, *, retry_after_s: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s

    def info(self) -> ErrorInfo:
        """This error as data, with the wait it asks for."""
        return ErrorInfo(self.code, self.message, self.kind, self.hint, retry_after_s=self.retry_after_s)


class TransientError(HardpointError):
    """Something that may pass by itself: a dropped connection, a 5xx. The outcome is unknown."""

    kind = ErrorKind.TRANSIENT


class PreemptedError(TransientError):
    """The capacity a job ran on was taken away; another attempt follows, the last one on capacity that stays.

    Put it into a status: `Status(Phase.FAILED, reason, PreemptedError(reason).info())`.
    """


class StreamClosedError(TransientError):
    """Nobody listens to this stream of statuses any more: `watch` should return or let it pass."""


class PermanentSystemError(HardpointError):
    """Trying again will not help, and the author's code is not at fault."""

    kind = ErrorKind.SYSTEM


class ContractViolation(HardpointError):
    """A plugin broke its promise: a wrong type returned, a job adopted that is not ours."""

    kind = ErrorKind.CONTRACT
