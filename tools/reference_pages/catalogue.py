"""`docs/plugins`: a page for each plugin of this repository, from the manifest in its package."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import msgspec
from tools.reference_pages.markdown import page, table

from hardpoint.executor.cli.wording import duration
from hardpoint.plugin_api import MANIFEST_FILE, Idempotency, Manifest, ManifestTaskType, Shape
from hardpoint.registry.config_schema import fields_of

NOTE = "<!-- Written by `make docs` from the plugin's manifest; change its declarations instead. -->"
CAPABILITIES = {
    "idempotent": "a repeated create finds the first job",
    "cancel": "a job can be ended through the service",
    "batch_poll": "one poll asks for many jobs",
    "array": "one create starts many items",
    "push": "the service tells of changes by itself",
    "sweep": "second jobs of a repeated create are found",
    "logs": "leads to the logs of a job",
    "usage": "tells what a job used",
    "estimate": "tells beforehand what a job would use",
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of this repository.

    Args:
        folder: Its name below `plugins`.
        distribution, description: As in its `pyproject.toml`.
    """

    folder: str
    distribution: str
    description: str
    manifest: Manifest


def catalogue_pages(root: Path) -> Mapping[str, str]:
    """The pages by their places below `docs`: one for each plugin, and one that lists them."""
    plugins = [_read(path) for path in sorted(root.glob("plugins/*/pyproject.toml"))]
    pages = {f"plugins/{each.folder}.md": plugin_page(each) for each in plugins}
    return {"plugins/index.md": _index(plugins), **pages}


def _read(pyproject: Path) -> Plugin:
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    found = sorted(pyproject.parent.glob(f"*/{MANIFEST_FILE}"))
    assert len(found) == 1, f"{project['name']}: run `hardpoint plugins manifest {project['name']}`"
    manifest = msgspec.json.decode(found[0].read_bytes(), type=Manifest)
    return Plugin(pyproject.parent.name, project["name"], project["description"], manifest)


def _index(plugins: list[Plugin]) -> str:
    rows = [
        (
            f"[{each.folder}]({each.folder}.md)",
            each.description,
            ", ".join(f"`{kind.name}`" for kind in each.manifest.task_types),
            f"`{each.distribution}`",
        )
        for each in plugins
    ]
    return page(
        [
            "# Plugins",
            NOTE,
            "Those that come from the same repository as hardpoint. `hardpoint plugins list` shows what is "
            "installed where you are, whoever wrote it, and `hardpoint plugins show NAME` tells the same of "
            "any of them.",
            table(("plugin", "what it does", "task types", "distribution"), rows),
        ]
    )


def plugin_page(plugin: Plugin) -> str:
    """Everything that a plugin declares."""
    manifest = plugin.manifest
    return page(
        [
            f"# {plugin.folder}",
            NOTE,
            plugin.description,
            f"```console\n$ pip install {plugin.distribution}\n```",
            f"How to use it: [{plugin.distribution}](../../plugins/{plugin.folder}/README.md). Plugin API "
            f"{', '.join(manifest.api)}; hooks "
            + ", ".join(f"[`{hook}`](../reference/hooks.md#{hook})" for hook in manifest.hooks)
            + ".",
            *(part for each in manifest.task_types for part in _task_type(each)),
            *_shares(manifest),
            *_extensions(manifest),
        ]
    )


def _task_type(declared: ManifestTaskType) -> Iterator[str]:
    yield f"## Task type `{declared.name}`"
    yield declared.doc
    yield _listed(_promises(declared))
    yield "### Config"
    fields = [
        (
            f"`{each.name}`",
            each.kind,
            "required" if each.is_required else f"`{each.default}`" if each.default else "set by the plugin",
            each.doc,
        )
        for each in fields_of(declared.config)
    ]
    yield table(("field", "type", "default", "meaning"), fields) or "None."


def _listed(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {title}: {text}" for title, text in rows)


def _promises(declared: ManifestTaskType) -> Iterator[tuple[str, str]]:
    yield "Shape", declared.shape.value
    if declared.shape is Shape.FUNCTION:
        yield "Promise", "each attempt runs at least once, in a worker process"
    else:
        yield "Promise", _idempotency(declared)
        yield "Polls", _polls(declared)
    if declared.shape is Shape.ARRAY:
        yield "Items", f"{declared.items_min} to {declared.items_max} in one create"
    if declared.capabilities:
        yield "Can", ", ".join(CAPABILITIES.get(each, each) for each in declared.capabilities)
    if declared.claims is not None:
        yield "Holds", ", ".join(f"{each.units} of `{each.pool}`" for each in declared.claims) or "nothing"
    if declared.secrets:
        yield "Secrets", ", ".join(f"`{each}`" for each in declared.secrets)


def _idempotency(declared: ManifestTaskType) -> str:
    match declared.idempotency:
        case Idempotency.TOKEN:
            return "one job for each attempt: the service takes hardpoint's token"
        case Idempotency.NAME:
            return "one job for each attempt: the service refuses a second job of the same name"
        case Idempotency.SEARCH:
            settled = duration(declared.settling_delay_s)
            return f"at most one job of each attempt survives: found by searching, after {settled}"
        case Idempotency.NONE:
            return "none: a create whose answer is lost may have started a job"
    assert_never(declared.idempotency)


def _polls(declared: ManifestTaskType) -> str:
    poll = declared.poll
    return (
        f"after {duration(poll.first_s)}, then after {poll.fraction:.0%} of the job's age, at most "
        f"{duration(poll.max_s)}; up to {poll.batch_max} jobs a call, which may take "
        f"{duration(declared.call_timeout_s)}"
    )


def _shares(manifest: Manifest) -> Iterator[str]:
    if manifest.pools:
        yield "## Pools"
        yield "An operator changes them in [`hardpoint.toml`](../configuration.md) or [at once](../pools.md)."
        yield table(
            ("pool", "capacity"),
            [(f"`{each.name}`", f"{each.capacity} {each.unit}") for each in manifest.pools],
        )
    if manifest.rates:
        yield "## Call rates"
        yield table(
            ("account", "reads a second", "writes a second", "at once"),
            [
                (f"`{each.name}`", f"{each.reads_per_s:g}", f"{each.writes_per_s:g}", str(each.burst))
                for each in manifest.rates
            ],
        )


def _extensions(manifest: Manifest) -> Iterator[str]:
    rows = [
        *(("Command", f"`hardpoint {each.name}`: {each.doc}") for each in manifest.commands),
        *(
            ("Files", f"{', '.join(f'`{s}`' for s in each.suffixes)}: {each.doc}")
            for each in manifest.importers
        ),
        *(("Link", f"{each.title}: `{each.template}`") for each in manifest.log_links),
        *(("Values of", f"`{each}`") for each in manifest.literal_types),
        *(("Secrets from", each) for each in manifest.secret_sources),
        *(("Events go to", each) for each in manifest.event_sinks),
    ]
    if rows:
        yield "## It also brings"
        yield _listed(rows)
