"""Nests of lists, tuples, dicts and dataclasses with promises among their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hardpoint.core.promise import NodeHandle, Promise


def fields_of(value: Any) -> dict[str, Any] | None:
    """Fields of a dataclass, NamedTuple or TypedDict instance."""
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def holds_promise(value: Any) -> bool:
    """Whether there is a promise in a nest of lists, tuples, dicts and dataclasses."""
    if isinstance(value, Promise | NodeHandle):
        return True
    if isinstance(value, list | tuple):
        return any(map(holds_promise, value))
    if isinstance(value, dict):
        return any(map(holds_promise, value.values()))
    if hasattr(type(value), "__dataclass_fields__"):
        return any(map(holds_promise, (fields_of(value) or {}).values()))
    return False


def replace_promises(value: Any, real: Callable[[Promise | NodeHandle], Any]) -> Any:
    """The same nest with real values; what holds no promise is passed on as it is.

    >>> replace_promises({"a": [1, 2]}, repr)
    {'a': [1, 2]}
    """
    if isinstance(value, Promise | NodeHandle):
        return real(value)
    if not holds_promise(value):
        return value
    if isinstance(value, dict):
        return {key: replace_promises(each, real) for key, each in value.items()}
    if isinstance(value, list | tuple):
        items = [replace_promises(each, real) for each in value]
        if hasattr(value, "_make"):
            return value._make(items)
        return type(value)(items)
    fields = fields_of(value) or {}
    return dataclasses.replace(value, **{name: replace_promises(each, real) for name, each in fields.items()})
