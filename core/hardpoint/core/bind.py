"""From what an author passes to a node, or returns, to a binding: promises, values, and nests of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from hardpoint.core.compile_errors import (
    CompileError,
    ForeignPromiseError,
    Place,
    TypeMismatchError,
    UnknownFieldError,
    listed,
)
from hardpoint.core.compiled import Binding, Converted, FromDict, FromList, FromPairs, Given
from hardpoint.core.face import NOTHING_STORED, Slot, codec_of
from hardpoint.core.nests import fields_of, holds_promise
from hardpoint.core.promise import NodeHandle, Origin, Promise
from hardpoint.core.traced import Recorder
from hardpoint.plugin_api import (
    AnyType,
    DictType,
    HardpointError,
    ListType,
    SimpleKind,
    SimpleType,
    StructType,
    TupleType,
    UnionType,
)
from hardpoint.plugin_api.literal_rules import assignable

NOT_BOUND = Given(None)
"""Stands where a problem was reported, so that the search for others goes on."""

_TEXT = SimpleType(SimpleKind.STR)


class Target:
    """What a value is bound to, for one call of `bind`.

    Args:
        recorder: The trace it happens in.
        what: `Input` or `Output`.
        name: Of the input or output; parts of it are told as `name[2]`.
        of: `node `train` in workflow `flow``.
        place: Asked for only when there is a problem.
    """

    __slots__ = ("_place", "name", "of", "recorder", "what")

    def __init__(self, recorder: Recorder, what: str, name: str, of: str, place: Callable[[], Place]) -> None:
        self.recorder = recorder
        self.what = what
        self.name = name
        self.of = of
        self._place = place

    def part(self, step: str) -> Target:
        """The same for a part of it."""
        return Target(self.recorder, self.what, self.name + step, self.of, self._place)

    def report(self, kind: type[CompileError], text: str, hint: str) -> Given:
        """Report a problem of this part."""
        self.recorder.report(kind(f"{self.what} `{self.name}` of {self.of} {text}", self._place(), hint=hint))
        return NOT_BOUND


def bind(value: Any, slot: Slot, target: Target) -> Binding:
    """Return where the value of `slot` will come from; report what does not fit.

    Args:
        value: A promise, a node with outputs, a value, or lists, tuples, dicts and dataclasses of those.
        slot: Its hint, literal type and codec.
        target: For messages.
    """
    if isinstance(value, Promise):
        return _promised(value._origin, slot.type, target)
    if slot.type is None or slot.codec is None:
        return NOT_BOUND
    if isinstance(value, NodeHandle):
        return _handle(value, slot, slot.type, target)
    if holds_promise(value):
        return _nest(value, slot, slot.type, target)
    try:
        return Given(slot.codec.encode(value, NOTHING_STORED))
    except HardpointError as error:
        return target.report(TypeMismatchError, f"wants `{slot.type}`: {error.message}", error.hint)


def _promised(origin: Origin, wanted: AnyType | None, target: Target) -> Binding:
    if origin.recorder is not target.recorder:
        other = origin.recorder.place().workflow
        return target.report(
            ForeignPromiseError,
            f"is `{origin}`, a promise of workflow `{other}`",
            f"Return it from `{other}`, call `{other}` here and use what that returns",
        )
    source = origin.type
    if source is wanted or source is None or wanted is None:
        return origin.binding()
    if source == wanted:
        return origin.binding()
    if assignable(source, wanted):
        return Converted(origin.binding(), source, wanted)
    shown = f"`{origin}`" if origin.node else f"input `{origin}`"
    return target.report(
        TypeMismatchError, f"wants `{wanted}`, but {shown} is `{source}`", mismatch_hint(source, wanted)
    )


def mismatch_hint(source: AnyType, wanted: AnyType) -> str:
    """The edit that brings two types together."""
    if isinstance(source, UnionType) and any(assignable(variant, wanted) for variant in source.variants):
        return f"Accept `{source}` there, or decide in a task which of them it is"
    if isinstance(source, ListType) and isinstance(wanted, ListType):
        variants = source.item.variants if isinstance(source.item, UnionType) else ()
        if any(assignable(variant, wanted.item) for variant in variants):
            return f"Accept `{source}` there, or take out in a task what does not fit"
    return "Change one of the two annotations, or convert the value in a task between them"


def _handle(value: NodeHandle, slot: Slot, wanted: AnyType, target: Target) -> Binding:
    outputs = value._outputs
    if outputs and isinstance(wanted, StructType):
        return _struct(dict(outputs), slot.hint, wanted, target)
    node = value._traced.id
    if not outputs:
        return target.report(
            TypeMismatchError,
            f"wants `{wanted}`, but `{node}` returns nothing",
            f"Use `{node} >> ...` to order nodes without passing a value",
        )
    found, one_of = ("several outputs", "one of them: ") if len(outputs) > 1 else ("an output by name", "")
    return target.report(
        TypeMismatchError,
        f"wants `{wanted}`, but `{node}` has {found}",
        f"Pass {one_of}{listed(f'{node}.{name}' for name in outputs)}",
    )


def _nest(value: Any, slot: Slot, wanted: AnyType, target: Target) -> Binding:
    if isinstance(wanted, UnionType):
        return _variant(value, slot.hint, wanted, target)
    args = _inner_hints(slot.hint)
    fields = fields_of(value)
    match wanted:
        case ListType() if isinstance(value, list | tuple):
            return FromList(tuple(_items(value, [args[0]] * len(value), target)))
        case TupleType() if isinstance(value, list | tuple):
            hints = [args[0]] * len(value) if wanted.variadic else list(args)
            if len(hints) == len(value):
                return FromList(tuple(_items(value, hints, target)))
        case DictType() if isinstance(value, dict):
            return _dict(value, args, wanted, target)
        case StructType() if fields is not None:
            return _struct(fields, slot.hint, wanted, target)
    return target.report(
        TypeMismatchError,
        f"wants `{wanted}`, but is a {type(value).__name__} with promises in it",
        "Pass one promise, or put the values together in a task",
    )


def _inner_hints(hint: Any) -> Sequence[Any]:
    """The hints, or literal types that stand for them, inside a collection's or a union's."""
    match hint:
        case ListType(item=item):
            return [item]
        case DictType(key=key, value=value):
            return [key, value]
        case TupleType(items=inner) | UnionType(variants=inner):
            return inner
        case _:
            return get_args(_bare(hint))


def _bare(hint: Any) -> Any:
    """A hint without `Annotated`, `NewType` and `type` aliases around it."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__"):
            hint = hint.__value__
        else:
            return hint


