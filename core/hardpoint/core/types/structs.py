"""Values with named, typed fields: how they come apart, and together again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import BoundaryError, DecodeError, EncodeError, wrong_value, wrong_wire
from hardpoint.plugin_api import Store, StructField, StructType, Wire


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a class.

    Args:
        required: Has no default, so that it must be on the wire.
        settable: Goes to the constructor; otherwise it is set on the finished value.
    """

    name: str
    codec: Codec
    required: bool = True
    settable: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """One class with named fields.

    Args:
        shown: Its name, as messages and types show it.
        cls: The exact class of its values.
        fields: In the author's order.
        part: `(value, name)` to the value of a field; `AttributeError` or `KeyError` where absent.
        build: The value, from the fields that go to its constructor.
        order: The names of a value's fields in the order to keep; None: the author's.
        surplus: What a value holds besides its fields and would lose; empty for nothing.
    """

    shown: str
    cls: type
    fields: tuple[Field, ...]
    part: Callable[[Any, str], Any]
    build: Callable[[dict[str, Any]], Any]
    order: Callable[[Any], Iterable[str]] | None = None
    surplus: Callable[[Any], Collection[Any]] | None = None


def dict_layout(shown: str, fields: tuple[Field, ...]) -> Layout:
    """The layout of a dict with known keys, as of a `TypedDict`: the order of its items is kept."""
    names = frozenset(field.name for field in fields)
    return Layout(
        shown,
        dict,
        fields,
        part=lambda value, name: value[name],
        build=dict,
        order=lambda value: value,
        surplus=lambda value: [key for key in value if key not in names],
    )


def struct_codec(layout: Layout) -> Codec:
    """The codec of one class with named fields."""
    expected = StructType(
        layout.shown, tuple(StructField(f.name, f.codec.type, f.required) for f in layout.fields)
    )
    cls = layout.cls
    by_name = {field.name: field for field in layout.fields}

    def encode(value: Any, store: Store) -> Wire:
        if type(value) is not cls:
            raise wrong_value(expected, value, use=_subclass_hint(cls, value))
        _refuse_extra(layout, value)
        wire = _encode_fields(value, layout, store)
        return wire if layout.order is None else {name: wire[name] for name in layout.order(value)}

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is not dict:
            raise wrong_wire(expected, wire)
        return _rebuild(layout, _decode_fields(wire, layout, by_name, store))

    def matches(value: Any) -> bool:
        if type(value) is not cls or (layout.surplus is not None and len(layout.surplus(value)) > 0):
            return False
        return all(_part_matches(layout, field, value) for field in layout.fields)

    return Codec(expected, encode, decode, matches, frozenset({cls}))


def _part_matches(layout: Layout, field: Field, value: Any) -> bool:
    try:
        each = layout.part(value, field.name)
    except (AttributeError, KeyError):
        return not field.required
    return field.codec.matches(each)


def _subclass_hint(cls: type, value: Any) -> str:
    if not isinstance(value, cls):
        return ""
    return (
        f"`{type(value).__qualname__}` is a subclass and its own parts would be lost: name it in the type "
        f"hint, or change the hint to `Pickled[{cls.__name__}]`"
    )


def _refuse_extra(layout: Layout, value: Any) -> None:
    if layout.surplus is None:
        return
    for name in layout.surplus(value):
        known = ", ".join(f"`{field.name}`" for field in layout.fields) or "none"
        raise EncodeError(
            f"`{layout.shown}` has no field {name!r}",
            hint=f"Its fields are {known}: add it there, or leave it out",
        )


def _encode_fields(value: Any, layout: Layout, store: Store) -> dict[str, Wire]:
    wire: dict[str, Wire] = {}
    part = layout.part
    for field in layout.fields:
        name = field.name
        try:
            each = part(value, name)
        except (AttributeError, KeyError):
            if not field.required:
                continue
            raise EncodeError(
                f"Field `{name}` of `{layout.shown}` is missing", hint=f"Give `{name}` a value"
            ) from None
        try:
            wire[name] = field.codec.encode(each, store)
        except EncodeError as error:
            error.add_step(f".{name}")
            raise
    return wire


def _decode_fields(
    wire: dict[str, Wire], layout: Layout, by_name: dict[str, Field], store: Store
) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name, each in wire.items():
        field = by_name.get(name)
        if field is None:
            raise DecodeError(
                f"`{layout.shown}` has no field `{name}`",
                hint="The value was written under another type; run the step that made it again",
            )
        try:
            parts[name] = field.codec.decode(each, store)
        except DecodeError as error:
            error.add_step(f".{name}")
            raise
    for field in layout.fields:
        if field.required and field.name not in parts:
            raise DecodeError(
                f"Field `{field.name}` of `{layout.shown}` is missing", hint=f"Give `{field.name}`"
            )
    return parts


def _rebuild(layout: Layout, parts: dict[str, Any]) -> Any:
    late = {f.name: parts.pop(f.name) for f in layout.fields if not f.settable and f.name in parts}
    try:
        made = layout.build(parts)
    except BoundaryError:
        raise
    except Exception as error:  # constructors and validators are the author's code
        reason = " ".join(str(error).split())
        raise DecodeError(
            f"`{layout.shown}` refuses these fields: {type(error).__name__}: {reason}",
            hint="Give values that its constructor takes",
        ) from error
    for name, value in late.items():
        object.__setattr__(made, name, value)
    return made
