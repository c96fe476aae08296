"""How to write a value of a type, for the hints of errors and for help."""

from __future__ import annotations

import json
from typing import Any, assert_never

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
    StructType,
    TupleType,
    UnionType,
)

_SIMPLE: dict[SimpleKind, tuple[str, Any]] = {
    SimpleKind.NONE: ("`null`", None),
    SimpleKind.INT: ("a whole number, such as `42`", 42),
    SimpleKind.FLOAT: ("a number, such as `0.5`, or `nan`, `inf`, `-inf`", 0.5),
    SimpleKind.STR: ("any text", "text"),
    SimpleKind.BOOL: ("`true` or `false`", True),
    SimpleKind.BYTES: ("base64 text, such as `aGVsbG8=`", "aGVsbG8="),
    SimpleKind.DATETIME: (
        "a date and time, such as `2024-05-01T12:00:00+02:00` or `2024-05-01T12:00:00+02:00[Europe/Paris]`",
        "2024-05-01T12:00:00+02:00",
    ),
    SimpleKind.DATE: ("a date, such as `2024-05-01`", "2024-05-01"),
    SimpleKind.TIME: ("a time, such as `12:30:00`", "12:30:00"),
    SimpleKind.TIMEDELTA: ("a duration, such as `PT1H30M` or `P2D`, or seconds, such as `90`", "PT1H30M"),
    SimpleKind.DECIMAL: ("a decimal number, such as `12.50`", "12.50"),
    SimpleKind.UUID: (
        "a UUID, such as `12345678-1234-5678-1234-567812345678`",
        "12345678-1234-5678-1234-567812345678",
    ),
}


def form(type: AnyType) -> str:
    """How to write a value of `type` on a command line, with an example.

    >>> form(ListType(SimpleType(SimpleKind.INT)))
    'JSON, such as `[42]`'
    """
    match type:
        case SimpleType(kind=kind):
            return _SIMPLE[kind][0]
        case EnumType(members=members):
            return "one of " + ", ".join(f"`{name}`" for name in members)
        case ChoiceType(values=values):
            return "one of " + ", ".join(f"`{v if isinstance(v, str) else json.dumps(v)}`" for v in values)
        case UnionType(variants=variants):
            return ", or ".join(map(form, variants))
        case ListType() | TupleType() | DictType() | StructType():
            return f"JSON, such as `{json.dumps(example(type))}`"
        case FileType():
            return "the path of a file, such as `data/train.csv`"
        case DirectoryType():
            return "the path of a folder, such as `data/images`"
        case ArrayType():
            return "the path of a `.npy` file, such as `data/weights.npy`"
        case FrameType():
            return "the path of a `.parquet` or `.csv` file, such as `data/train.csv`"
        case PickledType():
            return "it in Python: it cannot be typed"
        case _:
            assert_never(type)


def example(type: AnyType) -> Any:
    """A JSON value that is read as one of `type`."""
    match type:
        case SimpleType(kind=kind):
            return _SIMPLE[kind][1]
        case EnumType(members=members):
            return members[0]
        case ChoiceType(values=values):
            return values[0]
        case UnionType(variants=variants):
            return example(variants[0])
        case ListType(item=item):
            return [example(item)]
        case TupleType(items=items):
            return list(map(example, items))
        case DictType(key=key, value=value):
            shown = example(key)
            if isinstance(shown, (list, dict)):
                return [[shown, example(value)]]
            return {shown if isinstance(shown, str) else json.dumps(shown): example(value)}
        case StructType(fields=fields):
            return {field.name: example(field.type) for field in fields if field.required}
        case FileType():
            return "data/train.csv"
        case DirectoryType():
            return "data/images"
        case ArrayType():
            return "data/weights.npy"
        case FrameType():
            return "data/train.parquet"
        case PickledType():
            return {}
        case _:
            assert_never(type)
