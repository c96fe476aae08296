"""Attribute and item access on values that are only promised: checked by type, applied later."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.core.compiled import Step, StepKind
from hardpoint.core.face import NOTHING_STORED
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import (
    AnyType,
    DictType,
    HardpointError,
    ListType,
    StructField,
    StructType,
    TupleType,
    UnionType,
    UserError,
    Wire,
)

_SHOWN = 20


class AccessProblem(msgspec.Struct, frozen=True):
    """Why a promised value has no such part."""

    text: str
    hint: str


def step_into(type: AnyType, key: Any, *, attribute: bool) -> tuple[Step, AnyType] | AccessProblem:
    """Return how to reach a part of a value, and the part's type.

    Args:
        type: Of the value.
        key: Name of the attribute, or what stands in the brackets.
        attribute: Whether the author wrote `value.key` rather than `value[key]`.
    """
    match type:
        case StructType(fields=fields) if isinstance(key, str):
            return _field(type, fields, key)
        case ListType(item=item) | TupleType(items=(item,), variadic=True) if _is_index(key, attribute):
            return Step(StepKind.INDEX, key), item
        case TupleType(items=items, variadic=False) if _is_index(key, attribute):
            if not -len(items) <= key < len(items):
                return AccessProblem(f"`{type}` has no item {key}", f"It has {len(items)} items")
            return Step(StepKind.INDEX, key), items[key]
        case DictType(key=key_type, value=value_type) if not attribute:
            return _key(key_type, key, value_type)
        case _:
            return AccessProblem(*_refusal(type, key, attribute))


def _is_index(key: Any, attribute: bool) -> bool:
    return not attribute and isinstance(key, int) and not isinstance(key, bool)


def _field(
    type: StructType, fields: Sequence[StructField], name: str
) -> tuple[Step, AnyType] | AccessProblem:
    for field in fields:
        if field.name == name:
            return Step(StepKind.FIELD, name), field.type
    known = [field.name for field in fields]
    return AccessProblem(
        f"`{type}` has no field `{name}`", did_you_mean(name, known, f"Its fields are {listed(known)}")
    )


def _key(key_type: AnyType, key: Any, value_type: AnyType) -> tuple[Step, AnyType] | AccessProblem:
    bare = key.name if isinstance(key, enum.Enum) else key
    try:
        return Step(StepKind.KEY, LiteralValues(NOTHING_STORED).encode(key_type, bare)), value_type
    except HardpointError as error:
        return AccessProblem(f"The keys are `{key_type}`, not `{key!r}`", error.hint)


def _refusal(type: AnyType, key: Any, attribute: bool) -> tuple[str, str]:
    if isinstance(type, UnionType):
        return f"`{type}` may be of several types", "Decide in a task which of them it is"
    if isinstance(key, slice):
        return f"`{type}` cannot be sliced before it is there", "Slice it in a task"
    wanted = f"`.{key}`" if attribute else f"`[{key!r}]`"
    if isinstance(type, ListType | TupleType | DictType):
        return f"`{type}` has no {wanted}", "Use an item in brackets, or compute it in a task"
    return f"`{type}` has no {wanted} that a workflow can reach", "Compute it in a task"


def walk_wire(wire: Wire, path: Sequence[Step]) -> Wire:
    """Follow a path into a wire value.

    Raises:
        UserError: An item is not there.

    >>> walk_wire({"rows": [1, 2, 3]}, [Step(StepKind.FIELD, "rows"), Step(StepKind.INDEX, -1)])
    3
    """
    for step in path:
        wire = _take(wire, step)
    return wire


def _take(wire: Wire, step: Step) -> Wire:
    if isinstance(wire, list) and step.kind is StepKind.KEY:
        for key, value in wire:
            if key == step.value:
                return value
    else:
        try:
            return wire[step.value]
        except (LookupError, TypeError):
            pass
    raise UserError(
        f"A promised {step.kind.value} `{step.value}` is not there: it has {_content(wire, step)}",
        hint="The value that the node returned is smaller than the workflow expects",
    )


def _content(wire: Wire, step: Step) -> str:
    match wire:
        case list() if step.kind is StepKind.KEY:
            return listed(key for key, _ in wire[:_SHOWN])
        case list():
            return f"{len(wire)} items"
        case dict():
            return listed(list(wire)[:_SHOWN])
        case _:
            return f"`{wire!r}`"


def walk_value(value: Any, keys: Sequence[Any]) -> Any:
    """Follow the same path into a Python value; a `str` names a field where the value has fields."""
    for key in keys:
        plain = isinstance(value, Mapping | list | tuple) and not (
            isinstance(key, str) and hasattr(value, "_fields")
        )
        value = value[key] if plain else getattr(value, key)
    return value
