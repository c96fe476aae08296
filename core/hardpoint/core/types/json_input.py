"""JSON that people write, looser than the wire form: durations as text, dicts as objects, bare unions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from hardpoint.core.types.errors import InputTextError, short_repr
from hardpoint.core.types.examples import form
from hardpoint.core.types.surrogates import escape
from hardpoint.plugin_api import (
    AnyType,
    ChoiceType,
    DictType,
    ListType,
    SimpleKind,
    SimpleType,
    Store,
    StructType,
    TupleType,
    UnionType,
    Wire,
)
from hardpoint.plugin_api.literal_rules import is_tagged, problem
from hardpoint.plugin_api.literal_shapes import is_text

Parse: TypeAlias = Callable[[AnyType, str, Store], Wire]
"""Reads text by type; a string in JSON means what it means on the command line."""


def wire_of_json(type: AnyType, value: Any, store: Store, parse: Parse) -> Wire:
    """The wire value that somebody means by a JSON value.

    Raises:
        InputTextError: It does not fit; the message has the path to the part at fault.
    """
    match type:
        case ListType(item=item) if isinstance(value, list):
            return [_at(f"[{i}]", item, each, store, parse) for i, each in enumerate(value)]
        case TupleType(items=items, variadic=variadic) if isinstance(value, list):
            if not variadic and len(items) != len(value):
                raise InputTextError(
                    f"Expected `{type}`, got {len(value)} items {short_repr(value)}",
                    hint=f"Write {form(type)}",
                )
            types = items * len(value) if variadic else items
            return [
                _at(f"[{i}]", t, each, store, parse)
                for i, (t, each) in enumerate(zip(types, value, strict=True))
            ]
        case DictType():
            return _dict(type, value, store, parse)
        case StructType():
            return _struct(type, value, store, parse)
        case UnionType():
            return _union(type, value, store, parse)
        case _:
            return _leaf(type, value, store, parse)


def _at(step: str, type: AnyType, value: Any, store: Store, parse: Parse) -> Wire:
    try:
        return wire_of_json(type, value, store, parse)
    except InputTextError as error:
        error.add_step(step)
        raise


def _not_this(type: AnyType, value: Any) -> InputTextError:
    return InputTextError(f"Expected `{type}`, got {_shown(value)}", hint=f"Write {form(type)}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def _leaf(type: AnyType, value: Any, store: Store, parse: Parse) -> Wire:
    is_str = isinstance(type, SimpleType) and type.kind is SimpleKind.STR
    if is_str and isinstance(value, str):
        return escape(value)
    if problem(type, value) is None:
        return float(value) if type == SimpleType(SimpleKind.FLOAT) and isinstance(value, int) else value
    if is_str or isinstance(type, ChoiceType):
        raise _not_this(type, value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and type in (SimpleType(SimpleKind.TIMEDELTA), SimpleType(SimpleKind.DECIMAL)):
        return parse(type, str(value), store)
    if not isinstance(value, str) or type in _NOT_AS_TEXT:
        raise _not_this(type, value)
    return parse(type, value, store)


_NOT_AS_TEXT = (SimpleType(SimpleKind.INT), SimpleType(SimpleKind.BOOL), SimpleType(SimpleKind.NONE))


def _dict(type: DictType, value: Any, store: Store, parse: Parse) -> Wire:
    is_object = isinstance(value, dict)
    if not is_object and not (
        isinstance(value, list) and all(isinstance(p, list) and len(p) == 2 for p in value)
    ):
        raise _not_this(type, value)
    pairs = []
    for key, each in value.items() if is_object else value:
        step = f"[{_shown(key)[1:-1]}]"
        # A key of an object can only be text, and says what the same text says on the command line.
        known = parse(type.key, key, store) if is_object else _at(step, type.key, key, store, parse)
        pairs.append((known, _at(step, type.value, each, store, parse)))
    return dict(pairs) if is_text(type.key) else [list(pair) for pair in pairs]


def _struct(type: StructType, value: Any, store: Store, parse: Parse) -> Wire:
    if not isinstance(value, dict):
        raise _not_this(type, value)
    fields = {field.name: field for field in type.fields}
    known = ", ".join(f"`{name}`" for name in fields)
    for name in value:
        if name not in fields:
            raise InputTextError(f"`{type}` has no field `{name}`", hint=f"Its fields are {known or 'none'}")
    for name, field in fields.items():
        if field.required and name not in value:
            raise InputTextError(f"Field `{name}` of `{type}` is missing", hint=f"Write {form(type)}")
    return {name: _at(f".{name}", fields[name].type, each, store, parse) for name, each in value.items()}


def _union(type: UnionType, value: Any, store: Store, parse: Parse) -> Wire:
    if is_tagged(type) and problem(type, value) is None:
        return value
    for index, variant in enumerate(type.variants):
        try:
            wire = wire_of_json(variant, value, store, parse)
        except InputTextError:
            continue
        return {"variant": index, "value": wire} if is_tagged(type) else wire
    raise _not_this(type, value)
