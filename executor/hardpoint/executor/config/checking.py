"""Checks what an operator wrote against the types it must have, and says where it does not fit.

The same checks serve the file and what is set while executors run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from hardpoint.plugin_api import UsageError

T = TypeVar("T", bound=msgspec.Struct)

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class SettingsError(UsageError):
    """A setting that is unknown, of the wrong type, or contradicts another."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a setting stands.

    Args:
        source: The file, or what else it was read from, in backticks.
        table: Keys that lead to its table.

    >>> print(Place("`hardpoint.toml`", ("pools", "athena:*")))
    `hardpoint.toml`, table `[pools."athena:*"]`
    """

    source: str
    table: tuple[str, ...] = ()

    def below(self, key: str) -> Place:
        """A table in this one."""
        return Place(self.source, (*self.table, key))

    def __str__(self) -> str:
        if not self.table:
            return self.source
        keys = (key if _BARE.fullmatch(key) else f'"{key}"' for key in self.table)
        return f"{self.source}, table `[{'.'.join(keys)}]`"


def checked(raw: object, kind: type[T], place: Place) -> T:
    """Turn a parsed table into a struct.

    Args:
        raw: What a parser of TOML or JSON returned.
        kind: Its fields may be structs, dicts of structs, and plain values; the docs of a plain one, given by
            `msgspec.Meta(description=...)`, say in a hint what it may be.
        place: Of the table.

    Raises:
        SettingsError: A key is unknown, or a value does not fit.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values = {}
    for key, value in _table(raw, place).items():
        field = fields.get(key)
        if field is None:
            raise _unknown(key, value, fields, place)
        values[field.name] = _value(value, field.type, key, place)
    missing = [name for name, field in fields.items() if field.required and field.name not in values]
    if missing:
        raise SettingsError(f"{place}: `{missing[0]}` is missing", hint=f"Add {_form(missing[0], fields)}")
    try:
        return kind(**values)
    except UsageError as error:
        raise SettingsError(f"{place}: {error.message}", hint=error.hint) from error


def _unknown(key: str, value: object, fields: Mapping[str, object], place: Place) -> SettingsError:
    # `hardpoint plugins list` reads settings too, and needs nothing else of core.
    from hardpoint.core.compile_errors import did_you_mean, listed

    return SettingsError(
        f"{place}: there is no key `{key}`"
        + ("" if isinstance(value, Mapping) else f", set to `{shown(value)}`"),
        hint=did_you_mean(key, fields, f"The keys of this table: {listed(fields)}"),
    )


def _table(raw: object, place: Place) -> Mapping[str, object]:
    if isinstance(raw, Mapping):
        return raw
    key = place.table[-1] if place.table else "it"
    raise SettingsError(
        f"{place}: this must be a table, and is `{shown(raw)}`", hint=f"Write keys and values below `[{key}]`"
    )


def _value(value: object, kind: Any, key: str, place: Place) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return checked(value, kind, place.below(key))
    if get_origin(kind) is dict and issubclass(inner := get_args(kind)[1], msgspec.Struct):
        table = place.below(key)
        return {name: checked(each, inner, table.below(name)) for name, each in _table(value, table).items()}
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise msgspec.ValidationError("expected a finite number")
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        may_be = _description(kind)
        raise SettingsError(
            f"{place}: `{key}` is `{shown(value)}`: {_plain(str(error))}",
            hint=f"`{key}` is {may_be}" if may_be else "",
        ) from error


def _form(key: str, fields: Mapping[str, Any]) -> str:
    may_be = _description(fields[key].type)
    return f"`{key}`, {may_be}" if may_be else f"`{key}`"


def _description(kind: Any) -> str:
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    return next((found for each in get_args(kind) if (found := _description(each))), "")


def _plain(complaint: str) -> str:
    """The parser's words without its name for the place, which is told in ours."""
    words = complaint.partition(" - at ")[0]
    return words[:1].lower() + words[1:]


def shown(value: object) -> str:
    """A value as it is written in the file, near enough.

    >>> shown("many"), shown(True), shown(3)
    ('"many"', 'true', '3')
    """
    if isinstance(value, float):
        return str(value)
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return str(value)
