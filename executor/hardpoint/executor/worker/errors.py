"""An exception of user code as data: class, message and the author's own frames."""

from __future__ import annotations

import functools
import os
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hardpoint.plugin_api import ErrorInfo, ErrorKind, HardpointError, ThrottledError

if TYPE_CHECKING:
    from traceback import StackSummary, TracebackException

MAX_MESSAGE_CHARS = 4_000
MAX_TRACEBACK_CHARS = 12_000

_CHAIN_MAX = 20


def error_info(
    error: BaseException, *, code_dir: Path | None = None, mask: Callable[[str], str] = str
) -> ErrorInfo:
    """Describe what an attempt raised.

    Args:
        error: Of any class; `SystemExit` and `KeyboardInterrupt` too.
        code_dir: Where the project was unpacked: its files are shown relative to it.
        mask: Applied to every text, to keep secrets out.

    >>> info = error_info(KeyError("x"))
    >>> info.code, info.message, info.bases
    ('KeyError', "'x'", ('LookupError', 'Exception', 'BaseException'))
    """

    def shown(text: str) -> str:
        return mask(text.replace(f"{code_dir}{os.sep}", "") if code_dir else text)

    message, hint, kind, retry_after_s = _words(error)
    own = error.info() if isinstance(error, HardpointError) else None
    trace = own.traceback if own is not None and own.traceback else _traceback(error)
    if (
        own is not None
        and error.__cause__ is None
        and code_dir is not None
        and f"{code_dir}{os.sep}" not in trace
    ):
        # What a plugin says in words of its own, about no line of the author's: its own lines help nobody.
        trace = own.traceback
    if hint:
        # An error of ours ends its own traceback with its hint, which is kept, and shown, apart.
        trace = trace.rstrip().removesuffix(f"hint: {hint}").rstrip()
    return ErrorInfo(
        code=own.code if own is not None else type(error).__name__,
        message=_shortened(shown(message), MAX_MESSAGE_CHARS),
        kind=kind,
        hint=_shortened(shown(hint or _hint(error, code_dir)), MAX_MESSAGE_CHARS),
        traceback=_shortened(shown(trace), MAX_TRACEBACK_CHARS),
        retry_after_s=retry_after_s,
        bases=(*(own.bases if own is not None else ()), *_bases(error)),
    )


def _bases(error: BaseException) -> Iterator[str]:
    return (base.__name__ for base in type(error).__mro__[1:-1])


def memory_exceeded(info: ErrorInfo, limit_bytes: int, node: str) -> ErrorInfo:
    """The error of an attempt that hit its memory limit."""
    return ErrorInfo(
        code="MemoryExceeded",
        message=f"Node `{node}` needed more than its limit of {limit_bytes} bytes of memory ({info.message})",
        hint="Raise `memory_bytes` in the task's `resources=Resources(...)`, or work on the data in parts",
        traceback=info.traceback,
        bases=(info.code, *info.bases),
    )


def _words(error: BaseException) -> tuple[str, str, ErrorKind, float | None]:
    if isinstance(error, HardpointError):
        retry_after_s = error.retry_after_s if isinstance(error, ThrottledError) else None
        return error.message, error.hint, error.kind, retry_after_s
    if isinstance(error, SystemExit):
        return f"The task called `sys.exit({error.code!r})`", "", ErrorKind.USER, None
    try:
        message = str(error)
    except Exception as broken:  # an exception class whose own `__str__` fails
        message = f"no text: its `__str__` raised `{type(broken).__name__}`"
    return message or f"{type(error).__name__} without a message", "", ErrorKind.USER, None


def _hint(error: BaseException, code_dir: Path | None) -> str:
    if isinstance(error, SystemExit):
        return "Return the outputs, or raise an exception that says what is wrong"
    if code_dir is None:
        return ""
    if isinstance(error, ModuleNotFoundError):
        return (
            "A worker has the installed packages and the project files that are imported by an `import` "
            f"statement: install `{error.name}`, or import it by statement in a file of the workflow"
        )
    if isinstance(error, FileNotFoundError) and str(error.filename).startswith(str(code_dir)):
        return "Only imported project files are shipped to workers: pass this one as a `File` input"
    return ""


def _traceback(error: BaseException) -> str:
    # Imported here: most workers never see an error, and it costs 6 ms.
    from traceback import TracebackException

    whole = TracebackException.from_exception(error)
    frames = 0
    for part in _chain(whole):
        _keep_users_frames(part.stack)
        frames += len(part.stack)
    return "".join(whole.format()) if frames else ""


def _chain(whole: TracebackException) -> Iterator[TracebackException]:
    waiting, seen = [whole], 0
    while waiting and seen < _CHAIN_MAX:
        part = waiting.pop()
        seen += 1
        yield part
        following = [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]
        waiting += [each for each in following if each is not None]


def _keep_users_frames(stack: StackSummary) -> None:
    stack[:] = [frame for frame in stack if not _is_own(frame.filename)]


@functools.lru_cache(maxsize=512)
def _is_own(filename: str) -> bool:
    if filename.startswith("<frozen importlib"):
        return True
    if filename.startswith(_import_machinery()):
        return True
    return any(filename.startswith(room) for room in _rooms())


@functools.cache
def _import_machinery() -> str:
    return os.path.join(sysconfig.get_path("stdlib"), "importlib") + os.sep  # noqa: PTH118 - a prefix


@functools.cache
def _rooms() -> tuple[str, ...]:
    import hardpoint

    return tuple(folder + os.sep for folder in hardpoint.__path__)


def _shortened(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    # The end names the error, the beginning says how it was reached.
    head, tail = max_chars // 4, max_chars - max_chars // 4 - 40
    return f"{text[:head]}\n… {len(text) - head - tail} characters left out …\n{text[-tail:]}"
