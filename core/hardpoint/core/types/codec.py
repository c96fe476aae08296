"""A codec: how the values of one Python type hint become wire values, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hardpoint.plugin_api import AnyType, Store, Wire

Encode: TypeAlias = Callable[[Any, Store], Wire]
Decode: TypeAlias = Callable[[Any, Store], Any]
Matches: TypeAlias = Callable[[Any], bool]
Class: TypeAlias = type


@dataclass(frozen=True, slots=True, eq=False)
class Codec:
    """Encode and decode the values of one hint. Built once, so that a value costs no look at the hint.

    Args:
        type: What the executor and every plugin know of the hint.
        encode: `(value, store) -> wire`; raises `EncodeError` when the value does not fit.
        decode: `(wire, store) -> value`, of exactly the class the hint names; raises `DecodeError`.
        matches: Whether `decode(encode(value))` gives exactly this value back. What `encode` takes
            besides (an `int` for a `float`) does not match; unions ask, to tell look-alikes apart.
        classes: The exact classes of values that can match; empty where any class can.
    """

    type: AnyType
    encode: Encode
    decode: Decode
    matches: Matches
    classes: frozenset[Class]


Inner: TypeAlias = Callable[[Any], Codec]
"""Gives containers the codecs of the hints inside theirs."""
