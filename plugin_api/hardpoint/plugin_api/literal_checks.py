"""Whether a wire value fits a type, and if not, where it departs from it."""

from __future__ import annotations

import binascii
import datetime
import decimal
import json
import re
import reprlib
import uuid
from collections.abc import Callable
from typing import assert_never

from hardpoint.plugin_api.literal_shapes import by_shape, is_tagged, is_text
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

MIN_INT, MAX_INT = -(10**4299), 10**4300
"""What lies between has at most 4300 characters: Python prints, and JSON readers take, no longer numbers."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DURATION_LIMITS = ((-999_999_999, 999_999_999), (0, 86_399), (0, 999_999))


def problem(type: AnyType, wire: Wire) -> str | None:
    """What is wrong with a wire value of that type; None when it fits.

    >>> problem(ListType(SimpleType(SimpleKind.INT)), [1, 2, "x"])
    'Expected `int`, got "x" at `[2]`'
    >>> problem(SimpleType(SimpleKind.INT), 3) is None
    True
    """
    found = _check(type, wire)
    if found is None:
        return None
    where = "".join(reversed(found.steps)).removeprefix(".")
    return f"{found.text} at `{where}`" if where else found.text


class _Problem:
    """What is wrong, and the steps that lead to it, innermost first."""

    __slots__ = ("steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps: list[str] = []

    def at(self, step: str) -> _Problem:
        self.steps.append(step)
        return self


def _expected(what: object, wire: Wire) -> _Problem:
    return _Problem(f"Expected `{what}`, got {_shown(wire)}")


def _shown(wire: Wire) -> str:
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 60
    match wire:
        case bool() | None:
            return json.dumps(wire)
        case str():
            text = json.dumps(wire if len(wire) <= 60 else wire[:57] + "...", ensure_ascii=False)
            return _SURROGATE.sub("�", text)
        case int() if not MIN_INT < wire < MAX_INT:
            return f"a number of {wire.bit_length()} bits"
        case _:
            return short.repr(wire)


def _check(type: AnyType, wire: Wire) -> _Problem | None:
    match type:
        case SimpleType(kind=kind):
            return None if _FITS[kind](wire) else _expected(type, wire)
        case UnionType():
            return _check_union(type, wire)
        case ListType(item=item):
            return _check_items(type, (item,), wire, variadic=True)
        case TupleType(items=items, variadic=variadic):
            return _check_items(type, items, wire, variadic=variadic)
        case DictType():
            return _check_object(type, wire) if is_text(type.key) else _check_pairs(type, wire)
        case StructType():
            return _check_struct(type, wire)
        case EnumType(members=members):
            return None if wire.__class__ is str and wire in members else _expected(type, wire)
        case ChoiceType(values=values):
            fits = any(value.__class__ is wire.__class__ and value == wire for value in values)
            return None if fits else _expected(type, wire)
        case FileType() | DirectoryType() | ArrayType() | FrameType() | PickledType():
            return _check_reference(type, wire)
        case _:
            assert_never(type)


def _check_union(union: UnionType, wire: Wire) -> _Problem | None:
    if not is_tagged(union):
        index = by_shape(union).get(wire.__class__)
        return _expected(union, wire) if index is None else _check(union.variants[index], wire)
    if wire.__class__ is not dict or wire.keys() != {"variant", "value"}:
        return _Problem(f'Expected `{union}` as {{"variant": index, "value": …}}, got {_shown(wire)}')
    index = wire["variant"]
    if index.__class__ is not int or not 0 <= index < len(union.variants):
        return _Problem(
            f"Expected a variant from 0 to {len(union.variants) - 1} of `{union}`, got {_shown(index)}"
        )
    return _check(union.variants[index], wire["value"])


def _check_items(
    type: ListType | TupleType, items: tuple[AnyType, ...], wire: Wire, *, variadic: bool
) -> _Problem | None:
    if wire.__class__ is not list:
        return _expected(type, wire)
    if not variadic and len(wire) != len(items):
        return _Problem(f"Expected `{type}`, got {len(wire)} items")
    for index, each in enumerate(wire):
        found = _check(items[0 if variadic else index], each)
        if found is not None:
            return found.at(f"[{index}]")
    return None


def _check_object(type: DictType, wire: Wire) -> _Problem | None:
    if wire.__class__ is not dict:
        return _expected(type, wire)
    for key, value in wire.items():
        found = _check(type.key, key) or _check(type.value, value)
        if found is not None:
            return found.at(f"[{_shown(key)}]")
    return None


def _check_pairs(type: DictType, wire: Wire) -> _Problem | None:
    if wire.__class__ is not list:
        return _Problem(f"Expected `{type}` as a list of [key, value] pairs, got {_shown(wire)}")
    for index, pair in enumerate(wire):
        if pair.__class__ is not list or len(pair) != 2:
            return _Problem(f"Expected a [key, value] pair, got {_shown(pair)}").at(f"[{index}]")
        found = _check(type.key, pair[0]) or _check(type.value, pair[1])
        if found is not None:
            return found.at(f"[{_shown(pair[0])}]")
    return None


def _check_struct(type: StructType, wire: Wire) -> _Problem | None:
    if wire.__class__ is not dict:
        return _expected(type, wire)
    known = 0
    for field in type.fields:
        if field.name not in wire:
            if field.required:
                return _Problem(f"Field `{field.name}` of `{type}` is missing")
            continue
        known += 1
        found = _check(field.type, wire[field.name])
        if found is not None:
            return found.at(f".{field.name}")
    if known == len(wire):
        return None
    names = [field.name for field in type.fields]
    extra = next(name for name in wire if name not in names)
    return _Problem(
        f"`{type}` has no field {_shown(extra)}; it has {', '.join(f'`{n}`' for n in names) or 'none'}"
    )


def _check_reference(type: AnyType, wire: Wire) -> _Problem | None:
    if wire.__class__ is not dict:
        return _expected(type, wire)
    fits = (
        wire.get("uri").__class__ is str
        and wire.get("digest").__class__ is str
        and _DIGEST.fullmatch(wire["digest"]) is not None
        and wire.get("size_bytes").__class__ is int
        and wire.get("name", "").__class__ is str
        and wire.keys() <= {"uri", "digest", "size_bytes", "format", "name"}
    )
    if not fits:
        return _Problem(f"Expected a reference to a `{type}`, got {_shown(wire)}")
    wanted = _FORMATS.get(type.__class__)
    if wanted is not None and wire.get("format") != wanted:
        return _Problem(
            f"Expected a reference of format `{wanted}` to a `{type}`, got {_shown(wire.get('format'))}"
        )
    return None


_FORMATS = {
    FileType: None,
    DirectoryType: "directory",
    ArrayType: "npy",
    FrameType: "parquet",
    PickledType: "pickle",
}


def _is_int(wire: Wire) -> bool:
    return wire.__class__ is int and MIN_INT < wire < MAX_INT


def _is_float(wire: Wire) -> bool:
    match wire:
        case bool():
            return False
        case float():
            return wire - wire == 0.0  # neither NaN nor infinite, which JSON cannot hold
        case int():
            return _parses(float, wire)
        case _:
            return wire.__class__ is str and wire in ("nan", "inf", "-inf")


def _is_str(wire: Wire) -> bool:
    return wire.__class__ is str and (wire.isascii() or _SURROGATE.search(wire) is None)


def _is_timedelta(wire: Wire) -> bool:
    return (
        wire.__class__ is list
        and len(wire) == 3
        and all(
            part.__class__ is int and low <= part <= high
            for part, (low, high) in zip(wire, _DURATION_LIMITS, strict=True)
        )
    )


def _parses(parse: Callable[[Wire], object], wire: Wire) -> bool:
    try:
        parse(wire)
    except (ValueError, ArithmeticError):
        return False
    return True


def _text(parse: Callable[[str], object]) -> Callable[[Wire], bool]:
    return lambda wire: wire.__class__ is str and _parses(parse, wire)


def _without_zone(parse: Callable[[str], object]) -> Callable[[str], object]:
    # `2024-05-01T12:00:00+02:00[Europe/Paris]`: the bracketed part is checked by whoever has the zones.
    return lambda text: parse(text.partition("[")[0])


_FITS: dict[SimpleKind, Callable[[Wire], bool]] = {
    SimpleKind.NONE: lambda wire: wire is None,
    SimpleKind.BOOL: lambda wire: wire.__class__ is bool,
    SimpleKind.INT: _is_int,
    SimpleKind.FLOAT: _is_float,
    SimpleKind.STR: _is_str,
    SimpleKind.BYTES: _text(lambda text: binascii.a2b_base64(text, strict_mode=True)),
    SimpleKind.DATETIME: _text(_without_zone(datetime.datetime.fromisoformat)),
    SimpleKind.DATE: _text(datetime.date.fromisoformat),
    SimpleKind.TIME: _text(_without_zone(datetime.time.fromisoformat)),
    SimpleKind.TIMEDELTA: _is_timedelta,
    SimpleKind.DECIMAL: _text(decimal.Decimal),
    SimpleKind.UUID: _text(uuid.UUID),
}
