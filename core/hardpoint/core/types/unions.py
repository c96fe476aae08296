"""Unions: which variant a value is, so that look-alikes come back as what they were."""

from __future__ import annotations

from typing import Any

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import EncodeError, wrong_value, wrong_wire
from hardpoint.plugin_api import ChoiceType, Store, UnionType, Wire
from hardpoint.plugin_api.literal_shapes import by_shape, is_tagged, variant_of


def union_codec(variants: list[Codec]) -> Codec:
    """The codec of a union of `variants`, none of them a union, in the author's order.

    A value goes to the first variant that it matches exactly, else to the first that takes it: under
    `float | int`, 5 is an `int`; under `float | str`, it becomes 5.0.
    """
    union = UnionType(tuple(variant.type for variant in variants))
    tagged = is_tagged(union)
    bare = {} if tagged else {cls: variants[index].decode for cls, index in by_shape(union).items()}
    sole = _sole_variants(variants)

    def encode(value: Any, store: Store) -> Wire:
        index = sole.get(type(value))
        if index is None:
            index = next((i for i, each in enumerate(variants) if each.matches(value)), None)
        if index is None:
            index, wire = _first_that_takes(union, variants, value, store)
        else:
            wire = variants[index].encode(value, store)
        return {"variant": index, "value": wire} if tagged else wire

    def decode(wire: Wire, store: Store) -> Any:
        decode_bare = bare.get(type(wire))
        if decode_bare is not None:
            return decode_bare(wire, store)
        found = variant_of(union, wire)
        if found is None:
            raise wrong_wire(union, wire)
        index, inner = found
        return variants[index].decode(inner, store)

    def matches(value: Any) -> bool:
        return any(each.matches(value) for each in variants)

    every = [each.classes for each in variants]
    return Codec(union, encode, decode, matches, frozenset().union(*every) if all(every) else frozenset())


def _first_that_takes(union: UnionType, variants: list[Codec], value: Any, store: Store) -> tuple[int, Wire]:
    own: list[EncodeError] = []
    for index, each in enumerate(variants):
        try:
            return index, each.encode(value, store)
        except EncodeError as error:
            if type(value) in each.classes:
                own.append(error)
    # The variant of the value's own class says best what is wrong with it, or inside it.
    inside = [error for error in own if error.path]
    raise own[0] if len(own) == 1 else inside[0] if inside else wrong_value(union, value)


def _sole_variants(variants: list[Codec]) -> dict[type, int]:
    """The classes whose values can be of one variant only: no need to look into the value."""
    if not all(each.classes for each in variants):
        return {}
    claims: dict[type, list[int]] = {}
    for index, each in enumerate(variants):
        for cls in each.classes:
            claims.setdefault(cls, []).append(index)
    # A choice takes some values of a class only, and leaves the rest to variants that convert.
    return {
        cls: indices[0]
        for cls, indices in claims.items()
        if len(indices) == 1 and not isinstance(variants[indices[0]].type, ChoiceType)
    }
