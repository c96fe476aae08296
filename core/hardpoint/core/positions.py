"""Where the nodes of a workflow were written, kept small: many nodes come from few lines."""

from __future__ import annotations

from types import CodeType
from typing import NamedTuple

from hardpoint.core.frames import Lines
from hardpoint.plugin_api import Position


class Sites(NamedTuple):
    """Positions of one workflow's nodes.

    Args:
        places: Each once.
        nodes: For each node, in the workflow's order, which of `places` it was written at.

    >>> Sites((Position("flow.py", 7),), (0, 0)).of_node(1)
    Position(file='flow.py', line=7)
    """

    places: tuple[Position, ...]
    nodes: tuple[int, ...]

    def of_node(self, index: int) -> Position:
        """Where the node at that place of the workflow's order was written."""
        return self.places[self.nodes[index]]


class SiteList:
    """Collects them, one call for each node."""

    def __init__(self) -> None:
        self._lines = Lines()
        # By identity of the code, as for `Lines`; the traced nodes keep it alive.
        self._known: dict[tuple[int, int], int] = {}
        self._places: dict[Position, int] = {}
        self._nodes: list[int] = []

    def add(self, code: CodeType, instruction: int) -> None:
        """The next node was written at an instruction of `code`, an offset as in `frame.f_lasti`."""
        call = (id(code), instruction)
        place = self._known.get(call)
        if place is None:
            position = self._lines.position(code, instruction)
            place = self._known[call] = self._places.setdefault(position, len(self._places))
        self._nodes.append(place)

    def done(self) -> Sites:
        """All of them."""
        return Sites(tuple(self._places), tuple(self._nodes))
