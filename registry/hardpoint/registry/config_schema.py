"""The JSON Schema of a task type's config: made from its class, and read as a table."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_VALUES = frozenset({"default", "enum", "const", "examples"})
_ARGUMENT = re.compile(r"    ([\w, ]+):(?: (.*))?")


class ConfigField(msgspec.Struct, frozen=True):
    """One field of a config.

    Args:
        name: In `TaskSpec.config`.
        kind: Its type in words, such as `number | null`.
        is_required: Whether a task must give it.
        default: As JSON; empty if it is required, or only the plugin's code knows it.
        doc: What the schema says of it.
    """

    name: str
    kind: str
    is_required: bool
    default: str
    doc: str


def schema_of(config: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of a config class, the same in every process and under every Python.

    What a docstring's `Args:` say of a field becomes the description of that field.

    >>> class Query(msgspec.Struct):
    ...     '''A query.
    ...
    ...     Args:
    ...         limit: Most rows.
    ...     '''
    ...     limit: int = 10
    >>> own = schema_of(Query)["$defs"]["Query"]
    >>> own["description"], own["properties"]["limit"]["description"]
    ('A query.', 'Most rows.')
    """
    schema: dict[str, Any] = _settled(msgspec.json.schema(config))
    return schema


def fields_of(schema: Mapping[str, Any]) -> tuple[ConfigField, ...]:
    """The fields of a config, those that are required first; whatever is no schema has none.

    >>> [(each.name, each.kind, each.default) for each in fields_of(
    ...     {"properties": {"limit": {"type": "integer", "default": 10}, "tags": {"type": "array"}}})]
    [('limit', 'integer', '10'), ('tags', 'array', '')]
    """
    name = _referred(schema)
    own = _mapping(_mapping(schema.get("$defs")).get(name)) if name else schema
    required = own.get("required")
    found = [
        ConfigField(
            name=name,
            kind=_kind(each),
            is_required=isinstance(required, list) and name in required,
            default=msgspec.json.encode(each["default"]).decode() if "default" in each else "",
            doc=" ".join(str(each.get("description", "")).split()),
        )
        for name, each in _mapping(own.get("properties")).items()
        if isinstance(each, dict)
    ]
    return tuple(sorted(found, key=lambda each: not each.is_required))


def _settled(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_settled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: each if key in _VALUES else _settled(each) for key, each in schema.items()}
    if made.get("uniqueItems") is True and isinstance(made.get("default"), list):
        # The default is a set, whose order changes from process to process.
        made["default"] = sorted(made["default"], key=msgspec.json.encode)
    if isinstance(made.get("description"), str):
        # Docstrings keep their indentation before Python 3.13, and lose it from then on.
        text = inspect.cleandoc(made["description"])
        made["description"], _, arguments = text.partition("\nArgs:\n")
        made["description"] = made["description"].rstrip()
        _describe_fields(_mapping(made.get("properties")), arguments)
    return made


def _describe_fields(properties: Mapping[str, Any], arguments: str) -> None:
    for names, text in _arguments(arguments.splitlines()):
        for name in names.split(","):
            field = properties.get(name.strip())
            if isinstance(field, dict) and text:
                field.setdefault("description", text)


def _arguments(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names and texts; a section of the docstring that follows ends them."""
    names, words = "", [""]
    for line in lines:
        begun = _ARGUMENT.fullmatch(line)
        if line.strip() and not line.startswith("    "):
            break
        if begun is None:
            words.append(line.strip())
            continue
        if names:
            yield names, " ".join(filter(None, words))
        names, words = begun[1], [begun[2] or ""]
    if names:
        yield names, " ".join(filter(None, words))


def _kind(field: Mapping[str, Any]) -> str:
    match field:
        case {"anyOf": [*several]}:
            return " | ".join(_kind(_mapping(each)) for each in several)
        case {"enum": [*values]}:
            return " | ".join(msgspec.json.encode(each).decode() for each in values)
        case {"type": "array", "items": dict(items)} if items:
            return f"array of {_kind(items)}"
        case {"type": str(kind)}:
            return kind
    return _referred(field) or "any"


def _referred(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
