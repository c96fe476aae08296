"""Links that plugins declare for attempts, found without importing a plugin that has a manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hardpoint.executor.attempt_links import Templates
from hardpoint.plugin_api import HardpointError, LogLink
from hardpoint.registry import InstalledPlugin, Registry
from hardpoint.registry.manifest_files import read_manifest


def link_templates(registry: Registry, task_types: Collection[str]) -> Templates:
    """The links of some task types.

    They are read from manifests. Of plugins without one, those that run such a task type are loaded.

    Args:
        registry: What is installed.
        task_types: Those of a run.
    """
    found: dict[str, list[LogLink]] = {name: [] for name in task_types}
    for link in _declared(registry, task_types):
        for name in link.task_types or task_types:
            if name in found and link not in found[name]:
                found[name].append(link)
    return found


def _declared(registry: Registry, task_types: Collection[str]) -> Iterator[LogLink]:
    """Links, each with its task types; one without any is for all."""
    seen: set[tuple[str, str]] = set()
    for row in registry.installed():
        place = (row.distribution, row.target)
        wanted = row.kind == "extension" or (row.kind == "task type" and row.name in task_types)
        if row.entry is None or not wanted or place in seen:
            continue
        seen.add(place)
        manifest = read_manifest(row.entry).manifest
        if manifest is not None:
            own = tuple(each.name for each in manifest.task_types)
            for link in manifest.log_links:
                yield LogLink(link.title, link.template, link.task_types or own)
        elif row.kind == "task type":
            yield from _loaded(registry, row)


def _loaded(registry: Registry, row: InstalledPlugin) -> Iterator[LogLink]:
    try:
        registry.task_type(row.name)
    except HardpointError:
        return
    name = f"{row.distribution}/{row.target}"
    yield from (each.item for each in registry.log_links() if each.plugin == name)
