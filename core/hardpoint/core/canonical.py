"""Texts of constants that are the same in every process and on every machine."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import uuid
from pathlib import Path, PurePath
from typing import Any

_PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    bytes,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    range,
    slice,
    type(...),
)
_MAX_DEPTH = 8


def canonical(value: Any, root: Path, depth: int = 0) -> str | None:
    """Return a text that equal constants share; None for what is no constant.

    Args:
        value: A scalar, or tuples, lists, sets and dicts of scalars. Sets and dicts are sorted.
        root: Of the project; its path is left out of texts and paths, since it differs by machine.
        depth: How deep the value stands in another.

    >>> canonical({"b": {2, 1}, "a": (1.5, "x")}, Path("/p"))
    "{'a': (1.5, 'x'), 'b': {1, 2}}"
    >>> canonical("/p/data/x.csv", Path("/p")), canonical(object(), Path("/p"))
    ("'<root>/data/x.csv'", None)
    """
    if type(value) in _PLAIN:
        return repr(value)
    if type(value) is str:
        return repr(value.replace(str(root), "<root>"))
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, PurePath):
        return _path(value, root)
    if depth >= _MAX_DEPTH:
        return None
    if type(value) in (list, tuple, set, frozenset):
        items = [canonical(each, root, depth + 1) for each in value]
        return _collection(value, [each for each in items if each is not None], len(items))
    if type(value) is dict:
        pairs = [(canonical(k, root, depth + 1), canonical(v, root, depth + 1)) for k, v in value.items()]
        shown = sorted(f"{key}: {each}" for key, each in pairs if key is not None and each is not None)
        return "{" + ", ".join(shown) + "}" if len(shown) == len(pairs) else None
    return None


def _path(value: PurePath, root: Path) -> str:
    if value.is_absolute() and not value.is_relative_to(root):
        return f"Path(.../{value.name!r})"
    relative = value.relative_to(root) if value.is_absolute() else value
    return f"Path({relative.as_posix()!r})"


def _collection(value: Any, items: list[str], count: int) -> str | None:
    if len(items) < count:
        return None
    match value:
        case list():
            return "[" + ", ".join(items) + "]"
        case tuple():
            return "(" + ", ".join(items) + ")"
        case _:
            return "{" + ", ".join(sorted(items)) + "}"
