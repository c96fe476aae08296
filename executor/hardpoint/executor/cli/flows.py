"""From FILE and WORKFLOW on a command line to a workflow that compiled, or was imported."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from hardpoint.core.loading import find_workflow, load_module
from hardpoint.core.loading import workflows_in as workflows_of
from hardpoint.core.runnable import Runnable
from hardpoint.core.workflow import Workflow
from hardpoint.executor.cli.installed_groups import may_have
from hardpoint.executor.cli.output import patience
from hardpoint.plugin_api import UsageError

IMPORTERS = "hardpoint.importers"


class NothingNamedError(UsageError):
    """FILE or WORKFLOW is missing."""


def file_and_name(words: Sequence[str]) -> tuple[str, str, list[str]]:
    """FILE, WORKFLOW and what follows; WORKFLOW is empty where an option stands instead.

    >>> file_and_name(["flow.py", "--help"])
    ('flow.py', '', ['--help'])
    """
    file, name, *rest = words
    return (file, "", [name, *rest]) if name.startswith("-") else (file, name, list(rest))


def open_workflow(file: str, name: str, command: str) -> Runnable:
    """Load a file and compile a workflow in it, or import it.

    Args:
        file, name: As typed; empty if they are missing.
        command: For hints, such as `run`.

    Raises:
        UsageError: Either is missing or not there, or the file cannot be imported.
        HardpointError: The plugin whose importer claims the file cannot be used.
        CompileErrors: Everything that is wrong with the workflow.
    """
    if not file:
        raise NothingNamedError(
            "No file was given", hint=f"`hardpoint {command} FILE WORKFLOW`, such as `flow.py main`"
        )
    with _users_code(f"importing `{file}`"):
        imported = _imported(file, name)
        if imported is not None:
            return imported
        if not name:
            raise _nothing_named(file, list(workflows_of(load_module(Path(file)))), command)
        workflow = find_workflow(Path(file), name)
        workflow.compile()
        return workflow


def _imported(file: str, name: str) -> Runnable | None:
    if file.endswith(".py") or not may_have(IMPORTERS, sys.path):
        return None
    # Imported here: Python files, which most are, need no registry before they are compiled.
    from hardpoint.executor.cli.imports import import_file

    return import_file(file, name)


def workflows_in(file: str) -> dict[str, Workflow[..., Any]]:
    """The workflows that a Python file defines, by name."""
    with _users_code(f"importing `{file}`"):
        return workflows_of(load_module(Path(file)))


def _nothing_named(file: str, names: list[str], command: str) -> UsageError:
    if not names:
        return NothingNamedError(
            f"No workflow was named, and `{file}` has none", hint="Decorate a function in it with `@workflow`"
        )
    shown = ", ".join(f"`{name}`" for name in names)
    return NothingNamedError(
        f"No workflow was named; `{file}` has {shown}", hint=f"`hardpoint {command} {file} {names[0]}`"
    )


@contextmanager
def _users_code(what: str) -> Iterator[None]:
    # What a module prints when it is imported must not mix with our answer on stdout.
    with redirect_stdout(sys.stderr), patience(what):
        yield


def quiet_logs() -> None:
    """Keep log records off stderr: what matters in them is said again by errors, and once is enough."""
    logging.getLogger("hardpoint").addHandler(logging.NullHandler())
