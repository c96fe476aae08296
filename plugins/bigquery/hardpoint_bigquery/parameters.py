"""Typed inputs as query parameters: the service binds them, so no value is ever part of the SQL.

int        INT64           datetime with a zone   TIMESTAMP     list, tuple[T, ...]   ARRAY
float      FLOAT64         datetime without       DATETIME      struct                STRUCT
str, UUID  STRING          date, time             DATE, TIME    dict                  JSON
bool       BOOL            timedelta              INTERVAL      T | None              that of T
bytes      BYTES           Decimal                NUMERIC or BIGNUMERIC
"""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)

from hardpoint.plugin_api import (
    AnyType,
    ChoiceType,
    DictType,
    EnumType,
    ListType,
    SimpleKind,
    SimpleType,
    StructType,
    TupleType,
    UnionType,
    UserError,
)

# Google annotates them, and not these.
_ScalarType: Any = ScalarQueryParameterType
_StructType: Any = StructQueryParameterType

Parameter = ScalarQueryParameter | ArrayQueryParameter | StructQueryParameter

INT64 = range(-(2**63), 2**63)
NUMERIC_SCALE, NUMERIC_WHOLE = 9, 29
BIGNUMERIC_SCALE, BIGNUMERIC_WHOLE = 38, 38

_NAMES = {
    SimpleKind.INT: "INT64",
    SimpleKind.FLOAT: "FLOAT64",
    SimpleKind.STR: "STRING",
    SimpleKind.UUID: "STRING",
    SimpleKind.BOOL: "BOOL",
    SimpleKind.BYTES: "BYTES",
    SimpleKind.DATE: "DATE",
    SimpleKind.TIME: "TIME",
    SimpleKind.TIMEDELTA: "INTERVAL",
}


def bind(name: str | None, type: AnyType, value: Any) -> Parameter:
    """One input as a parameter.

    Args:
        name: Of the input; None for an item of a list.
        type: As the task declares it.
        value: Natural, as `Values.decode` returns it.

    Raises:
        UserError: The service has no parameter for such a value.

    >>> bind("days", ListType(SimpleType(SimpleKind.INT)), [1, 2]).to_api_repr()["parameterValue"]
    {'arrayValues': [{'value': '1'}, {'value': '2'}]}
    >>> bind("n", SimpleType(SimpleKind.INT), 10**30)
    Traceback (most recent call last):
    hardpoint.plugin_api.errors.UserError: Input `n` is 1000000000000000000000000000000, beyond INT64
    <BLANKLINE>
    hint: Declare it `decimal.Decimal`
    """
    match type:
        case UnionType():
            return bind(name, _but_none(name, type), value)
        case ListType(item=item) | TupleType(items=(item,), variadic=True):
            return _array(name, item, _given(name, value))
        case StructType():
            fields = _given(name, value)
            return StructQueryParameter(
                name, *(bind(f.name, f.type, fields.get(f.name)) for f in type.fields)
            )
        case _:
            kind, bound = scalar(name, type, value)
            return ScalarQueryParameter(name, kind, bound)


def scalar(name: str | None, type: AnyType, value: Any) -> tuple[str, Any]:
    """The service's name of a scalar type, and the value as its client takes it."""
    match type:
        case SimpleType(kind=SimpleKind.DATETIME):
            naive = value is not None and value.tzinfo is None
            return ("DATETIME" if naive else "TIMESTAMP"), value
        case SimpleType(kind=SimpleKind.DECIMAL):
            return _decimal(name, value)
        case SimpleType(kind=kind) if kind in _NAMES:
            return _NAMES[kind], None if value is None else _fitting(name, kind, value)
        case EnumType():
            return "STRING", value.name if isinstance(value, enum.Enum) else value
        case ChoiceType(values=values):
            return _choice(name, values), value
        case DictType():
            return "JSON", _plain(name, value)
        case _:
            raise UserError(
                f"Input `{name}` is declared `{type}`, which BigQuery has no parameter for",
                hint="Put such data into a table first, and give the table's name",
            )


