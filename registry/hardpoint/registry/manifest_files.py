"""Where manifests lie, and what is in them; no plugin is imported to know it.

The module that the entry point names decides: see `hardpoint.plugin_api.manifest`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hardpoint.plugin_api import MANIFEST_FILE, MANIFEST_FORMAT, Manifest
from hardpoint.registry.discovery import FoundEntryPoint, Kind

if TYPE_CHECKING:
    from importlib.metadata import Distribution


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """What was found of a manifest.

    Args:
        path: Where it lies; None if it lies nowhere.
        manifest: What is in it; None if it is missing or cannot be used.
        problem: Why there is no manifest.
    """

    path: Path | None
    manifest: Manifest | None
    problem: str = ""


def read_manifest(entry: FoundEntryPoint) -> ManifestFile:
    """The manifest of the plugin that an entry point leads to."""
    for path in _places(entry):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return ManifestFile(path, None, f"`{path}` cannot be read: {error.strerror}")
        return _decoded(path, data, entry)
    return ManifestFile(None, None, f"{entry} brings no `{MANIFEST_FILE}` for `{entry.target}`")


def source_place(entry: FoundEntryPoint) -> Path | None:
    """Where the manifest of the importable module belongs; None if there is no such module."""
    module = _module(entry)
    try:
        spec = _spec(module)
    except Exception:  # finders of editable installs are somebody else's code
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        return next((Path(folder, MANIFEST_FILE) for folder in spec.submodule_search_locations), None)
    if not spec.has_location or spec.origin is None:
        return None
    return Path(spec.origin).with_name(f"{module.rpartition('.')[2]}-{MANIFEST_FILE}")


def is_packed(entry: FoundEntryPoint) -> bool:
    """Whether the module was installed from a wheel, and is no source that somebody edits."""
    distribution = entry.entry_point.dist
    record = (distribution.read_text("RECORD") or "") if distribution else ""
    place = _module(entry).replace(".", "/")
    return any(line.startswith((f"{place}/", f"{place}.")) for line in record.splitlines())


def _module(entry: FoundEntryPoint) -> str:
    return entry.target.partition(":")[0].strip()


def _places(entry: FoundEntryPoint) -> Iterator[Path]:
    if not all(part.isidentifier() for part in _module(entry).split(".")):
        return
    # What belongs to the distribution comes before a folder of the same name further up on the path.
    distribution = entry.entry_point.dist
    if distribution is not None:
        yield from _packed_places(distribution, _module(entry).replace(".", "/"))
    place = source_place(entry)
    if place is not None:
        yield place


def _packed_places(distribution: Distribution, place: str) -> tuple[Path, Path]:
    package, beside = f"{place}/{MANIFEST_FILE}", f"{place}-{MANIFEST_FILE}"
    return Path(str(distribution.locate_file(package))), Path(str(distribution.locate_file(beside)))


def _spec(module: str) -> ModuleSpec | None:
    """As `importlib.util.find_spec`, which would import the packages above the module."""
    name, *below = module.split(".")
    spec = importlib.util.find_spec(name)
    for part in below:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec


def _decoded(path: Path, data: bytes, entry: FoundEntryPoint) -> ManifestFile:
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return ManifestFile(path, None, f"`{path}` is no manifest: {error}")
    problem = _mismatch(manifest, entry)
    return ManifestFile(path, None if problem else manifest, problem and f"`{path}` {problem}")


def _mismatch(manifest: Manifest, entry: FoundEntryPoint) -> str:
    if manifest.format != MANIFEST_FORMAT:
        return f"has format {manifest.format}; this hardpoint reads {MANIFEST_FORMAT}"
    if manifest.target != entry.target:
        return f"is that of `{manifest.target}`, not of `{entry.target}`"
    if entry.kind is Kind.TASK_TYPE and manifest.task_type(entry.name) is None:
        return f"does not know task type `{entry.name}`"
    return ""
