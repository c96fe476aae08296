"""The import space of a worker: the unpacked archive, and nothing of the project's own path."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from hardpoint.executor.archive.manifest import Manifest
from hardpoint.executor.worker.importing import importing
from hardpoint.plugin_api import PermanentSystemError, UserError


class CodeSpace:
    """Finds functions by file in an unpacked archive, or by the name of an installed module.

    Args:
        folder: Where the archive was unpacked.
        manifest: What it holds; None: there is no archive.
    """

    def __init__(self, folder: Path, manifest: Manifest | None) -> None:
        self._folder = folder
        self._manifest = manifest
        if manifest is not None:
            # In front: the project itself may be installed too, in its present state.
            sys.path[:0] = [str(folder / root) for root in manifest.import_roots]

    def find(self, config: dict[str, Any]) -> Any:
        """What a Python task's config names: a function, or the task object around one.

        Args:
            config: `{"file", "qualname"}` with a path relative to the project's root, or
                `{"module", "qualname"}`.

        Raises:
            UserError: The file or module has no such function when it is imported.
        """
        qualname = config["qualname"]
        if "file" in config:
            where = config["file"]
            with importing(where):
                module = self._module_of_file(where)
        else:
            where = config["module"]
            with importing(where):
                module = importlib.import_module(where)
        found: Any = module
        for part in qualname.split("."):
            found = getattr(found, part, None)
        if found is None:
            raise UserError(
                f"`{where}` defines no `{qualname}` when it is imported",
                hint='Define it at the top level of the file, not under `if __name__ == "__main__"`',
            )
        return found

    def _module_of_file(self, file: str) -> ModuleType:
        if self._manifest is None or file not in self._manifest.files:
            raise PermanentSystemError(
                f"The code archive holds no file `{file}`",
                hint="Submit the workflow again, so that its files are archived anew",
            )
        name = module_name(file, self._manifest)
        path = self._folder / file
        module = importlib.import_module(name)
        if module.__file__ is not None and Path(module.__file__) == path:
            return module
        # A file called like a module that is loaded already, such as `statistics.py`.
        return _import_aside(name, path)


def module_name(file: str, manifest: Manifest) -> str:
    """The name under which a project file is imported.

    A file of a package is named from the package's top; any other from the longest import root above it.

    >>> files = {"flows/etl.py": "", "lib/a/__init__.py": "", "lib/a/b.py": ""}
    >>> manifest = Manifest(import_roots=("", "flows", "lib"), files=files)
    >>> module_name("flows/etl.py", manifest), module_name("lib/a/b.py", manifest)
    ('etl', 'a.b')
    >>> module_name("lib/a/__init__.py", manifest)
    'a'
    """
    path = PurePosixPath(file)
    top = path.parent
    while str(top / "__init__.py") in manifest.files and top != PurePosixPath():
        top = top.parent
    roots = [PurePosixPath(root) for root in manifest.import_roots]
    above = [root for root in roots if top.is_relative_to(root)]
    root = max(above, key=lambda each: len(each.parts), default=top)
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


def _import_aside(name: str, path: Path) -> ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    aside = f"hardpoint_code_{name.replace('.', '_')}"
    if aside in sys.modules:
        return sys.modules[aside]
    spec = spec_from_file_location(aside, path)
    if spec is None or spec.loader is None:
        raise UserError(f"`{path.name}` is no Python file", hint="Define tasks in files that end in `.py`")
    module = module_from_spec(spec)
    sys.modules[aside] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[aside]
        raise
    return module
