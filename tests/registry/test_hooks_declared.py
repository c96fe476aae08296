"""The hooks by which plugins declare small things, and what is wrong with what they declare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from hardpoint.plugin_api import (
    CliCommand,
    ContractViolation,
    EventSink,
    Importer,
    LiteralCodec,
    LogLink,
    SecretSource,
    Shape,
    SimpleKind,
    SimpleType,
    TaskType,
    hookimpl,
)
from hardpoint.registry import Registry
from hardpoint.registry.declared import Declared

CODEC = LiteralCodec(
    "acme:Point", SimpleType(SimpleKind.STR), lambda value, store: value, lambda wire, s: wire
)
SINK = EventSink("audit", print)
SOURCE = SecretSource("vault", str)
LINK = LogLink("Logs", "https://logs.example/?job={job}")
COMMAND = CliCommand("acme", "Look at it", len)
IMPORTER = Importer("argo", (".argo.yaml",), "Argo Workflows", lambda file: b"")


class Brings:
    """Declares what it is given, by the name of the hook."""

    def __init__(self, **declared: object) -> None:
        self.declared = declared

    @hookimpl
    def task_types(self) -> Any:
        return self.declared.get("task_types", ())

    @hookimpl
    def literal_types(self) -> Any:
        return self.declared.get("literal_types", ())

    @hookimpl
    def event_sinks(self) -> Any:
        return self.declared.get("event_sinks", ())

    @hookimpl
    def secret_sources(self) -> Any:
        return self.declared.get("secret_sources", ())

    @hookimpl
    def log_links(self) -> Any:
        return self.declared.get("log_links", ())

    @hookimpl
    def cli_commands(self) -> Any:
        return self.declared.get("cli_commands", ())

    @hookimpl
    def importers(self) -> Any:
        return self.declared.get("importers", ())


def declared_as(read: Callable[[Registry], object], hook: str, item: object) -> object:
    """What the registry says of two plugins of which the second declares `item`."""
    return read(Registry([], {"other": Brings(), "acme": Brings(**{hook: [item]})}))


def test_hook_literal_types() -> None:
    assert declared_as(Registry.literal_types, "literal_types", CODEC) == (Declared("acme", CODEC),)


def test_hook_event_sinks() -> None:
    assert declared_as(Registry.event_sinks, "event_sinks", SINK) == (Declared("acme", SINK),)


def test_hook_secret_sources() -> None:
    assert declared_as(Registry.secret_sources, "secret_sources", SOURCE) == (Declared("acme", SOURCE),)


def test_hook_log_links() -> None:
    assert declared_as(Registry.log_links, "log_links", LINK) == (Declared("acme", LINK),)


def test_hook_cli_commands() -> None:
    assert declared_as(Registry.cli_commands, "cli_commands", COMMAND) == (Declared("acme", COMMAND),)


def test_hook_importers() -> None:
    assert declared_as(Registry.importers, "importers", IMPORTER) == (Declared("acme", IMPORTER),)


def test_a_log_link_is_for_the_task_types_of_its_plugin_unless_it_names_some() -> None:
    narrow = LogLink("Only", "https://x.example/", ("b",))
    types = [TaskType(name, Shape.FUNCTION, cast(Any, object)) for name in ("a", "b")]
    registry = Registry([], {"acme": Brings(task_types=types, log_links=[LINK, narrow])})
    assert [(each.item.title, each.item.task_types) for each in registry.log_links()] == [
        ("Logs", ("a", "b")),
        ("Only", ("b",)),
    ]


@pytest.mark.parametrize(
    ("hook", "items", "problem"),
    [
        ("literal_types", ["acme:Point"], "`literal_types` returned a `str`, not a `LiteralCodec`"),
        ("event_sinks", [SINK, SINK], "it declares event sink `audit` twice"),
        (
            "event_sinks",
            [EventSink("audit", None)],  # type: ignore[arg-type]
            "`event_sinks` returned a `EventSink` that is none: Expected `Callable`, got `NoneType`",
        ),
        ("secret_sources", [SecretSource("My Vault", str)], "secret source `My Vault` is not named with"),
        (
            "log_links",
            [LogLink("Logs", "https://x/{run}")],
            "log link `Logs` cannot be made of `https://x/{run}`",
        ),
        ("log_links", [LogLink("Logs", "https://x/{")], "ValueError: Single '{' encountered"),
        ("cli_commands", [CliCommand("", "", len)], "command `` is not named with"),
        ("importers", [Importer("argo", (), "", IMPORTER.load)], "importer `argo` has suffixes `()`"),
        (
            "importers",
            [Importer("argo", ("yaml",), "", IMPORTER.load)],
            "has suffixes `('yaml',)`, not such as",
        ),
        (
            "literal_types",
            [LiteralCodec("Point", CODEC.type, CODEC.encode, CODEC.decode)],
            "a literal type is for `Point`, which is not `module:qualname`",
        ),
        ("cli_commands", 5, "TypeError: 'int' object is not iterable"),
    ],
)
def test_what_is_declared_wrongly_is_named(hook: str, items: object, problem: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        Registry([], {"acme": Brings(**{hook: items})})
    assert "Built-in plugin `acme` cannot be used: " in caught.value.message
    assert problem in caught.value.message
