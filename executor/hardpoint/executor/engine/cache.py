"""Under which key the outputs of an attempt are kept for reuse."""

from __future__ import annotations

from typing import Any

from hardpoint.core.compiled import digest_of
from hardpoint.plugin_api import TaskSpec, Wire

_REFERENCE_FIELDS = {"uri", "digest", "size_bytes", "format"}


def cache_key(spec: TaskSpec, inputs: dict[str, Wire], project: str, domain: str) -> str:
    """Return the key: 64 hex digits over everything that decides the outputs.

    The tenant, the task's name, type, config and version, both sides of its interface, and its inputs
    but for those it ignores. A value that travels by reference counts by its content, not its place.

    >>> from hardpoint.plugin_api import Cache, Interface
    >>> spec = TaskSpec("f.py:t", "python", "v1", Interface(), cache=Cache(ignore=("verbose",)))
    >>> key = cache_key(spec, {"x": 1, "verbose": True}, "p", "d")
    >>> key == cache_key(spec, {"x": 1, "verbose": False}, "p", "d")
    True
    >>> key == cache_key(spec, {"x": 2, "verbose": True}, "p", "d")
    False
    """
    ignored = spec.cache.ignore if spec.cache else ()
    version = (spec.cache.version if spec.cache else "") or spec.version
    counted = {name: _by_content(value) for name, value in inputs.items() if name not in ignored}
    face = spec.interface
    types = ([(v.name, v.type) for v in face.inputs], [(v.name, v.type) for v in face.outputs])
    return digest_of([project, domain, spec.name, spec.type, version, spec.config, types, counted])


def _by_content(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() >= _REFERENCE_FIELDS:
            return {"digest": value["digest"], "format": value["format"]}
        return {key: _by_content(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_by_content(each) for each in value]
    return value