def _items(values: Iterable[Any], hints: Iterable[Any], target: Target) -> Iterator[Binding]:
    for index, (value, hint) in enumerate(zip(values, hints, strict=True)):
        yield _bind_part(value, hint, target.part(f"[{index}]"))


def _bind_part(value: Any, hint: Any, target: Target) -> Binding:
    try:
        slot = Slot(target.name, hint, codec_of(hint))
    except HardpointError as error:
        return target.report(TypeMismatchError, f"cannot hold a promise: {error.message}", error.hint)
    return bind(value, slot, target)


def _dict(value: dict[Any, Any], args: Sequence[Any], wanted: DictType, target: Target) -> Binding:
    key_hint, value_hint = args
    keys = [_bind_part(key, key_hint, target.part(f"[{key!r}]")) for key in value]
    values = [_bind_part(each, value_hint, target.part(f"[{key!r}]")) for key, each in value.items()]
    plain = [key.value for key in keys if isinstance(key, Given)]
    if len(plain) < len(keys):
        return target.report(TypeMismatchError, "has a promise as a key", "Build the dict in a task")
    if wanted.key == _TEXT:
        return FromDict(dict(zip(plain, values, strict=True)))
    return FromPairs(tuple(plain), tuple(values))


def _struct(values: Mapping[str, Any], hint: Any, wanted: StructType, target: Target) -> Binding:
    hints = _field_hints(hint)
    known = [field.name for field in wanted.fields]
    unknown = [name for name in values if name not in known]
    missing = [field.name for field in wanted.fields if field.required and field.name not in values]
    if unknown or missing:
        wrong = f"lacks {listed(missing)}" if missing else f"has no field {listed(unknown)}"
        return target.report(
            UnknownFieldError,
            f"wants `{wanted}`, and what is passed {wrong}",
            f"Its fields are {listed(known)}",
        )
    return FromDict(
        {name: _bind_part(each, hints[name], target.part(f".{name}")) for name, each in values.items()}
    )


def _field_hints(hint: Any) -> dict[str, Any]:
    if isinstance(hint, StructType):
        return {field.name: field.type for field in hint.fields}
    bare = _bare(hint)
    return get_type_hints(get_origin(bare) or bare, include_extras=True)


def _variant(value: Any, hint: Any, wanted: UnionType, target: Target) -> Binding:
    """Bind a nest to the one variant of a union that has its shape."""
    for variant_hint in _inner_hints(hint):
        codec = codec_of(variant_hint)
        if _has_shape(value, codec.type):
            nest = _nest(value, Slot(target.name, variant_hint, codec), codec.type, target)
            return nest if nest is NOT_BOUND else Converted(nest, codec.type, wanted)
    return target.report(
        TypeMismatchError,
        f"wants `{wanted}`, but is a {type(value).__name__} with promises in it",
        "Pass one promise, or put the values together in a task",
    )


def _has_shape(value: Any, type: AnyType) -> bool:
    match type:
        case ListType() | TupleType():
            return isinstance(value, list | tuple)
        case DictType():
            return isinstance(value, dict)
        case StructType():
            return fields_of(value) is not None
        case _:
            return False
