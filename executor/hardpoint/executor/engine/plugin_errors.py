"""What a plugin raised, as data that can be kept: it may be anything, and say anything about itself."""

from __future__ import annotations

import traceback

import msgspec

from hardpoint.executor.engine.plugin_values import plain
from hardpoint.plugin_api import ErrorInfo, ErrorKind, HardpointError

MESSAGE_CHARS = 10_000
TRACEBACK_CHARS = 100_000
"""What is kept of an error: the journal holds it for ever."""


def classed(error: HardpointError, task_type: str) -> ErrorInfo:
    """An error that says itself what it is, if that can be believed."""
    try:
        return _shortened(plain(error.info(), ErrorInfo))
    except Exception:  # it may override what tells it
        return unclassed(error, task_type)


def unclassed(error: BaseException, task_type: str) -> ErrorInfo:
    """An exception that a call to a task type should not have raised."""
    told = traceback.TracebackException.from_exception(error)
    where = f" at {told.stack[-1].name}:{told.stack[-1].lineno}" if told.stack else ""
    info = ErrorInfo(
        code=type(error).__name__,
        message=f"A call to task type `{task_type}` raised `{type(error).__name__}: {told}`{where}",
        kind=ErrorKind.SYSTEM,
        hint="A plugin classes its service's errors itself; report this to the plugin's author",
        traceback="".join(told.format()),
    )
    return _shortened(info)


def _shortened(info: ErrorInfo) -> ErrorInfo:
    message, trace = info.message[:MESSAGE_CHARS], info.traceback[-TRACEBACK_CHARS:]
    return msgspec.structs.replace(info, message=message, traceback=trace)
