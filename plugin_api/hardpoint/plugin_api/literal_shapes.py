"""Which JSON shapes the values of a type take, and so how a union travels."""

from __future__ import annotations

import enum
import functools
from typing import assert_never

from hardpoint.plugin_api.literals import (
    AnyType,
    ArrayType,
    ChoiceType,
    DictType,
    DirectoryType,
    EnumType,
    FileType,
    FrameType,
    ListType,
    PickledType,
    SimpleKind,
    SimpleType,
    StructType,
    TupleType,
    UnionType,
    Wire,
)


class Shape(enum.Enum):
    """The six shapes of a JSON value."""

    NULL = "null"
    BOOL = "bool"
    NUMBER = "number"
    STRING = "string"
    ARRAY = "array"
    OBJECT = "object"


SHAPE_OF_CLASS: dict[type, Shape] = {
    type(None): Shape.NULL,
    bool: Shape.BOOL,
    int: Shape.NUMBER,
    float: Shape.NUMBER,
    str: Shape.STRING,
    list: Shape.ARRAY,
    dict: Shape.OBJECT,
}
"""The shape of a plain JSON value, by its exact Python class."""

_STRING = frozenset({Shape.STRING})
_ARRAY = frozenset({Shape.ARRAY})
_OBJECT = frozenset({Shape.OBJECT})
_OF_KIND = {
    SimpleKind.NONE: frozenset({Shape.NULL}),
    SimpleKind.BOOL: frozenset({Shape.BOOL}),
    SimpleKind.INT: frozenset({Shape.NUMBER}),
    # "nan", "inf" and "-inf" are strings.
    SimpleKind.FLOAT: frozenset({Shape.NUMBER, Shape.STRING}),
    SimpleKind.TIMEDELTA: _ARRAY,
}


@functools.lru_cache(maxsize=4096)
def shapes(type: AnyType) -> frozenset[Shape]:
    """The JSON shapes that values of `type` can have on the wire.

    >>> sorted(shape.value for shape in shapes(SimpleType(SimpleKind.FLOAT)))
    ['number', 'string']
    """
    match type:
        case SimpleType(kind=kind):
            return _OF_KIND.get(kind, _STRING)
        case EnumType():
            return _STRING
        case ChoiceType(values=values):
            return frozenset(SHAPE_OF_CLASS[value.__class__] for value in values)
        case ListType() | TupleType():
            return _ARRAY
        case DictType():
            return _OBJECT if is_text(type.key) else _ARRAY
        case UnionType():
            return _OBJECT if is_tagged(type) else frozenset().union(*map(shapes, type.variants))
        case StructType() | FileType() | DirectoryType() | ArrayType() | FrameType() | PickledType():
            return _OBJECT
        case _:
            assert_never(type)


@functools.lru_cache(maxsize=4096)
def is_tagged(union: UnionType) -> bool:
    """Whether values of `union` travel as `{"variant": index, "value": wire}`.

    They travel bare when the JSON shapes of all variants differ.

    >>> number, text, real = (SimpleType(k) for k in (SimpleKind.INT, SimpleKind.STR, SimpleKind.FLOAT))
    >>> is_tagged(UnionType((number, text))), is_tagged(UnionType((number, real)))
    (False, True)
    """
    seen: set[Shape] = set()
    for variant in union.variants:
        mine = shapes(variant)
        if not seen.isdisjoint(mine):
            return True
        seen |= mine
    return False


def is_text(type: AnyType) -> bool:
    """Whether `type` is `str`: such keys make a dict a JSON object."""
    return isinstance(type, SimpleType) and type.kind is SimpleKind.STR


def variant_of(union: UnionType, wire: Wire) -> tuple[int, Wire] | None:
    """The index of the variant that `wire` is of, and the bare value; None when it is of none.

    >>> union = UnionType((SimpleType(SimpleKind.INT), SimpleType(SimpleKind.FLOAT)))
    >>> variant_of(union, {"variant": 1, "value": 2.5})
    (1, 2.5)
    """
    if is_tagged(union):
        if type(wire) is not dict or wire.keys() != {"variant", "value"}:
            return None
        index = wire["variant"]
        if type(index) is not int or not 0 <= index < len(union.variants):
            return None
        return index, wire["value"]
    index = by_shape(union).get(type(wire), -1)
    return (index, wire) if index >= 0 else None


@functools.lru_cache(maxsize=4096)
def by_shape(union: UnionType) -> dict[type, int]:
    """The variants of a union that is not tagged, by the Python class of the JSON value."""
    return {
        json_class: index
        for index, variant in enumerate(union.variants)
        for json_class, shape in SHAPE_OF_CLASS.items()
        if shape in shapes(variant)
    }
