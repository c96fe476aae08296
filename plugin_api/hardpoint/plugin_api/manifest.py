"""What a plugin declares, as a file in its package: so that nobody imports it only to look at it.

`hardpoint plugins manifest NAME` writes the file, `--check` says whether it is current. It lies in the
module that the entry point names:

    a package `acme`          acme/hardpoint-manifest.json
    a plain module `acme.py`  acme-hardpoint-manifest.json, beside it

A wheel must hold it: hatchling packs it with the package, setuptools wants it among `package-data`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hardpoint.plugin_api.declare import PollPolicy
from hardpoint.plugin_api.extend import LogLink
from hardpoint.plugin_api.handler import Idempotency, Shape
from hardpoint.plugin_api.resources import RateLimit, ResourceClaim, ResourcePool

MANIFEST_FILE = "hardpoint-manifest.json"
MANIFEST_FORMAT = 1


class ManifestTaskType(msgspec.Struct, frozen=True):
    """A task type; fields as in `TaskType`, but for these.

    Args:
        config: JSON Schema of `TaskSpec.config`.
        capabilities: Values of `Capability`, declared ones and those that follow; sorted. A later hardpoint
            may know more of them.
    """

    name: str
    shape: Shape
    config: dict[str, Any]
    doc: str = ""
    idempotency: Idempotency = Idempotency.NONE
    settling_delay_s: float = 0.0
    poll: PollPolicy = PollPolicy()
    call_timeout_s: float = 60.0
    items_min: int = 1
    items_max: int = 1000
    secrets: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    claims: tuple[ResourceClaim, ...] | None = None


class ManifestCommand(msgspec.Struct, frozen=True):
    """A command that `hardpoint` gets; see `CliCommand`."""

    name: str
    doc: str


class ManifestImporter(msgspec.Struct, frozen=True):
    """Files of another system that can be run as workflows; see `Importer`."""

    name: str
    suffixes: tuple[str, ...]
    doc: str


class Manifest(msgspec.Struct, frozen=True):
    """Everything that one plugin object declares, each list sorted by name.

    Args:
        format: `MANIFEST_FORMAT`.
        target: The plugin object, `module:attribute`.
        api: Oldest versions of the plugin API that have what it uses, as its `hardpoint.api` entry points.
        hooks: Those it implements.
        task_types, pools, rates: What these hooks declare.
        literal_types: Classes whose values it can carry, `module:qualname`.
        event_sinks, secret_sources: Their names.
        log_links, commands, importers: What these hooks declare.

    >>> written = b'{"format": 1, "target": "acme:plugin", "api": ["1.0"], "hooks": ["log_links"]}'
    >>> msgspec.json.decode(written, type=Manifest).task_type("acme") is None
    True
    """

    format: int
    target: str
    api: tuple[str, ...]
    hooks: tuple[str, ...]
    task_types: tuple[ManifestTaskType, ...] = ()
    pools: tuple[ResourcePool, ...] = ()
    rates: tuple[RateLimit, ...] = ()
    literal_types: tuple[str, ...] = ()
    event_sinks: tuple[str, ...] = ()
    secret_sources: tuple[str, ...] = ()
    log_links: tuple[LogLink, ...] = ()
    commands: tuple[ManifestCommand, ...] = ()
    importers: tuple[ManifestImporter, ...] = ()

    def task_type(self, name: str) -> ManifestTaskType | None:
        """The task type of that name; None if it declares none."""
        return next((each for each in self.task_types if each.name == name), None)
