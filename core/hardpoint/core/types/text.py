"""What people type on a command line, by literal type.

Scalars are plain text (`42`, `0.5`, `true`, `2024-05-01T12:00`, `PT1H30M`); `null` is None wherever None
is allowed; enums go by member name in any case. Lists, dicts, tuples and structs are JSON, and so is the
content of `@file.json` for any type (`@@file.json` is the text `@file.json` itself). Files, folders,
arrays (`.npy`) and tables (`.parquet`, `.csv`) are paths. A union takes the first variant that fits.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import difflib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never

import msgspec

from hardpoint.core.types.durations import duration_of
from hardpoint.core.types.errors import BoundaryError, InputTextError
from hardpoint.core.types.examples import form
from hardpoint.core.types.json_input import wire_of_json
from hardpoint.core.types.natural import natural_codec
from hardpoint.core.types.path_input import array_wire, frame_wire
from hardpoint.core.types.temporal import moment_of
from hardpoint.plugin_api import (
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
    Store,
    StructType,
    TupleType,
    UnionType,
    Wire,
)
from hardpoint.plugin_api.literal_rules import is_tagged

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_text(type: AnyType, text: str, store: Store) -> Wire:
    """The wire value that somebody means by `text`.

    Args:
        type: Of the input.
        text: One argument of a command line.
        store: Receives the files that `text` names.

    Raises:
        InputTextError: It does not fit the type.

    >>> parse_text(SimpleType(SimpleKind.TIMEDELTA), "PT1H30M", store=None)
    [0, 5400, 0]
    """
    if text.startswith("@") and text.endswith(".json"):
        if not text.startswith("@@"):
            return wire_of_json(type, _json(type, _content(text[1:]), f" in `{text[1:]}`"), store, _parse)
        text = text[1:]
    return _parse(type, text, store)


def not_this(type: AnyType, text: str, *, use: str = "") -> InputTextError:
    """The error for text that does not fit."""
    return InputTextError(f"Expected `{type}`, got `{_short(text)}`", hint=use or f"Write {form(type)}")


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputTextError(
            f"Cannot read `{path}`: {error.strerror}", hint="Give the path of a JSON file after the `@`"
        ) from error


def _json(type: AnyType, data: str | bytes, where: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InputTextError(
            f"Expected JSON for `{type}`{where}: {error}", hint=f"Write {form(type)}"
        ) from error


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _parse(type: AnyType, text: str, store: Store) -> Wire:
    match type:
        case SimpleType():
            return _parse_simple(type, text, store)
        case EnumType():
            return _member(type, text)
        case ChoiceType():
            return _choice(type, text)
        case UnionType():
            return _parse_union(type, text, store)
        case ListType() | TupleType() | DictType() | StructType():
            return wire_of_json(type, _json(type, text, f", got `{_short(text)}`"), store, _parse)
        case ArrayType():
            return array_wire(type, text, store)
        case FrameType():
            return frame_wire(type, text, store)
        case FileType() | DirectoryType():
            return _encode(type, text, store)
        case PickledType():
            raise InputTextError(
                f"A `{type}` cannot be typed",
                hint="Call the workflow from Python, or give the input another type",
            )
        case _:
            assert_never(type)


def _encode(type: AnyType, value: Any, store: Store) -> Wire:
    try:
        return natural_codec(type).encode(value, store)
    except BoundaryError as error:
        raise InputTextError(error.problem, hint=error.hint) from error


def _parse_simple(type: SimpleType, text: str, store: Store) -> Wire:
    try:
        value = _PARSERS[type.kind](text)
    except (ValueError, ArithmeticError, KeyError, OverflowError) as error:
        raise not_this(type, text) from error
    return _encode(type, value, store)


def _null(text: str) -> None:
    if text != "null":
        raise ValueError(text)


_PARSERS: dict[SimpleKind, Callable[[str], Any]] = {
    SimpleKind.NONE: _null,
    SimpleKind.INT: int,
    SimpleKind.FLOAT: float,
    SimpleKind.STR: str,
    SimpleKind.BOOL: lambda text: _BOOLS[text.strip().lower()],
    SimpleKind.BYTES: lambda text: base64.b64decode(text, validate=True),
    SimpleKind.DATETIME: lambda text: moment_of(dt.datetime, text.strip()),
    SimpleKind.DATE: lambda text: dt.date.fromisoformat(text.strip()),
    SimpleKind.TIME: lambda text: moment_of(dt.time, text.strip()),
    SimpleKind.TIMEDELTA: lambda text: duration_of(text.strip()),
    SimpleKind.DECIMAL: lambda text: decimal.Decimal(text.strip()),
    SimpleKind.UUID: lambda text: uuid.UUID(text.strip()),
}


def _member(type: EnumType, text: str) -> Wire:
    if text in type.members:
        return text
    alike = [name for name in type.members if name.casefold() == text.strip().casefold()]
    if len(alike) == 1:
        return alike[0]
    close = difflib.get_close_matches(text, alike or type.members, n=1)
    raise not_this(type, text, use=f"Did you mean `{close[0]}`?" if close else "")


def _choice(type: ChoiceType, text: str) -> Wire:
    for value in type.values:
        match value:
            case None | bool() | int():
                said = msgspec.json.encode(value).decode()
                if text == said or (value.__class__ is bool and text.strip().lower() == said):
                    return value
            case str():
                if text == value:
                    return value
            case _:
                assert_never(value)
    words = [value for value in type.values if isinstance(value, str)]
    close = difflib.get_close_matches(text, words, n=1)
    raise not_this(type, text, use=f"Did you mean `{close[0]}`?" if close else "")


def _parse_union(type: UnionType, text: str, store: Store) -> Wire:
    order = sorted(
        range(len(type.variants)),
        # Under `str | None` the word `null` would otherwise be text, and None could not be typed.
        key=lambda index: text != "null" or type.variants[index] != SimpleType(SimpleKind.NONE),
    )
    for index in order:
        try:
            wire = _parse(type.variants[index], text, store)
        except InputTextError:
            continue
        return {"variant": index, "value": wire} if is_tagged(type) else wire
    raise not_this(type, text)
