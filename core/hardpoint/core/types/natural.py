"""Values by their literal type alone, for plugins and processes that do not have the author's classes.

struct      dict                        file, directory     pathlib.Path, read-only
enum        name of the member          array               numpy.ndarray
choice      the value                   frame               pandas.DataFrame
pickled     what was pickled            dict[struct, T]     list of (key, value): a dict cannot be a key
"""

from __future__ import annotations

import enum
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, assert_never

from hardpoint.core.types.arrays import array_codec
from hardpoint.core.types.choices import choice_codec
from hardpoint.core.types.codec import Codec
from hardpoint.core.types.collections import dict_codec, list_codec, tuple_codec, variadic_codec
from hardpoint.core.types.errors import DecodeError, wrong_value, wrong_wire
from hardpoint.core.types.frames import PANDAS, flavour_of, frame_codec, read_frame
from hardpoint.core.types.pickled import pickled_codec
from hardpoint.core.types.references import DIRECTORY, FILE, Directory, File
from hardpoint.core.types.scalars import SCALARS
from hardpoint.core.types.structs import Field, dict_layout, struct_codec
from hardpoint.core.types.temporal import TEMPORALS
from hardpoint.core.types.unions import union_codec
from hardpoint.plugin_api import (
    SINGLE_OUTPUT,
    AnyType,
    ArrayType,
    ChoiceType,
    DictType,
    DirectoryType,
    EnumType,
    FileType,
    FrameType,
    Interface,
    ListType,
    PickledType,
    SimpleType,
    Store,
    StructType,
    TupleType,
    UnionType,
    Wire,
)

_OF_KIND = {codec.type.kind: codec for codec in (*SCALARS.values(), *TEMPORALS.values())}  # type: ignore[union-attr]


class LiteralValues:
    """Encode and decode by type, without hints: what handlers get as `context.values`.

    >>> from hardpoint.plugin_api import SimpleKind
    >>> LiteralValues(store=None).encode(ListType(SimpleType(SimpleKind.INT)), [1, 2])
    [1, 2]
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def encode(self, type: AnyType, value: Any) -> Wire:
        """The wire form of a natural value; raises `EncodeError` if it does not fit."""
        return natural_codec(type).encode(value, self._store)

    def decode(self, type: AnyType, wire: Wire) -> Any:
        """The natural value; raises `DecodeError` if `wire` does not fit."""
        return natural_codec(type).decode(wire, self._store)


def natural_result(interface: Interface, wires: Mapping[str, Wire], store: Store) -> Any:
    """The result of a run where only its interface is at hand: the one output, or several by name."""
    values = LiteralValues(store)
    types = {variable.name: variable.type for variable in interface.outputs}
    decoded = {name: values.decode(types[name], wire) for name, wire in wires.items()}
    return decoded.get(SINGLE_OUTPUT, decoded) if len(decoded) == 1 else decoded


@functools.lru_cache(maxsize=1024)
def natural_codec(type: AnyType) -> Codec:
    """The codec of natural values of a literal type."""
    match type:
        case SimpleType(kind=kind):
            return _OF_KIND[kind]
        case EnumType():
            return _enum_names(type)
        case ChoiceType():
            return choice_codec(type)
        case ListType(item=item):
            return _taking(tuple, list, list_codec(natural_codec(item)))
        case TupleType(items=(item,), variadic=True):
            return _taking(list, tuple, variadic_codec(natural_codec(item)))
        case TupleType(items=items):
            return _taking(list, tuple, tuple_codec(tuple(map(natural_codec, items))))
        case DictType(key=key, value=value):
            codec = dict_codec(natural_codec(key), natural_codec(value))
            return codec if _is_hashable(key) else _pairs(type)
        case StructType():
            fields = (Field(f.name, natural_codec(f.type), f.required) for f in type.fields)
            return struct_codec(dict_layout(type.name, tuple(fields)))
        case UnionType(variants=variants):
            return union_codec(list(map(natural_codec, variants)))
        case FileType():
            return _paths(FILE, File, Path.is_file)
        case DirectoryType():
            return _paths(DIRECTORY, Directory, Path.is_dir)
        case ArrayType():
            return array_codec()
        case FrameType():
            return _any_frame(type)
        case PickledType(name=name):
            return pickled_codec(object, name)
        case _:
            assert_never(type)


def _enum_names(expected: EnumType) -> Codec:
    known = frozenset(expected.members)

    def encode(value: Any, store: Store) -> Wire:
        name = value.name if isinstance(value, enum.Enum) else value
        if type(name) is str and name in known:
            return name
        raise wrong_value(expected, value, use="Pass the name of a member")

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is str and wire in known:
            return wire
        raise wrong_wire(expected, wire)

    return Codec(expected, encode, decode, lambda v: type(v) is str and v in known, frozenset({str}))


def _taking(also: type, cls: type, codec: Codec) -> Codec:
    """JSON, and so most services, has one kind of sequence: take either class."""

    def encode(value: Any, store: Store) -> Wire:
        return codec.encode(cls(value) if type(value) is also else value, store)

    return Codec(codec.type, encode, codec.decode, codec.matches, codec.classes)


def _is_hashable(type: AnyType) -> bool:
    match type:
        case StructType() | ListType() | DictType() | ArrayType() | FrameType():
            return False
        case TupleType(items=items) | UnionType(variants=items):
            return all(map(_is_hashable, items))
        case _:
            return True


def _pairs(expected: DictType) -> Codec:
    key, value = natural_codec(expected.key), natural_codec(expected.value)
    pairs = list_codec(tuple_codec((key, value)))

    def encode(values: Any, store: Store) -> Wire:
        if type(values) is not list:
            raise wrong_value(expected, values, use="Pass a list of (key, value) tuples")
        return pairs.encode(values, store)

    return Codec(expected, encode, pairs.decode, pairs.matches, frozenset({list}))


def _paths(codec: Codec, wrap: type[File] | type[Directory], exists: Callable[[Path], bool]) -> Codec:
    def encode(value: Any, store: Store) -> Wire:
        wrapped = wrap(value) if isinstance(value, (str, os.PathLike)) and type(value) is not wrap else value
        return codec.encode(wrapped, store)

    def decode(wire: Wire, store: Store) -> Path:
        found: Path = codec.decode(wire, store).path
        return found

    def matches(value: Any) -> bool:
        return isinstance(value, Path) and exists(value)

    return Codec(codec.type, encode, decode, matches, frozenset({type(Path())}))


def _any_frame(expected: FrameType) -> Codec:
    def encode(value: Any, store: Store) -> Wire:
        flavour = flavour_of(type(value))
        if flavour is None:
            raise wrong_value(expected, value, use="Pass a `pandas.DataFrame`, or one of pyarrow or polars")
        return frame_codec(type(value), flavour).encode(value, store)

    def decode(wire: Wire, store: Store) -> Any:
        try:
            return read_frame(expected, PANDAS, wire, store)
        except ImportError as error:
            raise DecodeError(
                f"A {expected} needs `{error.name}`, which is not installed",
                hint="Run `pip install pandas pyarrow`",
            ) from error

    return Codec(expected, encode, decode, lambda v: flavour_of(type(v)) is not None, frozenset())
