"""Under which names a workflow's tasks are found again, in another process and on another machine."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import msgspec

from hardpoint.core.compile_errors import IdentityError, Place
from hardpoint.core.face import face_of
from hardpoint.core.map_call import MapTask
from hardpoint.core.project import is_below, place_in_project
from hardpoint.core.source import function_version
from hardpoint.core.task import Task
from hardpoint.plugin_api import Options, TaskDefinition, TaskSpec


def spec_of(definition: TaskDefinition, options: Options, root: Path) -> TaskSpec:
    """Freeze a task.

    Args:
        definition: As authored.
        options: Of the definition, or overridden by the node.
        root: Project of the workflow that is compiled.

    Raises:
        IdentityError: Another process could not find the function.
    """
    version, config = definition.version, dict(definition.config)
    name = f"{place_in_project(definition.file, root)}:{definition.name}"
    if isinstance(definition, Task):
        if not version and isinstance(definition.fn, FunctionType):
            version = function_version(definition.fn)
        by_file = not definition.version or definition.file.is_file()
        if by_file and is_below(definition.file, root) and "<" not in definition.name:
            config["file"] = place_in_project(definition.file, root)
        else:
            config = {"module": _importable(definition), **config}
            del config["file"]
        if not definition.file.is_file():
            name = f"{config['module']}:{definition.name}"
    return TaskSpec(
        name=name,
        type=definition.task_type,
        version=version,
        interface=face_of(definition).interface,
        config=config,
        doc=definition.doc,
        **msgspec.structs.asdict(options),
    )


def _importable(task: Task[..., Any]) -> str:
    """The module that another process can import the function from."""
    module = getattr(task.fn, "__module__", "")
    found: Any = sys.modules.get(module) if module != "__main__" else None
    for part in task.name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, MapTask):
        found = found.definition
    if found is None or (vars(found).get("fn") if isinstance(found, Task) else found) is not task.fn:
        raise IdentityError(
            f"Task `{task.name}` cannot be imported as `{module}.{task.name}`, so no worker can find it",
            Place("", position=task.position),
            hint="Write it at the top level of a module that workers can import, under its own name",
        )
    return module
