"""From a type hint to its codec."""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, Union

from hardpoint.core.types.arrays import array_codec, is_array_class
from hardpoint.core.types.choices import enum_codec, literal_codec
from hardpoint.core.types.classes import class_builder
from hardpoint.core.types.codec import Codec, Inner
from hardpoint.core.types.collections import dict_hint, list_hint, tuple_hint
from hardpoint.core.types.errors import UnsupportedTypeError, show_hint
from hardpoint.core.types.frames import flavour_of, frame_codec
from hardpoint.core.types.pickled import PickledMarker, pickled_codec
from hardpoint.core.types.references import DIRECTORY, FILE, Directory, File
from hardpoint.core.types.scalars import SCALARS
from hardpoint.core.types.temporal import TEMPORALS
from hardpoint.core.types.unions import union_codec
from hardpoint.core.types.unsupported import advice

_COLLECTIONS: dict[Any, Callable[[Any, Inner], Codec]] = {list: list_hint, dict: dict_hint, tuple: tuple_hint}
_known: dict[Any, Codec] = {
    None: SCALARS[type(None)],
    **SCALARS,
    **TEMPORALS,
    File: FILE,
    Directory: DIRECTORY,
}


def codec_for(hint: Any) -> Codec:
    """The codec of a type hint; the same object for the same hint.

    Args:
        hint: Resolved: `typing.get_type_hints(..., include_extras=True)` makes hints out of text.

    Raises:
        UnsupportedTypeError: Values of that type cannot cross a boundary.

    >>> codec = codec_for(dict[str, list[float]])
    >>> str(codec.type)
    'dict[str, list[float]]'
    """
    return _codec(hint, ())


def documentation_of(hint: Any) -> str:
    """The first text in `Annotated[T, ...]`; empty when there is none.

    >>> documentation_of(typing.Annotated[int, "Rows to read"])
    'Rows to read'
    """
    metadata = getattr(hint, "__metadata__", ())
    return next((each for each in metadata if isinstance(each, str)), "")


def _codec(hint: Any, inside: tuple[Any, ...]) -> Codec:
    key = _key(hint)
    codec = _known.get(key)
    if codec is None:
        if key in inside:
            raise UnsupportedTypeError(
                show_hint(hint), use=f"It contains itself: change the hint to `Pickled[{show_hint(hint)}]`"
            )
        codec = _known.setdefault(key, _build(hint, functools.partial(_codec, inside=(*inside, key))))
    return codec


def _key(hint: Any) -> Any:
    """What tells hints apart: unlike `==`, it sees the order of a union and the class of a literal."""
    if hint is None:
        return type(None)
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint
    if getattr(hint, "__unpacked__", False):
        return ("unpacked", hint)
    if typing.get_origin(hint) is Literal:
        return (
            Literal,
            *((type(value), value if value.__hash__ else repr(value)) for value in typing.get_args(hint)),
        )
    if metadata := getattr(hint, "__metadata__", ()):
        pickled = any(isinstance(each, PickledMarker) for each in metadata)
        return (PickledMarker, _key(hint.__origin__)) if pickled else _key(hint.__origin__)
    origin = typing.get_origin(hint)
    if origin is None or hint in (typing.List, typing.Dict, typing.Tuple):  # noqa: UP006 (the bare aliases)
        return ("bare", hint) if hint.__hash__ is not None else ("bare", id(hint))
    origin = Union if origin is types.UnionType else origin
    return (origin, *map(_key, typing.get_args(hint)))


def _build(hint: Any, inner: Inner) -> Codec:
    if metadata := getattr(hint, "__metadata__", ()):
        pickled = any(isinstance(each, PickledMarker) for each in metadata)
        return _pickled(hint.__origin__) if pickled else inner(hint.__origin__)
    if hasattr(hint, "__supertype__"):
        return inner(hint.__supertype__)
    origin = typing.get_origin(hint)
    if _is_alias(hint) or _is_alias(origin):
        return inner(_aliased(hint))
    if origin is Union or origin is types.UnionType:
        return _union(hint, inner)
    if origin is Literal:
        return literal_codec(hint)
    if origin in _COLLECTIONS and not getattr(hint, "__unpacked__", False):
        return _COLLECTIONS[origin](hint, inner)
    cls = origin if isinstance(origin, type) else hint
    if isinstance(cls, type) and not getattr(hint, "__unpacked__", False):
        return _class(cls, hint, inner)
    raise UnsupportedTypeError(show_hint(hint), use=advice(hint))


def _pickled(hint: Any) -> Codec:
    if isinstance(hint, typing.TypeVar):
        raise UnsupportedTypeError("Pickled", use="Say what is pickled, such as `Pickled[MyClass]`")
    return pickled_codec(hint)


def _union(hint: Any, inner: Inner) -> Codec:
    variants: list[Codec] = []
    for each in _flat(hint):
        codec = inner(each)
        if codec not in variants:  # `int | UserId` with `UserId = NewType("UserId", int)` is `int`
            variants.append(codec)
    return variants[0] if len(variants) == 1 else union_codec(variants)


def _flat(hint: Any) -> list[Any]:
    """The variants of a union, and of the unions that aliases and `Annotated` hide in it."""
    if metadata := getattr(hint, "__metadata__", ()):
        return [hint] if any(isinstance(each, PickledMarker) for each in metadata) else _flat(hint.__origin__)
    if hasattr(hint, "__supertype__"):
        return _flat(hint.__supertype__)
    if _is_alias(hint) or _is_alias(typing.get_origin(hint)):
        return _flat(_aliased(hint))
    if typing.get_origin(hint) in (Union, types.UnionType):
        return [flat for each in typing.get_args(hint) for flat in _flat(each)]
    return [hint]


def _is_alias(hint: Any) -> bool:
    return type(hint).__name__ == "TypeAliasType"


def _aliased(hint: Any) -> Any:
    """What `type Name = ...` or `Name[...]` stands for."""
    return hint.__value__ if _is_alias(hint) else typing.get_origin(hint).__value__[typing.get_args(hint)]


def _class(cls: type, hint: Any, inner: Inner) -> Codec:
    if is_array_class(cls):
        return array_codec()
    flavour = flavour_of(cls)
    if flavour is not None:
        return frame_codec(cls, flavour)
    if cls is hint and issubclass(cls, enum.Enum):
        return enum_codec(cls)
    builder = class_builder(cls)
    if builder is not None:
        return builder(hint, inner)
    # Imported here: it reads the metadata of what is installed, for classes that nobody else knows.
    from hardpoint.core.types.foreign import foreign_codec

    foreign = foreign_codec(cls) if cls is hint else None
    if foreign is None:
        raise UnsupportedTypeError(show_hint(hint), use=advice(hint))
    return foreign
