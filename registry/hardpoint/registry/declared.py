"""The small things that plugins bring besides task types, as one plugin declares them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pluggy

from hardpoint.plugin_api import CliCommand, EventSink, Importer, LiteralCodec, LogLink, SecretSource

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Declared(Generic[T]):
    """One thing and whose it is.

    Args:
        plugin: The plugin's name, for messages: what the thing does wrong is this plugin's doing.
        item: The thing.
    """

    plugin: str
    item: T


@dataclass(frozen=True, slots=True)
class Declarations:
    """Everything small that one plugin declares."""

    literal_types: tuple[LiteralCodec, ...] = ()
    event_sinks: tuple[EventSink, ...] = ()
    secret_sources: tuple[SecretSource, ...] = ()
    log_links: tuple[LogLink, ...] = ()
    cli_commands: tuple[CliCommand, ...] = ()
    importers: tuple[Importer, ...] = ()


def ask(hooks: pluggy.HookRelay) -> Declarations:
    """What the one plugin behind `hooks` declares, unchecked."""
    return Declarations(
        literal_types=only(hooks.literal_types()),
        event_sinks=only(hooks.event_sinks()),
        secret_sources=only(hooks.secret_sources()),
        log_links=only(hooks.log_links()),
        cli_commands=only(hooks.cli_commands()),
        importers=only(hooks.importers()),
    )


def only(results: list[Iterable[Any]]) -> tuple[Any, ...]:
    """The items of the one plugin that was asked; none if it does not implement the hook."""
    return tuple(item for result in results for item in result)
