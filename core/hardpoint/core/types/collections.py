"""Lists, dicts and tuples."""

from __future__ import annotations

import typing
from typing import Any

from hardpoint.core.types.codec import Codec, Inner
from hardpoint.core.types.errors import (
    DecodeError,
    EncodeError,
    UnsupportedTypeError,
    short_repr,
    show_hint,
    wrong_value,
    wrong_wire,
)
from hardpoint.plugin_api import DictType, ListType, Store, TupleType, Wire
from hardpoint.plugin_api.literal_shapes import is_text


def list_hint(hint: Any, inner: Inner) -> Codec:
    """The codec of `list[T]`."""
    match typing.get_args(hint):
        case (item,):
            return list_codec(inner(item))
        case _:
            raise UnsupportedTypeError(show_hint(hint), use="Say what it holds, such as `list[int]`")


def list_codec(item: Codec) -> Codec:
    """The codec of a list of `item`."""
    expected = ListType(item.type)
    encode_item, decode_item, item_matches = item.encode, item.decode, item.matches

    def encode(value: Any, store: Store) -> Wire:
        if type(value) is not list:
            raise wrong_value(expected, value, use=_plain_hint(list, value))
        return _encode_each(value, encode_item, store)

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is not list:
            raise wrong_wire(expected, wire)
        return _decode_each(wire, decode_item, store)

    def matches(value: Any) -> bool:
        return type(value) is list and all(map(item_matches, value))

    return Codec(expected, encode, decode, matches, frozenset({list}))


def _encode_each(values: Any, encode_item: Any, store: Store) -> list[Wire]:
    done: list[Wire] = []
    add = done.append
    try:
        for each in values:
            add(encode_item(each, store))
    except EncodeError as error:
        error.add_step(f"[{len(done)}]")
        raise
    return done


def _decode_each(wires: list[Wire], decode_item: Any, store: Store) -> list[Any]:
    done: list[Any] = []
    add = done.append
    try:
        for each in wires:
            add(decode_item(each, store))
    except DecodeError as error:
        error.add_step(f"[{len(done)}]")
        raise
    return done


def _plain_hint(cls: type, value: Any) -> str:
    if isinstance(value, cls):
        return (
            f"`{type(value).__qualname__}` is more than a `{cls.__name__}` and would come back as one: "
            f"pass `{cls.__name__}(value)`"
        )
    if cls is not dict and isinstance(value, (list, tuple, set, frozenset, range)):
        return f"Pass `{cls.__name__}(value)`, or change the type hint"
    return "Pass `value.tolist()`" if hasattr(value, "tolist") else ""


def tuple_hint(hint: Any, inner: Inner) -> Codec:
    """The codec of `tuple[A, B]`, `tuple[T, ...]` or `tuple[()]`."""
    match typing.get_args(hint):
        case (item, end) if end is Ellipsis:
            return variadic_codec(inner(item))
        case items if hint is not typing.Tuple:  # noqa: UP006 (the bare alias, which says nothing of its items)
            return tuple_codec(tuple(map(inner, items)))
        case _:
            raise UnsupportedTypeError(
                show_hint(hint), use="Say what it holds, such as `tuple[int, str]` or `tuple[int, ...]`"
            )


def variadic_codec(item: Codec) -> Codec:
    """The codec of a tuple of any number of `item`."""
    expected = TupleType((item.type,), variadic=True)

    def encode(value: Any, store: Store) -> Wire:
        if type(value) is not tuple:
            raise wrong_value(expected, value, use=_plain_hint(tuple, value))
        return _encode_each(value, item.encode, store)

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is not list:
            raise wrong_wire(expected, wire)
        return tuple(_decode_each(wire, item.decode, store))

    def matches(value: Any) -> bool:
        return type(value) is tuple and all(map(item.matches, value))

    return Codec(expected, encode, decode, matches, frozenset({tuple}))


def tuple_codec(items: tuple[Codec, ...]) -> Codec:
    """The codec of a tuple of fixed items."""
    expected = TupleType(tuple(item.type for item in items))
    count = len(items)

    def encode(value: Any, store: Store) -> Wire:
        if type(value) is not tuple:
            raise wrong_value(expected, value, use=_plain_hint(tuple, value))
        if len(value) != count:
            use = f"Pass {count} items, or change the type hint"
            raise EncodeError(f"Expected `{expected}`, got {len(value)} items {short_repr(value)}", hint=use)
        encoders = iter(items)
        return _encode_each(value, lambda each, store: next(encoders).encode(each, store), store)

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is not list or len(wire) != count:
            raise wrong_wire(expected, wire)
        decoders = iter(items)
        return tuple(_decode_each(wire, lambda each, store: next(decoders).decode(each, store), store))

    def matches(value: Any) -> bool:
        return (
            type(value) is tuple
            and len(value) == count
            and all(item.matches(each) for item, each in zip(items, value, strict=True))
        )

    return Codec(expected, encode, decode, matches, frozenset({tuple}))


def dict_hint(hint: Any, inner: Inner) -> Codec:
    """The codec of `dict[K, V]`."""
    match typing.get_args(hint):
        case (key, value):
            return dict_codec(inner(key), inner(value))
        case _:
            raise UnsupportedTypeError(show_hint(hint), use="Say what it holds, such as `dict[str, int]`")


def dict_codec(key: Codec, value: Codec) -> Codec:
    """The codec of a dict; the order of its items is kept."""
    expected = DictType(key.type, value.type)
    as_object = is_text(key.type)

    def encode(values: Any, store: Store) -> Wire:
        if type(values) is not dict:
            raise wrong_value(expected, values, use=_plain_hint(dict, values))
        pairs = []
        name: Any = None
        try:
            for name, each in values.items():
                pairs.append((key.encode(name, store), value.encode(each, store)))
        except EncodeError as error:
            error.add_step(f"[{short_repr(name)}]")
            raise
        return dict(pairs) if as_object else [list(pair) for pair in pairs]

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is not (dict if as_object else list):
            raise wrong_wire(expected, wire)
        name: Any = None
        done = {}
        try:
            pairs = wire.items() if isinstance(wire, dict) else wire
            for name, each in pairs:
                done[key.decode(name, store)] = value.decode(each, store)
        except DecodeError as error:
            error.add_step(f"[{short_repr(name)}]")
            raise
        except (TypeError, ValueError) as error:  # an item that is no pair, a key that is not hashable
            raise wrong_wire(expected, wire) from error
        return done

    def matches(values: Any) -> bool:
        return type(values) is dict and all(
            key.matches(name) and value.matches(each) for name, each in values.items()
        )

    return Codec(expected, encode, decode, matches, frozenset({dict}))
