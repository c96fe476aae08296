"""What to write instead of a hint whose values cannot cross a boundary."""

from __future__ import annotations

import collections.abc
import pathlib
import typing
from typing import Any

from hardpoint.core.types.errors import show_hint

_BARE = {
    list: "Say what it holds, such as `list[int]`",
    dict: "Say what it holds, such as `dict[str, int]`",
    tuple: "Say what it holds, such as `tuple[int, str]` or `tuple[int, ...]`",
    complex: "Use `tuple[float, float]`, or `Pickled[complex]`",
    bytearray: "Use `bytes`",
    object: "Name the type, or use `Pickled[object]`",
}
_ABSTRACT = {
    collections.abc.Sequence: "list",
    collections.abc.MutableSequence: "list",
    collections.abc.Iterable: "list",
    collections.abc.Collection: "list",
    collections.abc.Iterator: "list",
    collections.abc.Generator: "list",
    collections.abc.Mapping: "dict",
    collections.abc.MutableMapping: "dict",
    set: "list",
    frozenset: "list",
    collections.abc.Set: "list",
}


def advice(hint: Any) -> str:
    """The hint of the error about `hint`.

    >>> advice(set[int])
    'Use `list[int]`, or `Pickled[set[int]]`'
    """
    shown = show_hint(hint)
    origin = typing.get_origin(hint) or hint
    if isinstance(hint, (str, typing.ForwardRef)):
        return "Resolve it first: `typing.get_type_hints(function, include_extras=True)`"
    if isinstance(hint, typing.TypeVar):
        return (
            "Give the generic class its arguments, such as `Box[int]`; in a subclass, write the field again"
        )
    if getattr(hint, "__unpacked__", False):
        return "Use `tuple[T, ...]`, or a tuple of a fixed length"
    if hint is typing.Any:
        return "Name the type, or use `Pickled[Any]`"
    if isinstance(origin, collections.abc.Hashable) and origin in _ABSTRACT:
        concrete = _ABSTRACT[origin]
        inside = ", ".join(map(show_hint, typing.get_args(hint)))
        return f"Use `{concrete}[{inside or '...'}]`, or `Pickled[{shown}]`"
    if isinstance(origin, collections.abc.Hashable) and origin in _BARE:
        return _BARE[origin]
    if isinstance(origin, type) and issubclass(origin, pathlib.PurePath):
        return "Use `File` or `Directory`, or `str` for a path that is only a name"
    if origin is collections.abc.Callable:
        return "Pass what the function needs as data, and choose the function inside the task"
    if isinstance(origin, type) and origin.__name__ == "LazyFrame":
        return "Use `polars.DataFrame`, and pass `value.collect()`"
    return f"Make it a dataclass, or use `Pickled[{shown}]`"
