"""Where in the author's file something was written, found cheaply while a workflow is traced."""

from __future__ import annotations

import bisect
import sys
from types import CodeType, FrameType

from hardpoint.plugin_api import Position

_OURS = "hardpoint."


def author_frame() -> FrameType:
    """The nearest frame that runs code from outside this package."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").startswith(_OURS) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def author_position() -> Position:
    """The line in the author's file that is being executed."""
    frame = author_frame()
    return Position(frame.f_code.co_filename, frame.f_lineno)


class Lines:
    """Line numbers of instructions.

    Python finds the line of one instruction by walking its function's table from the start: asked for
    each call of a long body, that would be quadratic. This walks each table once.
    """

    def __init__(self) -> None:
        # By identity: equal code objects of two files would share a table.
        self._tables: dict[int, tuple[CodeType, list[int], list[int]]] = {}

    def position(self, code: CodeType, instruction: int) -> Position:
        """Where an instruction of `code`, an offset as in `frame.f_lasti`, was written."""
        table = self._tables.get(id(code))
        if table is None:
            rows = [(start, line) for start, _, line in code.co_lines() if line is not None]
            table = self._tables[id(code)] = (code, [start for start, _ in rows], [line for _, line in rows])
        _, starts, lines = table
        index = bisect.bisect_right(starts, instruction) - 1
        return Position(code.co_filename, lines[index] if index >= 0 else code.co_firstlineno)
