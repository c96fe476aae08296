"""Numbers, text, bytes, None, decimals and UUIDs."""

from __future__ import annotations

import base64
import binascii
import decimal
import uuid
from collections.abc import Callable
from typing import Any

from hardpoint.core.types.codec import Codec, Decode, Encode
from hardpoint.core.types.errors import EncodeError, wrong_value, wrong_wire
from hardpoint.core.types.surrogates import escape, unescape
from hardpoint.plugin_api import SimpleKind, SimpleType, Store, Wire
from hardpoint.plugin_api.literal_checks import MAX_INT, MIN_INT

_SPECIAL = ("nan", "inf", "-inf")


def simple_codec(cls: type, kind: SimpleKind, encode: Encode, decode: Decode) -> Codec:
    """The codec of a scalar class; what `encode` takes beyond exact instances does not match."""
    return Codec(SimpleType(kind), encode, decode, lambda value: type(value) is cls, frozenset({cls}))


def text_codec(
    cls: type, kind: SimpleKind, to_text: Callable[[Any], str], from_text: Callable[[str], Any]
) -> Codec:
    """The codec of a class whose values have a text form that says everything about them."""
    expected = SimpleType(kind)

    def encode(value: Any, store: Store) -> Wire:
        if type(value) is cls:
            return to_text(value)
        raise wrong_value(expected, value, use=_subclass_hint(cls, value))

    def decode(wire: Wire, store: Store) -> Any:
        if type(wire) is not str:
            raise wrong_wire(expected, wire)
        try:
            return from_text(wire)
        except (ValueError, ArithmeticError) as error:
            raise wrong_wire(expected, wire) from error

    return simple_codec(cls, kind, encode, decode)


def _subclass_hint(cls: type, value: Any) -> str:
    if not isinstance(value, cls):
        return ""
    convert = "to_pydatetime()" if hasattr(value, "to_pydatetime") else ""
    plain = f"`value.{convert}`" if convert else f"a plain `{cls.__name__}`"
    name = type(value).__qualname__
    return f"`{name}` is more than a `{cls.__name__}` and would come back as one: pass {plain}"


def _plain(value: Any) -> Any:
    """The Python scalar of a numpy scalar; anything else as it is."""
    is_numpy = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_numpy and hasattr(value, "dtype") else value


def _encode_none(value: Any, store: Store) -> Wire:
    if value is None:
        return None
    raise wrong_value("None", value, use="Return nothing, or change the type hint")


def _decode_none(wire: Wire, store: Store) -> None:
    if wire is not None:
        raise wrong_wire("None", wire)


def _encode_bool(value: Any, store: Store) -> Wire:
    if value is True or value is False:
        return value
    plain = _plain(value)
    if type(plain) is bool:
        return plain
    raise wrong_value("bool", value)


def _decode_bool(wire: Wire, store: Store) -> bool:
    if wire is True or wire is False:
        return bool(wire)
    raise wrong_wire("bool", wire)


def _encode_int(value: Any, store: Store) -> Wire:
    if type(value) is not int:
        value = _plain_int(value)
    if MIN_INT < value < MAX_INT:
        return value
    raise EncodeError(
        f"An `int` of {value.bit_length()} bits has more than 4300 characters, the most that Python prints",
        hint="Pass it as `bytes`: `value.to_bytes(length, signed=True)`",
    )


def _plain_int(value: Any) -> int:
    plain = _plain(value)
    if type(plain) is int:
        return plain
    use = "Pass `int(value)`, or change the type hint to `bool`" if isinstance(value, bool) else ""
    raise wrong_value("int", value, use=use or _subclass_hint(int, value))


def _decode_int(wire: Wire, store: Store) -> int:
    if type(wire) is int:
        return wire
    raise wrong_wire("int", wire)


def _encode_float(value: Any, store: Store) -> Wire:
    if type(value) is not float:
        value = _plain_float(value)
    if value - value == 0.0:  # false for NaN and infinities, which JSON numbers cannot hold
        return value
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def _plain_float(value: Any) -> float:
    plain = _plain(value)
    if type(plain) is float:
        return plain
    if type(plain) is not int:
        raise wrong_value("float", value, use=_subclass_hint(float, value))
    try:
        return float(plain)
    except OverflowError:
        raise EncodeError(
            f"An `int` of {plain.bit_length()} bits is too large for `float`",
            hint="Change the type hint to `int`",
        ) from None


def _decode_float(wire: Wire, store: Store) -> float:
    if type(wire) is float:
        return wire
    if type(wire) is int:
        return float(wire)
    if type(wire) is str and wire in _SPECIAL:
        return float(wire)  # a NaN of its own: a dict would take two of one for one key
    raise wrong_wire("float", wire)


def _encode_str(value: Any, store: Store) -> Wire:
    if type(value) is str:
        return value if value.isascii() else escape(value)
    plain = _plain(value)
    if type(plain) is str:
        return escape(plain)
    raise wrong_value("str", value, use=_subclass_hint(str, value))


def _decode_str(wire: Wire, store: Store) -> str:
    if type(wire) is str:
        return wire if wire.isascii() else unescape(wire)
    raise wrong_wire("str", wire)


def _encode_bytes(value: Any, store: Store) -> Wire:
    if type(value) is bytes:
        return base64.b64encode(value).decode("ascii")
    use = "Pass `bytes(value)`" if isinstance(value, (bytearray, memoryview)) else ""
    raise wrong_value("bytes", value, use=use or _subclass_hint(bytes, value))


def _decode_bytes(wire: Wire, store: Store) -> bytes:
    if type(wire) is not str:
        raise wrong_wire("bytes", wire)
    try:
        return binascii.a2b_base64(wire, strict_mode=True)
    except ValueError as error:
        raise wrong_wire("bytes", wire) from error


SCALARS: dict[Any, Codec] = {
    type(None): simple_codec(type(None), SimpleKind.NONE, _encode_none, _decode_none),
    bool: simple_codec(bool, SimpleKind.BOOL, _encode_bool, _decode_bool),
    int: simple_codec(int, SimpleKind.INT, _encode_int, _decode_int),
    float: simple_codec(float, SimpleKind.FLOAT, _encode_float, _decode_float),
    str: simple_codec(str, SimpleKind.STR, _encode_str, _decode_str),
    bytes: simple_codec(bytes, SimpleKind.BYTES, _encode_bytes, _decode_bytes),
    decimal.Decimal: text_codec(decimal.Decimal, SimpleKind.DECIMAL, str, decimal.Decimal),
    uuid.UUID: text_codec(uuid.UUID, SimpleKind.UUID, str, uuid.UUID),
}
"""By class."""
