"""`hardpoint plugins show`: everything that a plugin declares, from its manifest."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import say, say_json, text_table
from hardpoint.executor.cli.plugins import (
    Listed,
    distribution_of,
    listed,
    listed_json,
    the_registry,
    verdict_word,
)
from hardpoint.executor.cli.wording import day_and_time, duration, plural
from hardpoint.plugin_api import Manifest, ManifestTaskType, RateLimit, ResourcePool, Shape
from hardpoint.registry import InstalledPlugin, PluginQuarantinedError, Registry
from hardpoint.registry.config_schema import ConfigField, fields_of
from hardpoint.registry.manifest import plain

Line = tuple[str, str]
"""A title and a text; without a text it is not printed."""


def print_plugin(name: str, *, as_json: bool) -> int:
    """Print what a plugin declares; loads it only if it has no manifest.

    Args:
        name: A task type, another entry point, or a distribution: then all of its entry points.
        as_json: Print one object, or a list of them if several are called so.

    Raises:
        HardpointError: It is not there; or there is no manifest, and the plugin cannot be used.
    """
    registry = the_registry()
    found = listed(rows_of(registry, name))
    manifests = [_manifest(registry, each, as_json=as_json) for each in found]
    pairs = list(zip(found, manifests, strict=True))
    if as_json:
        told = [_json(each, manifest) for each, manifest in pairs]
        say_json(told[0] if len(told) == 1 else told)
        return DONE
    for number, (each, manifest) in enumerate(pairs):
        say(*([""] if number else []), *_lines(each, manifest))
    return DONE


def rows_of(registry: Registry, name: str) -> list[InstalledPlugin]:
    """Rows of that name, else those of the distribution of that name.

    Raises:
        NoPluginError: There is neither.
    """
    rows = registry.installed()
    found = [each for each in rows if each.name == name]
    found = found or [each for each in rows if _normalised(each.distribution) == _normalised(name)]
    if not found:
        registry.task_type(name)
    return found


def _normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _manifest(registry: Registry, each: Listed, *, as_json: bool) -> Manifest:
    if each.file is not None and each.file.manifest is not None:
        return each.file.manifest
    try:
        return registry.describe(each.row)
    except PluginQuarantinedError as error:
        if not as_json and error.quarantine.traceback:
            say(error.quarantine.traceback.rstrip(), "", to=sys.stderr)
        raise


def _declared(each: Listed, manifest: Manifest) -> ManifestTaskType | None:
    return manifest.task_type(each.row.name) if each.row.kind == "task type" else None


def _json(each: Listed, manifest: Manifest) -> dict[str, Any]:
    """Fields of the task type beside those of its plugin; every field, also those at their defaults."""
    declared = _declared(each, manifest)
    own = {"pools": _own(each, manifest, manifest.pools), "rates": _own(each, manifest, manifest.rates)}
    told = plain(manifest) | {name: [plain(one) for one in some] for name, some in own.items()}
    for name in ("format", "target", "api", "task_types"):
        del told[name]
    if declared is not None:
        told |= plain(declared)
    return {**told, **listed_json(each)}


def _lines(each: Listed, manifest: Manifest) -> Iterator[str]:
    row, declared = each.row, _declared(each, manifest)
    yield f"{row.name}: {declared.doc}" if declared and declared.doc else row.name
    yield ""
    lines = [("Distribution", distribution_of(row)), ("Plugin API", row.api)]
    if declared is not None:
        lines += _of_type(declared)
    lines += _of_plugin(each, manifest)
    lines += [("Manifest", each.file.problem if each.file else ""), ("Verdict", _verdict(each))]
    lines += [("State", f"{row.state.value}: {row.problem}" if row.problem else "")]
    yield from (f"{title:<14}{text}" for title, text in lines if text)
    if row.traceback:
        yield from ("", row.traceback.rstrip())
    if declared is not None:
        yield from ("", "Config", *(_config_lines(declared) or ["  none"]))


def _verdict(each: Listed) -> str:
    if each.check is None:
        return "" if each.row.entry is None else "never checked"
    return f"{verdict_word(each.check)} {day_and_time(each.check.at)}: {each.check.summary}"


def _of_type(declared: ManifestTaskType) -> list[Line]:
    lines = [("Shape", declared.shape.value)]
    if declared.shape is Shape.FUNCTION:
        lines += [("Promise", "each attempt runs at least once, in a worker process")]
    else:
        settling = f", settling {duration(declared.settling_delay_s)}" if declared.settling_delay_s else ""
        lines += [("Idempotency", declared.idempotency.value + settling), ("Polls", _polls(declared))]
    if declared.shape is Shape.ARRAY:
        lines += [("Items", f"{declared.items_min} to {declared.items_max} in one create")]
    claims = declared.claims
    return [
        *lines,
        ("Capabilities", ", ".join(declared.capabilities)),
        ("Secrets", ", ".join(declared.secrets)),
        ("Claims", "" if claims is None else ", ".join(f"{c.units} of {c.pool}" for c in claims) or "none"),
    ]


def _polls(declared: ManifestTaskType) -> str:
    poll = declared.poll
    return (
        f"after {duration(poll.first_s)}, then after {poll.fraction:.0%} of its age, at most "
        f"{duration(poll.max_s)}; {plural(poll.batch_max, 'job')} a call of at most "
        f"{duration(declared.call_timeout_s)}"
    )


def _of_plugin(each: Listed, manifest: Manifest) -> list[Line]:
    return [
        *(("Pool", f"{p.name}, {p.capacity} {p.unit}") for p in _own(each, manifest, manifest.pools)),
        *(
            ("Rate limit", f"{rate.name}, {rate.reads_per_s:g} reads/s, {rate.writes_per_s:g} writes/s")
            for rate in _own(each, manifest, manifest.rates)
        ),
        *(("Log link", f"{link.title}, {link.template}") for link in manifest.log_links),
        *(("Command", f"{command.name}: {command.doc}") for command in manifest.commands),
        *(("Importer", f"{i.name}, {', '.join(i.suffixes)}: {i.doc}") for i in manifest.importers),
        ("Event sinks", ", ".join(manifest.event_sinks)),
        ("Secrets from", ", ".join(manifest.secret_sources)),
        ("Values of", ", ".join(manifest.literal_types)),
        ("Hooks", ", ".join(manifest.hooks)),
    ]


def _own(
    each: Listed, manifest: Manifest, declared: Sequence[ResourcePool] | Sequence[RateLimit]
) -> list[Any]:
    """All but those of its plugin's other task types."""
    others = {other.name for other in manifest.task_types} - {each.row.name}
    if _declared(each, manifest) is None:
        others = set()
    return [one for one in declared if one.name.partition(":")[0] not in others]


def _config_lines(declared: ManifestTaskType) -> list[str]:
    rows = [[field.name, field.kind, _default(field), field.doc] for field in fields_of(declared.config)]
    return [f"  {line}" for line in text_table(["FIELD", "TYPE", "DEFAULT", "MEANING"], rows)] if rows else []


def _default(field: ConfigField) -> str:
    return "required" if field.is_required else field.default or "set by the plugin"
