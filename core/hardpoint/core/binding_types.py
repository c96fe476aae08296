"""Whether the value of a binding has the type its place wants, told without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

import msgspec

from hardpoint.core.access import AccessProblem, step_into
from hardpoint.core.compiled import (
    Binding,
    Converted,
    FromDict,
    FromInput,
    FromList,
    FromNode,
    FromPairs,
    Given,
    Picked,
    StepKind,
)
from hardpoint.plugin_api import AnyType, DictType, ListType, StructType, TupleType
from hardpoint.plugin_api.literal_rules import assignable, problem


class Misfit(msgspec.Struct, frozen=True):
    """A part of a binding that is of another type than wanted."""

    text: str
    hint: str = ""


_CONVERT = "Wrap the binding with `hardpoint.core.binding.as_type`"
_CHANGE = "Bind it to something else, or put a task between that converts"

Inputs = Mapping[str, AnyType]
Outputs = Mapping[str, Mapping[str, AnyType]]


def misfits(binding: Binding, wanted: AnyType, inputs: Inputs, outputs: Outputs) -> Iterator[Misfit]:
    """Tell what does not fit.

    Args:
        binding: Everything it reads is there.
        wanted: Type of the place it stands in.
        inputs: Types of the workflow's inputs.
        outputs: Types of each node's outputs.
    """
    match binding:
        case Given():
            wrong = problem(wanted, binding.value)
            if wrong:
                yield Misfit(f" wants `{wanted}`: {wrong}", _CHANGE)
        case FromNode() | FromInput():
            source = _leaf_type(binding, inputs, outputs)
            shown = (
                f"`{binding.node}.{binding.output}`"
                if isinstance(binding, FromNode)
                else f"input `{binding.name}`"
            )
            yield from _compare(source, wanted, shown)
        case Converted():
            yield from misfits(binding.source, binding.source_type, inputs, outputs)
            if not assignable(binding.source_type, binding.target_type):
                yield Misfit(f" cannot convert `{binding.source_type}` to `{binding.target_type}`", _CHANGE)
            yield from _compare(binding.target_type, wanted, "the converted value")
        case Picked():
            picked = _picked_type(binding, inputs, outputs)
            if isinstance(picked, Misfit):
                yield picked
            else:
                yield from _compare(picked, wanted, "the part it takes")
        case FromList() | FromDict() | FromPairs():
            parts = _parts(binding, wanted)
            if parts is None:
                kind = type(binding).__name__
                yield Misfit(f" wants `{wanted}`, but is bound with `{kind}`", _CHANGE)
                return
            for part, type_ in parts:
                yield from misfits(part, type_, inputs, outputs)
        case _:
            assert_never(binding)


def _compare(source: AnyType, wanted: AnyType, shown: str) -> Iterator[Misfit]:
    if source != wanted:
        hint = _CONVERT if assignable(source, wanted) else _CHANGE
        yield Misfit(f" wants `{wanted}`, but {shown} is `{source}`", hint)


def _leaf_type(leaf: FromNode | FromInput, inputs: Inputs, outputs: Outputs) -> AnyType:
    return outputs[leaf.node][leaf.output] if isinstance(leaf, FromNode) else inputs[leaf.name]


def _picked_type(binding: Picked, inputs: Inputs, outputs: Outputs) -> AnyType | Misfit:
    source = binding.source
    found: AnyType
    match source:
        case FromNode() | FromInput():
            found = _leaf_type(source, inputs, outputs)
        case Converted():
            wrong = next(misfits(source, source.target_type, inputs, outputs), None)
            if wrong is not None:
                return wrong
            found = source.target_type
        case _:
            return Misfit(f" takes a part of `{type(source).__name__}`", "Bind the part itself")
    for step in binding.path:
        if step.kind is StepKind.KEY and isinstance(found, DictType):
            wrong_key = problem(found.key, step.value)
            if wrong_key:
                return Misfit(f" takes key `{step.value}` of `{found}`: {wrong_key}", _CHANGE)
            found = found.value
            continue
        inner = step_into(found, step.value, attribute=step.kind is StepKind.FIELD)
        if isinstance(inner, AccessProblem):
            return Misfit(f": {inner.text}", inner.hint)
        found = inner[1]
    return found


def _parts(binding: FromList | FromDict | FromPairs, wanted: AnyType) -> list[tuple[Binding, AnyType]] | None:
    match binding, wanted:
        case FromList(items=items), ListType(item=item):
            return [(each, item) for each in items]
        case FromList(items=items), TupleType(items=types, variadic=variadic):
            if not variadic and len(types) != len(items):
                return None
            return [(each, types[0] if variadic else types[i]) for i, each in enumerate(items)]
        case FromDict(items=named), DictType(value=value):
            return [(each, value) for each in named.values()]
        case FromDict(items=named), StructType(fields=fields):
            types_by_name = {field.name: field.type for field in fields}
            if any(field.required and field.name not in named for field in fields):
                return None
            if not named.keys() <= types_by_name.keys():
                return None
            return [(each, types_by_name[name]) for name, each in named.items()]
        case FromPairs(values=values, keys=keys), DictType(key=key, value=value):
            return [*((Given(each), key) for each in keys), *((each, value) for each in values)]
        case _:
            return None
