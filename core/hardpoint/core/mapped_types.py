"""Types of a node that runs its task once for each item of lists."""

from __future__ import annotations

from collections.abc import Sequence

from hardpoint.plugin_api import AnyType, ListType, SimpleKind, SimpleType, UnionType, Wire
from hardpoint.plugin_api.literal_rules import convert
from hardpoint.plugin_api.literal_shapes import is_tagged

NONE = SimpleType(SimpleKind.NONE)


def optional(type: AnyType) -> AnyType:
    """The type of a value that may be missing.

    >>> str(optional(SimpleType(SimpleKind.INT)))
    'int | None'
    """
    variants = type.variants if isinstance(type, UnionType) else (type,)
    return type if NONE in variants else UnionType((*variants, NONE))


def mapped_output(type: AnyType, *, tolerant: bool) -> ListType:
    """What an output becomes when its task is mapped: a list; if items may fail, with None in their places.

    >>> str(mapped_output(SimpleType(SimpleKind.INT), tolerant=True))
    'list[int | None]'
    """
    return ListType(optional(type) if tolerant else type)


def with_missing(type: AnyType, wires: Sequence[Wire], missing: Sequence[bool]) -> list[Wire]:
    """Outputs of items as a list of `optional(type)`.

    A variant of a union is told by its place, which may be another one once None is among them.

    Args:
        type: Of the task's output.
        wires: One for each item; whatever stands for a missing one is replaced.
        missing: Which items failed.

    >>> with_missing(SimpleType(SimpleKind.INT), [1, None], [False, True])
    [1, None]
    """
    target = optional(type)
    if not isinstance(target, UnionType) or not is_tagged(target):
        return [None if lost else wire for wire, lost in zip(wires, missing, strict=True)]
    none = convert(None, NONE, target)
    return [none if lost else convert(wire, type, target) for wire, lost in zip(wires, missing, strict=True)]