def _plain(name: str | None, value: Any) -> Any:
    """The value itself, which Google's client writes as JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"Input `{name}` cannot be bound as JSON: {error}", hint="Use text, numbers and lists of them"
        ) from None
    return value


def _fitting(name: str | None, kind: SimpleKind, value: Any) -> Any:
    match kind:
        case SimpleKind.INT if value not in INT64:
            raise UserError(f"Input `{name}` is {value}, beyond INT64", hint="Declare it `decimal.Decimal`")
        case SimpleKind.UUID:
            return str(value)
        case SimpleKind.TIMEDELTA:
            return interval(value)
        case _:
            return value


def interval(value: dt.timedelta) -> str:
    """A time span in the service's own form: years-months, days, hours:minutes:seconds.

    >>> interval(dt.timedelta(days=-1, seconds=1, microseconds=5))
    '0-0 0 -23:59:58.999995'
    """
    sign = "-" if value < dt.timedelta(0) else ""
    days, rest = divmod(abs(value), dt.timedelta(days=1))
    seconds, micros = divmod(rest, dt.timedelta(seconds=1))
    clock = (
        f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}.{micros // dt.timedelta(microseconds=1):06d}"
    )
    return f"0-0 {sign if days else ''}{days} {sign}{clock}"


def _decimal(name: str | None, value: Decimal | None) -> tuple[str, Any]:
    if value is None:
        return "NUMERIC", None
    if not value.is_finite():
        raise UserError(f"Input `{name}` is {value}, which no decimal type of BigQuery holds")
    plain = Decimal(format(value, "f"))
    _, digits, exponent = plain.as_tuple()
    scale = max(0, -int(exponent))
    whole = max(0, len(digits) - scale) + max(0, int(exponent))
    if scale <= NUMERIC_SCALE and whole <= NUMERIC_WHOLE:
        return "NUMERIC", plain
    if scale <= BIGNUMERIC_SCALE and whole <= BIGNUMERIC_WHOLE:
        return "BIGNUMERIC", plain
    raise UserError(f"Input `{name}` is {value}, beyond BIGNUMERIC", hint="Round it, or declare it `str`")


def _choice(name: str | None, values: Sequence[None | bool | int | str]) -> str:
    kinds = {type(each) for each in values if each is not None}
    names = {bool: "BOOL", int: "INT64", str: "STRING"}
    if len(kinds) != 1:
        raise UserError(
            f"Input `{name}` may be of several types", hint="Choose among values of one type: text or numbers"
        )
    return names[kinds.pop()]


def _array(name: str | None, item: AnyType, values: Sequence[Any]) -> ArrayQueryParameter:
    if isinstance(item, UnionType):
        item = _but_none(name, item)
    if isinstance(item, StructType):
        rows = [bind(None, item, value) for value in values]
        return ArrayQueryParameter(name, _struct_type(None, item), rows)
    found = [scalar(name, item, value) for value in values] or [scalar(name, item, None)]
    kinds = {kind for (kind, _), value in zip(found, values, strict=False) if value is not None}
    if kinds == {"NUMERIC", "BIGNUMERIC"}:
        kinds = {"BIGNUMERIC"}
    if len(kinds) > 1:
        raise UserError(
            f"Input `{name}` mixes {' and '.join(sorted(kinds))}",
            hint="Give all of them a time zone, or none",
        )
    return ArrayQueryParameter(
        name, kinds.pop() if kinds else found[0][0], [v for _, v in found][: len(values)]
    )


def _struct_type(name: str | None, type: StructType) -> Any:
    fields = []
    for field in type.fields:
        inner = _but_none(field.name, field.type) if isinstance(field.type, UnionType) else field.type
        if isinstance(inner, StructType):
            fields.append(_struct_type(field.name, inner))
        else:
            fields.append(_ScalarType(scalar(field.name, inner, None)[0], name=field.name))
    return _StructType(*fields, name=name)


def _but_none(name: str | None, type: UnionType) -> AnyType:
    others = [each for each in type.variants if each != SimpleType(SimpleKind.NONE)]
    if len(others) != 1:
        raise UserError(
            f"Input `{name}` is declared `{type}`, and a parameter has one type",
            hint="Declare one type, or that type and `None`",
        )
    return others[0]


def _given(name: str | None, value: Any) -> Any:
    if value is None:
        raise UserError(f"Input `{name}` is a list or a struct, and None", hint="Give an empty list instead")
    return value
