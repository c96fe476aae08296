"""What an author passes to a mapped input: a list, or a word about what to do with anything else."""

from __future__ import annotations

from typing import Any

from hardpoint.core.bind import Target, bind
from hardpoint.core.compile_errors import TypeMismatchError
from hardpoint.core.compiled import Binding
from hardpoint.core.face import Slot
from hardpoint.core.map_checks import bind_hint, list_hint
from hardpoint.core.promise import NodeHandle, Promise
from hardpoint.plugin_api import AnyType, DictType, ListType
from hardpoint.plugin_api.literal_rules import assignable


def bind_items(value: Any, slot: Slot, task: str, target: Target) -> Binding:
    """Bind a mapped input; see `bind`.

    Args:
        value: A list, or a promise of one, if the author makes no mistake.
        slot: Of the list, not of its items.
        task: For messages.
        target: For messages.
    """
    wanted = slot.type
    if not isinstance(wanted, ListType) or isinstance(value, NodeHandle | list | tuple):
        return bind(value, slot, target)
    if not isinstance(value, Promise):
        text = f"is mapped and wants `{wanted}`, not a `{type(value).__name__}`"
        return target.report(TypeMismatchError, text, list_hint(task, target.name, value))
    origin = value._origin
    foreign = origin.recorder is not target.recorder
    hint = "" if origin.type is None or foreign else _promise_hint(origin.type, wanted, task, target.name)
    if not hint:
        return bind(value, slot, target)
    shown = f"`{origin}`" if origin.node else f"input `{origin}`"
    return target.report(
        TypeMismatchError, f"is mapped and wants `{wanted}`, but {shown} is `{origin.type}`", hint
    )


def _promise_hint(source: AnyType, wanted: ListType, task: str, name: str) -> str:
    if assignable(source, wanted):
        return ""
    if isinstance(source, DictType):
        return "Items are taken from lists only: make a list of it in a task"
    return bind_hint(task, name) if assignable(source, wanted.item) else ""
