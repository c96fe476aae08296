"""What follows from two literal types: does a wire value fit, does a type fit another, how to convert.

Pure functions over the table in `literals.py`. They decide by type alone, so the compiler, the executor
and every plugin reach the same answer without the author's classes.
"""

from __future__ import annotations

import functools

from hardpoint.plugin_api.errors import UserError
from hardpoint.plugin_api.literal_checks import problem
from hardpoint.plugin_api.literal_shapes import is_tagged, is_text, variant_of
from hardpoint.plugin_api.literals import (
    AnyType,
    ChoiceType,
    DictType,
    EnumType,
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

__all__ = ["assignable", "convert", "is_tagged", "problem", "variant_of"]

SERIES = "series"
"""Flavour of a one-column table; a table of any other flavour need not have one column."""

_KIND_OF_CHOICE = {
    type(None): SimpleKind.NONE,
    bool: SimpleKind.BOOL,
    int: SimpleKind.INT,
    str: SimpleKind.STR,
}


def assignable(source: AnyType, target: AnyType) -> bool:
    """Whether every value of `source` may be used where `target` is expected.

    Equal types; a type for a union that contains it; `int` for `float`; lists, dicts and tuples of
    assignable items; tables of any flavour; a struct for one of the same name whose fields accept its
    fields; a choice for its base; fewer members or choices for more.

    >>> number, real = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.FLOAT)
    >>> assignable(ListType(number), ListType(real)), assignable(real, number)
    (True, False)
    """
    return source is target or _assignable(source, target)


@functools.lru_cache(maxsize=4096)
def _assignable(source: AnyType, target: AnyType) -> bool:
    if source == target:
        return True
    if isinstance(source, UnionType):
        return all(_assignable(variant, target) for variant in source.variants)
    if isinstance(source, ChoiceType) and len(source.values) > 1:
        return all(_assignable(ChoiceType((value,)), target) for value in source.values)
    if isinstance(target, UnionType):
        return any(_assignable(source, variant) for variant in target.variants)
    match source, target:
        case SimpleType(kind=SimpleKind.INT), SimpleType(kind=SimpleKind.FLOAT):
            return True
        case ChoiceType(values=(value,)), ChoiceType(values=wanted):
            return any(value.__class__ is each.__class__ and value == each for each in wanted)
        case ChoiceType(values=(value,)), SimpleType():
            return _assignable(SimpleType(_KIND_OF_CHOICE[value.__class__]), target)
        case EnumType(), EnumType():
            return source.name == target.name and set(source.members) <= set(target.members)
        case ListType(), ListType():
            return _assignable(source.item, target.item)
        case DictType(), DictType():
            return _assignable(source.key, target.key) and _assignable(source.value, target.value)
        case TupleType(), TupleType():
            return _tuple_assignable(source, target)
        case StructType(), StructType():
            return _struct_assignable(source, target)
        case FrameType(), FrameType():
            return target.flavour != SERIES or source.flavour == SERIES
        case PickledType(), PickledType():
            return target.name in ("Any", "object")
        case _:
            return False


def _tuple_assignable(source: TupleType, target: TupleType) -> bool:
    if target.variadic:
        return all(_assignable(item, target.items[0]) for item in source.items)
    return (
        not source.variadic
        and len(source.items) == len(target.items)
        and all(map(_assignable, source.items, target.items))
    )


def _struct_assignable(source: StructType, target: StructType) -> bool:
    wanted = {field.name: field for field in target.fields}
    return (
        source.name == target.name
        and wanted.keys() == {field.name for field in source.fields}
        and all(
            _assignable(field.type, wanted[field.name].type)
            and (field.required or not wanted[field.name].required)
            for field in source.fields
        )
    )


def convert(wire: Wire, source: AnyType, target: AnyType) -> Wire:
    """The wire form under `target` of a value that fits `source`.

    Where several variants of a union accept the value, an equal one wins, then the first.

    Args:
        wire: Fits `source`.
        source: Assignable to `target`.
        target: What the value is used as.

    Raises:
        UserError: An `int` is too large to become a `float`.

    >>> number, real, text = (SimpleType(k) for k in (SimpleKind.INT, SimpleKind.FLOAT, SimpleKind.STR))
    >>> convert(2, number, UnionType((real, text, number)))
    {'variant': 2, 'value': 2}
    """
    if source is target or source == target:
        return wire
    if isinstance(source, UnionType):
        found = variant_of(source, wire)
        if found is None:
            raise ValueError(f"`{wire!r}` is not on the wire form of `{source}`")
        return convert(found[1], source.variants[found[0]], target)
    if isinstance(source, ChoiceType) and len(source.values) > 1:
        return convert(wire, ChoiceType((wire,)), target)
    if isinstance(target, UnionType):
        index = _variant_for(source, target)
        inner = convert(wire, source, target.variants[index])
        return {"variant": index, "value": inner} if is_tagged(target) else inner
    return _convert_parts(wire, source, target)


@functools.lru_cache(maxsize=4096)
def _variant_for(source: AnyType, target: UnionType) -> int:
    if source in target.variants:
        return target.variants.index(source)
    return next(index for index, each in enumerate(target.variants) if _assignable(source, each))


def _convert_parts(wire: Wire, source: AnyType, target: AnyType) -> Wire:
    match source, target:
        case SimpleType() | ChoiceType(), SimpleType(kind=SimpleKind.FLOAT):
            return _to_float(wire)
        case ListType(), ListType():
            return [convert(each, source.item, target.item) for each in wire]
        case TupleType(), TupleType():
            return _convert_tuple(wire, source, target)
        case DictType(), DictType():
            return _convert_dict(wire, source, target)
        case StructType(), StructType():
            types = {field.name: field.type for field in source.fields}
            wanted = {field.name: field.type for field in target.fields}
            return {name: convert(each, types[name], wanted[name]) for name, each in wire.items()}
        case _:
            return wire  # enums, choices, tables and pickles look alike under both types


def _to_float(wire: int) -> float:
    try:
        return float(wire)
    except OverflowError:
        raise UserError(
            f"An `int` of {wire.bit_length()} bits is too large for `float`",
            hint="Make both sides `int`, or `Decimal`",
        ) from None


def _convert_tuple(wire: Wire, source: TupleType, target: TupleType) -> Wire:
    count = len(wire)
    mine = source.items * count if source.variadic else source.items
    wanted = target.items * count if target.variadic else target.items
    return [convert(each, a, b) for each, a, b in zip(wire, mine, wanted, strict=True)]


def _convert_dict(wire: Wire, source: DictType, target: DictType) -> Wire:
    pairs = wire.items() if is_text(source.key) else wire
    converted = [
        (convert(key, source.key, target.key), convert(value, source.value, target.value))
        for key, value in pairs
    ]
    return dict(converted) if is_text(target.key) else [[key, value] for key, value in converted]
