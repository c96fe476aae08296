"""What of a process a plugin could change behind the back of everybody else in it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

_STREAMS = (0, 1, 2)
_FACE = (FunctionType, BuiltinFunctionType, type)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A process as it is at one moment; make it with `surroundings`."""

    folder: str
    environ: dict[str, str]
    handlers: dict[int, Any]
    files: tuple[tuple[int, int] | None, ...]
    streams: tuple[Any, ...]
    modules: dict[str, ModuleType]
    faces: dict[tuple[str, str], object]


def surroundings() -> Surroundings:
    """This process as it is now."""
    modules = dict(sys.modules)
    return Surroundings(
        folder=_folder(),
        environ=dict(os.environ),
        handlers={number: signal.getsignal(number) for number in signal.valid_signals()},
        files=tuple(_file(number) for number in _STREAMS),
        streams=(sys.stdin, sys.stdout, sys.stderr),
        modules=modules,
        faces={
            (name, attribute): value
            for name, module in modules.items()
            if _is_everybodys(name)
            for attribute, value in _members(module)
            if isinstance(value, _FACE)
        },
    )


def meddling(before: Surroundings) -> str:
    """What has changed since in this process that others in it rely on; empty if nothing has."""
    checks = (_moved, _renamed, _handles, _closed, _patched, _runs_on)
    return next((told for check in checks if (told := check(before))), "")


def _moved(before: Surroundings) -> str:
    return "" if _folder() == before.folder else "it changes the working directory of its host"


def _renamed(before: Surroundings) -> str:
    now = dict(os.environ)
    names = sorted(
        each for each in before.environ.keys() | now.keys() if before.environ.get(each) != now.get(each)
    )
    return f"it changes the environment variable `{names[0]}` of its host" if names else ""


def _handles(before: Surroundings) -> str:
    for number, handler in before.handlers.items():
        # By value: what is no Python function is made anew each time.
        if signal.getsignal(number) != handler:
            return f"it changes what its host does on {signal.Signals(number).name}"
    return ""


def _closed(before: Surroundings) -> str:
    names = ("standard input", "standard output", "standard error")
    streams = (sys.stdin, sys.stdout, sys.stderr)
    for number, name in zip(_STREAMS, names, strict=True):
        stream = streams[number]
        was_closed = getattr(stream, "closed", False)
        if _file(number) != before.files[number] or stream is not before.streams[number] or was_closed:
            return f"it closes or replaces the {name} of its host"
    return ""


def _patched(before: Surroundings) -> str:
    for name, module in before.modules.items():
        if _is_everybodys(name) and sys.modules.get(name) is not module:
            return f"it replaces the module `{name}` for everybody"
    for (name, attribute), value in before.faces.items():
        if getattr(before.modules[name], attribute, None) is not value:
            return f"it replaces `{name}.{attribute}` for everybody"
    foreign = {
        id(vars(module))
        for name, module in list(sys.modules.items())
        if name not in before.modules and isinstance(module, ModuleType) and not _is_everybodys(name)
    }
    for name, module in list(sys.modules.items()):
        if _is_everybodys(name):
            if isinstance(module, ModuleType) and id(vars(module)) in foreign:
                return f"it replaces the module `{name}` for everybody"
            for path, value in _functions(module):
                if id(value.__globals__) in foreign:
                    return f"it replaces `{name}.{path}` for everybody"
    return ""


def _runs_on(before: Surroundings) -> str:
    left = [each for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon]
    return f"it leaves the thread `{left[0].name}` running" if left else ""


def _functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Functions of a module and of its classes, by where they are found."""
    for name, value in _members(module):
        if isinstance(value, FunctionType):
            yield name, value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for method, inner in list(vars(value).items()):
                if isinstance(inner, FunctionType):
                    yield f"{name}.{method}", inner


def _members(module: ModuleType) -> list[tuple[str, object]]:
    # What replaced a module in `sys.modules` may be anything.
    return list(vars(module).items()) if isinstance(module, ModuleType) else []


def _is_everybodys(module: str) -> bool:
    package = module.partition(".")[0]
    # setuptools puts a distutils of its own in the place of this one, wherever it is imported.
    return package == "hardpoint" or (package in sys.stdlib_module_names and package != "distutils")


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - compared as text
    except FileNotFoundError:
        return ""


def _file(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino
