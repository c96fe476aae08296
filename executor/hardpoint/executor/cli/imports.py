"""FILE on a command line that is another system's: read by the importer of a plugin."""

from __future__ import annotations

from pathlib import Path

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.core.imported import ImportedWorkflow, imported_workflow
from hardpoint.core.loading import LoadError
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.plugin_api import HardpointError, Importer, PermanentSystemError
from hardpoint.registry.declared import Declared


class ImporterFailedError(PermanentSystemError):
    """A plugin could not import a file, and did not say why in the way it should."""


def import_file(file: str, name: str) -> ImportedWorkflow | None:
    """The workflow in a file; None if no plugin reads files of that name.

    Args:
        file: As typed.
        name: Of the workflow, as typed; may be empty, as there is only one.

    Raises:
        LoadError: There is no such file, or no such workflow in it.
        HardpointError: The importer cannot be used, refused the file, or made nothing of it that can run.
    """
    found = the_registry().importer(file)
    if found is None:
        return None
    path = Path(file)
    if not path.is_file():
        raise LoadError(f"No file `{file}`", hint="Correct the path")
    workflow = imported_workflow(_loaded(path, found), path.absolute())
    own = workflow.compile().body.name.rpartition(":")[2]
    if name not in ("", own):
        hint = did_you_mean(name, [own], f"It has `{own}`")
        raise LoadError(f"`{file}` has no workflow `{name}`", hint=hint)
    return workflow


def _loaded(path: Path, found: Declared[Importer]) -> bytes:
    plugin = found.plugin.partition("/")[0]
    try:
        data: object = found.item.load(path)
    except HardpointError:
        raise
    except Exception as error:
        raise ImporterFailedError(
            f"Importer `{found.item.name}` of plugin `{plugin}` cannot read `{path}`: "
            f"{type(error).__name__}: {error}",
            hint=f"Look whether it is a whole file of {found.item.doc or found.item.name}; if it is, "
            "report this to the plugin's author",
        ) from error
    if isinstance(data, bytes):
        return data
    raise ImporterFailedError(
        f"Importer `{found.item.name}` of plugin `{plugin}` returned a `{type(data).__name__}`, not bytes",
        hint="This is a fault of the plugin: report it to its author",
    )
