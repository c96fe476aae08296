"""What a plugin may bring besides task types: small things, each declared by a hook of its own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.plugin_api.context import Store
from hardpoint.plugin_api.literals import AnyType, Wire
from hardpoint.plugin_api.observe import JournaledEvent


class LiteralCodec(msgspec.Struct, frozen=True):
    """How the values of a Python class, which hardpoint does not know, cross a boundary.

    Args:
        python: The class, `module:qualname`.
        type: What the values are for everybody else.
        encode: `(value, store) -> wire`.
        decode: `(wire, store) -> value`.
    """

    python: str
    type: AnyType
    encode: Callable[[Any, Store], Wire]
    decode: Callable[[Wire, Store], Any]


class EventSink(msgspec.Struct, frozen=True):
    """Somewhere events go, with a position of its own in every run's journal.

    Args:
        name: Unique in the plugin; the position is kept under it.
        deliver: Gets events in order, at least once; what it raises makes them come again.
        kinds: Only these kinds of event; empty for all.
    """

    name: str
    deliver: Callable[[Sequence[JournaledEvent]], None]
    kinds: tuple[str, ...] = ()


class SecretSource(msgspec.Struct, frozen=True):
    """Another place that secrets come from, asked after environment and files.

    Args:
        name: How messages call it, such as `vault`.
        lookup: The value of a secret by its name; None if this source has none.
    """

    name: str
    lookup: Callable[[str], str | None]


class LogLink(msgspec.Struct, frozen=True):
    """A link that the views show beside each attempt of some task types.

    Args:
        title: Such as `Spark UI`.
        template: The address, with `{execution}`, `{node}`, `{attempt}`, `{job}` and `{account}`.
        task_types: Of which task types; empty for all of this plugin.

    >>> LogLink("Console", "https://console.example/{account}/jobs/{job}").url(job="j-1", account="eu")
    'https://console.example/eu/jobs/j-1'
    """

    title: str
    template: str
    task_types: tuple[str, ...] = ()

    def url(
        self, *, execution: str = "", node: str = "", attempt: int = 0, job: str = "", account: str = ""
    ) -> str:
        """The address for one attempt."""
        return self.template.format(execution=execution, node=node, attempt=attempt, job=job, account=account)


class CliCommand(msgspec.Struct, frozen=True):
    """A command that `hardpoint` gets: `hardpoint NAME ARGUMENTS...`.

    Args:
        name: Lower case; none of hardpoint's own. It has an entry point of that name in the group
            `hardpoint.commands`, so that it is found without loading the plugin.
        doc: One line for `hardpoint --help`.
        run: Gets the arguments after the name; returns the exit code.
    """

    name: str
    doc: str
    run: Callable[[Sequence[str]], int]


class Importer(msgspec.Struct, frozen=True):
    """Makes a workflow out of a file of another system.

    Args:
        name: Of the format, such as `argo`.
        suffixes: Files it is for, such as `.argo.yaml`; each has an entry point of that name in the group
            `hardpoint.importers`, so that it is found without loading the plugin.
        doc: One line.
        load: The workflow in the file, as the JSON of a compiled workflow: what `hardpoint compile FILE
            WORKFLOW -o OUT` writes, and `hardpoint.core.compiled` describes. Its tasks are of plugins' task
            types, or Python functions of installed packages. Raises `UserError` for a file that it
            cannot read.
    """

    name: str
    suffixes: tuple[str, ...]
    doc: str
    load: Callable[[Path], bytes]


class Severity(enum.Enum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that `hardpoint plugins doctor` found.

    Args:
        severity: Errors make its exit code 1.
        subject: What it is about, such as `credentials`.
        message: What was found, with which values.
        hint: The command or edit that helps; not empty unless all is well.
    """

    severity: Severity
    subject: str
    message: str
    hint: str = ""
