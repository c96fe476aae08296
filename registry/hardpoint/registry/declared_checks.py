"""What the small things that a plugin declares must satisfy; the loop that runs this table is in `checks`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields

import msgspec

from hardpoint.plugin_api import CliCommand, EventSink, Importer, LiteralCodec, LogLink, SecretSource
from hardpoint.registry.checks import Checks
from hardpoint.registry.declared import Declarations

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_WANTED: dict[str, type[msgspec.Struct]] = {
    "literal_types": LiteralCodec,
    "event_sinks": EventSink,
    "secret_sources": SecretSource,
    "log_links": LogLink,
    "cli_commands": CliCommand,
    "importers": Importer,
}


def misfit(hook: str, value: object, wanted: type[msgspec.Struct]) -> str:
    """What is wrong with a value that a hook returned; empty if it is a `wanted` with all its fields.

    >>> misfit("log_links", LogLink("Logs", "https://logs.example/{job}"), LogLink)
    ''
    >>> misfit("log_links", LogLink("Logs", None), LogLink)
    '`log_links` returned a `LogLink` that is none: Expected `str`, got `null` - at `$.template`'
    """
    if not isinstance(value, wanted):
        return f"`{hook}` returned a `{type(value).__name__}`, not a `{wanted.__name__}`"
    try:
        # msgspec checks types when it decodes, not when a struct is made.
        msgspec.convert(msgspec.structs.asdict(value), wanted)
    except msgspec.ValidationError as error:
        return f"`{hook}` returned a `{wanted.__name__}` that is none: {error}"
    return ""


def _are_what_their_hook_promises(declared: Declarations) -> str:
    for field in fields(declared):
        for each in getattr(declared, field.name):
            problem = misfit(field.name, each, _WANTED[field.name])
            if problem:
                return problem
    return ""


def _literal_types_name_a_class(declared: Declarations) -> str:
    names = [each.python for each in declared.literal_types]
    for name in names:
        if not _CLASS.fullmatch(name):
            return f"a literal type is for `{name}`, which is not `module:qualname`"
    return _twice("a literal type for", names)


def _sinks_can_be_told_apart(declared: Declarations) -> str:
    return _plain_and_once("event sink", (each.name for each in declared.event_sinks))


def _sources_can_be_told_apart(declared: Declarations) -> str:
    return _plain_and_once("secret source", (each.name for each in declared.secret_sources))


def _links_can_be_filled_in(declared: Declarations) -> str:
    for each in declared.log_links:
        try:
            each.url(execution="e", node="n", attempt=1, job="j", account="a")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
            return f"log link `{each.title}` cannot be made of `{each.template}`: {why}"
    return ""


def _commands_can_be_told_apart(declared: Declarations) -> str:
    return _plain_and_once("command", (each.name for each in declared.cli_commands))


def _importers_know_their_files(declared: Declarations) -> str:
    for each in declared.importers:
        if not each.suffixes or not all(suffix.startswith(".") for suffix in each.suffixes):
            return f"importer `{each.name}` has suffixes `{each.suffixes!r}`, not such as `('.yaml',)`"
    return _plain_and_once("importer", (each.name for each in declared.importers))


DECLARED_CHECKS: Checks[Declarations] = (
    _are_what_their_hook_promises,
    _literal_types_name_a_class,
    _sinks_can_be_told_apart,
    _sources_can_be_told_apart,
    _links_can_be_filled_in,
    _commands_can_be_told_apart,
    _importers_know_their_files,
)


def _plain_and_once(what: str, names: Iterable[str]) -> str:
    listed = list(names)
    for name in listed:
        if not _NAME.fullmatch(name):
            return f"{what} `{name}` is not named with lower-case letters, digits, `_` and `-`"
    return _twice(what, listed)


def _twice(what: str, names: list[str]) -> str:
    twice = next((name for name in names if names.count(name) > 1), None)
    return "" if twice is None else f"it declares {what} `{twice}` twice"
