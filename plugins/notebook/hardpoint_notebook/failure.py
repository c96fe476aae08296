"""What went wrong in a notebook, said with the cell, the line and the exception."""

from __future__ import annotations

import re
from typing import Any

from hardpoint.plugin_api import ErrorInfo, UserError

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LINE_IN_CELL = re.compile(r"Cell In\[\d+\], line (\d+)")

HINTS = {
    "FileNotFoundError": "A notebook runs in an empty folder: pass the file as an input of type `File`",
    "ModuleNotFoundError": "If it is a file of the project, name it in `files` of the `NotebookTask`; "
    "else install it for the notebook's kernel",
}
DEFAULT_HINT = "The executed notebook is attached to the attempt, with every output up to that cell"


class CellTraceback(Exception):
    """The kernel's traceback, as the cause of the error that the worker raises."""

    def __str__(self) -> str:
        return f"in the notebook\n{self.args[0]}"


class NotebookError(UserError):
    """A notebook that did not run to its end.

    Args:
        message: Which cell, which line, what happened.
        hint: What helps.
        traceback: The kernel's, without colours.
    """

    def __init__(self, message: str, *, hint: str, traceback: str = "") -> None:
        super().__init__(message, hint=hint)
        self.traceback = traceback
        self.__cause__ = CellTraceback(traceback) if traceback else None

    def info(self) -> ErrorInfo:
        """This error as data, with the traceback of the cell."""
        bases = tuple(base.__name__ for base in type(self).__mro__[1:-1])
        return ErrorInfo(self.code, self.message, self.kind, self.hint, traceback=self.traceback, bases=bases)


class CellTimeout(NotebookError):
    """A cell ran longer than `cell_timeout_s`."""


class KernelDied(NotebookError):
    """The kernel's process ended by itself, while a cell ran."""


class KernelNotStarted(NotebookError):
    """The kernel's process never answered."""


def cell_raised(notebook: str, cell: Any, name: str, value: str, traceback: list[str]) -> NotebookError:
    """A cell ended with an exception."""
    text = plain_text("\n".join(traceback))
    # An error of hardpoint's own, such as from `record`, brings its hint along in its text.
    said, _, hint = plain_text(value).partition("\n\nhint: ")
    # The cell's exception stays behind in the kernel; a base of its name makes `Retry(on=…)` find it.
    named = type(name, (NotebookError,), {"__doc__": "What a cell raised."})
    failed: type[NotebookError] = type("CellFailed", (named,), {"__doc__": "A cell raised an exception."})
    return failed(
        f"{_where(notebook, cell)} failed{_at(cell, text)}: {name}: {said}".rstrip(": "),
        hint=hint or HINTS.get(name, DEFAULT_HINT),
        traceback=text,
    )


def cell_overdue(notebook: str, cell: Any, limit_s: float) -> NotebookError:
    """A cell ran longer than it may."""
    return CellTimeout(
        f"{_where(notebook, cell)} ran longer than {limit_s:g} s{_at(cell, '')}",
        hint="Raise `cell_timeout_s` of the `NotebookTask`, or split the cell",
    )


def kernel_died(notebook: str, cell: Any, log: str) -> NotebookError:
    """The kernel's process ended by itself."""
    status = re.findall(r"ended with status (-?\d+)", log)
    shown = f" (exit status {status[-1]})" if status else ""
    return KernelDied(
        f"The kernel died{shown} in {_where(notebook, cell, lower=True)}{_at(cell, '')}",
        hint="Status -9 often means that memory ran out: give the task more with `Resources(memory_bytes=…)`"
        if status and status[-1] == "-9"
        else "The kernel's last messages are in the traceback; a crash in native code ends it like that",
        traceback=log,
    )


def kernel_not_started(notebook: str, kernel: str, log: str) -> NotebookError:
    """The kernel never answered."""
    return KernelNotStarted(
        f"The kernel `{kernel}` for `{notebook}` did not start",
        hint=f"Try it alone: `jupyter run --kernel {kernel}`; its last messages are in the traceback",
        traceback=log,
    )


def plain_text(text: str) -> str:
    """Text of a terminal without its colours.

    >>> plain_text("\\x1b[31mred\\x1b[0m")
    'red'
    """
    return COLOUR.sub("", text)


def _where(notebook: str, cell: Any, *, lower: bool = False) -> str:
    number = cell.metadata.get("hardpoint_cell")
    if number is None:
        return f"{'the' if lower else 'The'} cell that sets the inputs of `{notebook}`"
    return f"{'cell' if lower else 'Cell'} {number} of `{notebook}`"


def _at(cell: Any, traceback: str) -> str:
    """The source line, with its number if the cell has several."""
    lines = cell.source.splitlines()
    written = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not written:
        return ""
    found = LINE_IN_CELL.search(traceback)
    if found is None or not 0 < int(found[1]) <= len(lines):
        return f" at `{written[0].strip()}`" if len(written) == 1 else f" (it begins `{written[0].strip()}`)"
    number = int(found[1])
    return f" at line {number}, `{lines[number - 1].strip()}`"
