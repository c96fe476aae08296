"""Items of array nodes by their ids: `squares[17]` is an item, `squares#3` a chunk of items."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.core.compiled import Mapped
from hardpoint.plugin_api import UserError, Wire


def array_id(unit: str) -> str:
    """The array node that an item or chunk belongs to.

    >>> array_id("outer.squares[17]"), array_id("squares#3")
    ('outer.squares', 'squares')
    """
    return unit.rpartition("[" if unit.endswith("]") else "#")[0]


def item_index(unit: str) -> int | None:
    """The index of an item; None for anything else.

    >>> item_index("squares[17]"), item_index("squares#3")
    (17, None)
    """
    return int(unit[unit.rindex("[") + 1 : -1]) if unit.endswith("]") else None


def place_of(unit: str) -> str:
    """A unit as part of a path: brackets and `#` mean something to shells and to object stores.

    >>> place_of("squares[17]"), place_of("squares#3"), place_of("load")
    ('squares/17', 'squares/chunk-3', 'load')
    """
    return unit.rstrip("]").replace("[", "/").replace("#", "/chunk-")


def common_length(mapped: Mapped, inputs: Mapping[str, Wire], node: str) -> int:
    """How many items an array node has.

    Raises:
        UserError: The mapped lists differ in length.

    >>> common_length(Mapped(("x",)), {"x": [1, 2], "k": 7}, "squares")
    2
    """
    lengths = {name: len(inputs[name]) for name in mapped.over}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
        raise UserError(
            f"The lists that node `{node}` maps over differ in length: {told}",
            hint="Give it lists of one length, or bind what is the same for all with `functools.partial`",
        )
    return next(iter(lengths.values()))
