"""From a loaded plugin to its manifest, always the same bytes for the same declarations."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from hardpoint.plugin_api import (
    MANIFEST_FORMAT,
    Capability,
    Idempotency,
    LogLink,
    Manifest,
    ManifestCommand,
    ManifestImporter,
    ManifestTaskType,
    Shape,
    TaskType,
)
from hardpoint.registry.config_schema import schema_of
from hardpoint.registry.discovery import FoundEntryPoint
from hardpoint.registry.plugin import LoadedPlugin

T = TypeVar("T")


def describe(
    plugin: LoadedPlugin, entries: Sequence[FoundEntryPoint], handlers: Mapping[str, object]
) -> Manifest:
    """The manifest of a plugin.

    Args:
        plugin: Checked.
        entries: The entry points that lead to it; none for a built-in one.
        handlers: By task type: what its factory made, checked.
    """
    declared = plugin.declared
    links = tuple(sorted(declared.log_links, key=lambda each: (each.title, each.template)))
    return Manifest(
        format=MANIFEST_FORMAT,
        target=entries[0].target if entries else "",
        api=api_of(entries[0]) if entries else (),
        hooks=tuple(sorted(plugin.implemented)),
        task_types=tuple(
            _describe_type(each, capabilities_of(each, handlers[each.name], links))
            for each in _by_name(plugin.task_types.values(), lambda each: each.name)
        ),
        pools=_by_name(plugin.pools, lambda each: each.name),
        rates=_by_name(plugin.rates, lambda each: each.name),
        literal_types=tuple(sorted(each.python for each in declared.literal_types)),
        event_sinks=tuple(sorted(each.name for each in declared.event_sinks)),
        secret_sources=tuple(sorted(each.name for each in declared.secret_sources)),
        log_links=links,
        commands=_by_name(
            (ManifestCommand(each.name, each.doc) for each in declared.cli_commands), lambda each: each.name
        ),
        importers=_by_name(
            (ManifestImporter(each.name, tuple(each.suffixes), each.doc) for each in declared.importers),
            lambda each: each.name,
        ),
    )


def api_of(entry: FoundEntryPoint) -> tuple[str, ...]:
    """Oldest versions of the plugin API that a distribution states."""
    return tuple(f"{major}.{minor}" for major, minor in entry.api.floors)


def capabilities_of(declared: TaskType, handler: object, links: Sequence[LogLink] = ()) -> tuple[str, ...]:
    """What a task type can do.

    Args:
        declared: The task type.
        handler: What its factory made: some additions to a handler are methods that it has or lacks.
        links: Log links of the same plugin.

    >>> query = TaskType("query", Shape.JOB, object, idempotency=Idempotency.TOKEN)
    >>> capabilities_of(query, object())
    ('batch_poll', 'idempotent')
    """
    external = declared.shape is not Shape.FUNCTION
    repeatable = external and declared.idempotency is not Idempotency.NONE
    searches = external and declared.idempotency is Idempotency.SEARCH
    linked = any(not each.task_types or declared.name in each.task_types for each in links)
    follows = {
        Capability.IDEMPOTENT: repeatable,
        Capability.CANCEL: external and _has(handler, "cancel"),
        Capability.BATCH_POLL: external and declared.poll.batch_max > 1,
        Capability.ARRAY: declared.shape is Shape.ARRAY,
        Capability.PUSH: declared.shape is Shape.JOB and _has(handler, "watch"),
        Capability.SWEEP: searches and _has(handler, "duplicates"),
        Capability.LOGS: linked,
        Capability.ESTIMATE: declared.shape is Shape.JOB and _has(handler, "estimate"),
    }
    has = {*declared.capabilities, *(each for each, holds in follows.items() if holds)}
    return tuple(sorted(each.value for each in has))


def to_json(manifest: Manifest) -> bytes:
    r"""The bytes of its file.

    >>> to_json(Manifest(1, "acme:plugin", ("1.0",), ())).splitlines()[:3]
    [b'{', b'  "api": [', b'    "1.0"']
    """
    return msgspec.json.format(msgspec.json.encode(plain(manifest), order="sorted"), indent=2) + b"\n"


def plain(value: Any) -> Any:
    """A value of structs as dicts and lists, with every field: `omit_defaults` would leave some out.

    >>> plain(ManifestCommand("acme", "Look at jobs"))
    {'name': 'acme', 'doc': 'Look at jobs'}
    """
    match value:
        case msgspec.Struct():
            return {name: plain(each) for name, each in msgspec.structs.asdict(value).items()}
        case tuple():
            return [plain(each) for each in value]
        case enum.Enum():
            return value.value
        case _:
            return value


def _describe_type(declared: TaskType, capabilities: tuple[str, ...]) -> ManifestTaskType:
    return ManifestTaskType(
        name=declared.name,
        shape=declared.shape,
        config=schema_of(declared.config),
        doc=declared.doc,
        idempotency=declared.idempotency,
        settling_delay_s=declared.settling_delay_s,
        poll=declared.poll,
        call_timeout_s=declared.call_timeout_s,
        items_min=declared.items_min,
        items_max=declared.items_max,
        secrets=declared.secrets,
        capabilities=capabilities,
        claims=declared.claims,
    )


def _has(handler: object, verb: str) -> bool:
    return callable(getattr(handler, verb, None))


def _by_name(items: Iterable[T], name: Callable[[T], str]) -> tuple[T, ...]:
    return tuple(sorted(items, key=name))
