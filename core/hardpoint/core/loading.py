"""Import a file of the author's, and find a workflow in it."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import re
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.core.import_spaces import import_space
from hardpoint.core.project import is_below, place_in_project, project_root, real_path
from hardpoint.core.task import Task
from hardpoint.core.workflow import Workflow
from hardpoint.plugin_api import HardpointError, Position, UsageError, UserError

_MODULE_PREFIX = "hardpoint_user_"
_DIGITS = 8

_lock = threading.RLock()


class LoadError(UsageError):
    """A file cannot be imported, or has no such workflow.

    Args:
        text: What is wrong; no trailing period.
        position: The line, if there is one.
        hint: The edit or command that helps.
    """

    def __init__(self, text: str, position: Position | None = None, *, hint: str = "") -> None:
        super().__init__(f"{text}\n  --> {position}" if position else text, hint=hint)
        self.text = text
        self.position = position


def module_name(file: Path) -> str:
    """The name a file is imported under: the same on every machine, and nobody else's.

    >>> module_name(Path("/nowhere/flow.py"))
    'hardpoint_user_flow_df2b0084'
    """
    place = place_in_project(file, project_root(file))
    stem = re.sub(r"\W", "_", file.stem)
    return f"{_MODULE_PREFIX}{stem}_{hashlib.sha256(place.encode()).hexdigest()[:_DIGITS]}"


def load_module(path: Path) -> ModuleType:
    """Import a file once; a second call returns the same module.

    Its folder, the project's root and the root's `src` are importable for it. Modules of another project
    that happen to have the same names are neither seen by it nor replaced.

    Args:
        path: A `.py` file.

    Raises:
        LoadError: There is no such file, or importing it fails; tells the author's line.
    """
    file = real_path(str(path.absolute()))
    _check_file(path, file)
    with _lock:
        name = _free_name(file)
        loaded = sys.modules.get(name)
        return loaded if loaded is not None else _execute(name, file)


def _check_file(path: Path, file: Path) -> None:
    if file.is_file() and file.suffix == ".py":
        return
    if file.is_dir():
        raise LoadError(f"`{path}` is a folder", hint="Give the path of a Python file in it")
    if file.is_file():
        raise LoadError(f"`{path}` is not a Python file", hint="Give the path of a file that ends in `.py`")
    siblings = [each.name for each in file.parent.glob("*.py")] if file.parent.is_dir() else []
    close = difflib.get_close_matches(file.name, siblings, n=1)
    hint = f"Did you mean `{path.parent / close[0]}`?" if close else "Give the path of a Python file"
    raise LoadError(f"No file `{path}`", hint=hint)


def _free_name(file: Path) -> str:
    """The file's name; with more digits if a file at the same place of another project has it."""
    name = module_name(file)
    holder = getattr(sys.modules.get(name), "__file__", None)
    if holder is None or real_path(holder) == file:
        return name
    return f"{name}_{hashlib.sha256(str(file).encode()).hexdigest()[:_DIGITS]}"


def _execute(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with import_space(file):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, UsageError | UserError) and type(error) in (UsageError, UserError):
            # From a plugin's definition, which knows no line; other errors of ours name theirs.
            raise LoadError(error.message, _author_line(error, file), hint=error.hint) from error
        if isinstance(error, HardpointError | KeyboardInterrupt | MemoryError):
            raise
        raise _explain(error, file) from error
    return module


def _explain(error: BaseException, file: Path) -> LoadError:
    position = _author_line(error, file)
    if isinstance(error, SyntaxError):
        place = Position(error.filename or str(file), error.lineno or 1)
        return LoadError(f"`{file.name}` has a syntax error: {error.msg}", place, hint="Correct that line")
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        return LoadError(
            f"`{file.name}` imports `{error.name}`, which is not installed",
            position,
            hint=f"Run `pip install {top}`, or put `{top}.py` beside the file or into the project's root",
        )
    if isinstance(error, ImportError):
        hint = "Correct the import; two files that import each other can cause this too"
        return LoadError(f"`{file.name}` cannot be imported: {error}", position, hint=hint)
    if isinstance(error, SystemExit):
        return LoadError(
            f"`{file.name}` ends the program while it is imported (exit code {error.code!r})",
            position,
            hint='Put what only a script does below `if __name__ == "__main__":`',
        )
    text = "".join(traceback.format_exception_only(error)).strip()
    hint = 'Correct that line, or put what only a script does below `if __name__ == "__main__":`'
    return LoadError(f"`{file.name}` fails while it is imported: {text}", position, hint=hint)


def _author_line(error: BaseException, file: Path) -> Position:
    """The innermost line of the author's project in the traceback."""
    root = project_root(file)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_below(real_path(frame.filename), root)]
    last = own[-1] if own else None
    return Position(last.filename, last.lineno or 1) if last else Position(str(file), 1)


def workflows_in(module: ModuleType) -> dict[str, Workflow[..., Any]]:
    """The workflows of a module, by the names it has for them; those it imported are left out."""
    file = real_path(str(module.__file__))
    found = {name: each for name, each in vars(module).items() if isinstance(each, Workflow)}
    return {name: each for name, each in found.items() if each.file == file}


def find_workflow(path: Path, name: str = "") -> Workflow[..., Any]:
    """Import a file and return one of its workflows.

    Args:
        path: A `.py` file.
        name: Of the workflow; empty: the only one there.

    Raises:
        LoadError: The file cannot be imported, or has no such workflow.
    """
    module = load_module(path)
    workflows = workflows_in(module)
    if not name:
        if len(workflows) == 1:
            return next(iter(workflows.values()))
        if not workflows:
            raise LoadError(f"`{path}` has no workflow", hint="Decorate a function with `@workflow`")
        raise LoadError(
            f"`{path}` has {len(workflows)} workflows: {listed(workflows)}", hint="Say which one you mean"
        )
    found = vars(module).get(name)
    if isinstance(found, Workflow):
        return found
    if isinstance(found, Task):
        text = f"`{name}` of `{path}` is a task"
        raise LoadError(text, hint="Only workflows are run: call it in a function decorated with `@workflow`")
    if found is not None:
        raise LoadError(f"`{name}` of `{path}` is no workflow", hint="Decorate it with `@workflow`")
    known = f"It has {listed(workflows)}" if workflows else "Decorate a function with `@workflow`"
    raise LoadError(f"`{path}` has no workflow `{name}`", hint=did_you_mean(name, workflows, known))
