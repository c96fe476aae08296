"""What is kept of a plugin's failure."""

from __future__ import annotations

import enum
import sys
import traceback

import msgspec


class Stage(enum.Enum):
    """Where a plugin failed; the text completes "it failed …"."""

    PROBE = "when it was tried in a process of its own"
    IMPORT = "when it was imported"
    DECLARE = "when it was asked what it declares"
    CONTRACT = "the plugin contract"
    HANDLER = "when its handler was made"


class Quarantine(msgspec.Struct, frozen=True):
    """One failure of one plugin.

    Args:
        stage: Where it failed.
        summary: The last line of the traceback, or what of the contract is broken.
        traceback: The plugin's frames, oldest first; empty for a broken contract.
    """

    stage: Stage
    summary: str
    traceback: str = ""


def from_exception(stage: Stage, error: BaseException) -> Quarantine:
    """Describe an exception without trusting it: its `__str__` may raise too."""
    told = traceback.TracebackException.from_exception(error)
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if not _is_machinery(frame.filename)]
    )
    message = str(told).partition("\n")[0]
    name = type(error).__name__
    return Quarantine(stage, f"{name}: {message}" if message else name, "".join(told.format()))


def from_hanging_thread(limit_s: float, thread_ident: int | None) -> Quarantine:
    """Describe an import that did not come to an end, with the line it hangs at."""
    frame = sys._current_frames().get(thread_ident or 0)
    stack = (
        [] if frame is None else [f for f in traceback.extract_stack(frame) if not _is_machinery(f.filename)]
    )
    return Quarantine(
        Stage.IMPORT, f"not finished after {limit_s:g} s", "".join(traceback.format_list(stack))
    )


def plugin_lines(text: str, most: int) -> str:
    """The last lines of what a plugin printed or a crash left behind, without frames that are not its own.

    >>> plugin_lines('  File "<frozen importlib._bootstrap>", line 9 in f\\n  File "x.py", line 2 in g\\n', 9)
    '  File "x.py", line 2 in g'
    """
    lines = [each for each in text.splitlines() if each.strip() and not _is_frame_of_machinery(each)]
    return "\n".join(lines[-most:])


def _is_frame_of_machinery(line: str) -> bool:
    before, _, rest = line.partition('"')
    return before.strip() == "File" and (_is_machinery(rest) or rest.startswith("<frozen runpy"))


def _is_machinery(filename: str) -> bool:
    return (
        filename.startswith("<frozen importlib")
        or "/importlib/" in filename
        or "/stevedore/" in filename
        or "/hardpoint/registry/" in filename
    )
