"""Enums and `typing.Literal`: values from a closed list."""

from __future__ import annotations

import difflib
import enum
import typing
from collections.abc import Sequence
from typing import Any

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import EncodeError, UnsupportedTypeError, show_hint, wrong_value, wrong_wire
from hardpoint.core.types.surrogates import escape, unescape
from hardpoint.plugin_api import ChoiceType, EnumType, Store, Wire

_CHOICE_CLASSES = (type(None), bool, int, str)


def enum_codec(cls: type[enum.Enum], members: Sequence[enum.Enum] | None = None) -> Codec:
    """The codec of an enum, or of some of its members.

    Raises:
        UnsupportedTypeError: It has no members, or one whose name is not text for JSON.
    """
    allowed = tuple(cls) if members is None else tuple(members)
    # Flags list only their one-bit members when iterated; the named rest counts too.
    names = [m.name for m in cls.__members__.values()] if members is None else [m.name for m in allowed]
    names = list(dict.fromkeys(names))
    if not names or any(escape(name) != name for name in names):
        raise UnsupportedTypeError(show_hint(cls), use="Give the enum members with plain names")
    expected = EnumType(show_hint(cls), tuple(names))
    known = frozenset(names)
    by_name = {name: m for name, m in cls.__members__.items() if m.name in known}

    def encode(value: Any, store: Store) -> Wire:
        if type(value) is not cls:
            raise _not_a_member(cls, value, expected)
        if value._name_ in known:
            return value._name_
        raise EncodeError(
            f"Expected a member of `{expected}`, got {value!r}",
            hint="Give the combination a name of its own in the enum, or pass `list` of its members",
        )

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is str and wire in by_name:
            return by_name[wire]
        raise wrong_wire(expected, wire)

    def matches(value: Any) -> bool:
        return type(value) is cls and value._name_ in known

    return Codec(expected, encode, decode, matches, frozenset({cls}))


def _not_a_member(cls: type[enum.Enum], value: Any, expected: EnumType) -> EncodeError:
    use = ""
    for member in cls:
        if member.value == value and type(member.value) is type(value):
            use = f"Pass `{cls.__name__}.{member.name}`"
    if not use and type(value) is str:
        close = difflib.get_close_matches(value, list(cls.__members__), n=1)
        use = f"Pass `{cls.__name__}.{close[0]}`" if close else ""
    return wrong_value(expected, value, use=use)


def literal_codec(hint: Any) -> Codec:
    """The codec of `Literal[...]`: of plain values, or of members of one enum."""
    values = typing.get_args(hint)
    classes = {type(value) for value in values}
    first = values[0]
    if len(classes) == 1 and isinstance(first, enum.Enum):
        return enum_codec(type(first), values)
    if not classes <= set(_CHOICE_CLASSES):
        raise UnsupportedTypeError(
            show_hint(hint),
            use="Use `str`, `int`, `bool` or `None` in a `Literal`, or members of one enum",
        )
    return choice_codec(ChoiceType(tuple(escape(v) if type(v) is str else v for v in values)))


def choice_codec(expected: ChoiceType) -> Codec:
    """The codec of a choice by its type alone."""
    plain = [unescape(wire) if type(wire) is str else wire for wire in expected.values]
    # By class too: `True == 1`, and a dict would hold only one of the two.
    wires = {(type(value), value): wire for value, wire in zip(plain, expected.values, strict=True)}
    values = {(type(wire), wire): value for value, wire in zip(plain, expected.values, strict=True)}

    def encode(value: Any, store: Store) -> Wire:
        if matches(value):
            return wires[type(value), value]
        close = (
            difflib.get_close_matches(value, [v for v in plain if type(v) is str], n=1)
            if type(value) is str
            else []
        )
        raise wrong_value(expected, value, use=f"Pass `{close[0]!r}`" if close else "")

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) in _CHOICE_CLASSES and (type(wire), wire) in values:
            return values[type(wire), wire]
        raise wrong_wire(expected, wire)

    def matches(value: Any) -> bool:
        return type(value) in _CHOICE_CLASSES and (type(value), value) in wires

    return Codec(expected, encode, decode, matches, frozenset(map(type, plain)))
