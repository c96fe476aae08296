"""The version of a function: a digest of its source and of what that uses in its project.

Comments count, positions do not: the text is taken without its place in the file. What installed
packages provide counts by the package's name alone.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, get_args

import msgspec

from hardpoint.core.canonical import canonical
from hardpoint.core.compile_errors import IdentityError, Place
from hardpoint.core.import_spaces import module_in_space
from hardpoint.core.map_call import MapTask
from hardpoint.core.names_used import Chain, names_used
from hardpoint.core.project import is_below, place_in_project, project_root, real_path
from hardpoint.core.source_files import imported_names, module_file, sha256_of, source_file
from hardpoint.plugin_api import Position, TaskDefinition

__all__ = ["function_version", "project_root"]

_OWN = "hardpoint."
_MISSING = object()

_versions: weakref.WeakKeyDictionary[FunctionType, str] = weakref.WeakKeyDictionary()


def function_version(fn: FunctionType) -> str:
    """Return the version of a function.

    Args:
        fn: Defined in a file.

    Returns:
        64 hex digits; the same wherever the project lies, and for every run.

    Raises:
        IdentityError: Its source cannot be found, or was edited since it was imported.
    """
    version = _versions.get(fn)
    if version is None:
        file = real_path(inspect.unwrap(fn).__code__.co_filename)
        version = _versions[fn] = _Closure(project_root(file)).digest(fn)
    return version


class _Closure:
    """Everything in the project that one function uses, directly and through others."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._facts: set[str] = set()
        # Functions and classes by identity, and kept, so that no other gets the same one.
        self._seen: dict[int | Path, Any] = {}
        self._waiting: list[FunctionType | type | Path] = []

    def digest(self, fn: FunctionType) -> str:
        inner = inspect.unwrap(fn)
        text = self._function_text(inner)
        if text is None:
            position = Position(inner.__code__.co_filename, inner.__code__.co_firstlineno)
            raise IdentityError(
                f"The source of `{fn.__qualname__}` is not where it was imported from",
                Place("", position=position),
                hint="The file was edited or removed since; start again so that it is imported anew",
            )
        self._meet("", "", fn)
        while self._waiting:
            thing = self._waiting.pop()
            if isinstance(thing, Path):
                self._read_file(thing)
            elif isinstance(thing, type):
                self._read_class(thing)
            else:
                self._read_function(thing)
        return sha256_of("\n".join([inner.__qualname__, sha256_of(text), *sorted(self._facts)]))

    def _wait_for(self, thing: FunctionType | type | Path) -> None:
        key = thing if isinstance(thing, Path) else id(thing)
        if key not in self._seen:
            self._seen[key] = thing
            self._waiting.append(thing)

    def _function_text(self, fn: FunctionType) -> str | None:
        file = source_file(real_path(fn.__code__.co_filename))
        definition = file.function(fn.__code__) if file else None
        return file.text_of(definition) if file and definition else None

    def _read_function(self, fn: FunctionType) -> None:
        code = fn.__code__
        path = real_path(code.co_filename)
        file = source_file(path)
        definition = file.function(code) if file else None
        owner = f"{place_in_project(path, self.root)}:{fn.__qualname__}"
        if file is None or definition is None:
            self._facts.add(f"unknown {owner}")
            return
        self._facts.add(f"function {owner} {sha256_of(file.text_of(definition))}")
        local = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
        for chain in names_used(definition, local):
            self._follow(owner, chain, fn.__globals__)
        for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=True):
            self._meet(owner, name, _content(cell))
        self._imports(imported_names(definition), path)

    def _read_class(self, cls: type) -> None:
        module = self._module_of(cls)
        assert module is not None
        path = real_path(str(module.__file__))
        file = source_file(path)
        definition = file.class_(cls.__qualname__) if file else None
        owner = f"{place_in_project(path, self.root)}:{cls.__qualname__}"
        if file is None or definition is None:
            self._facts.add(f"unknown {owner}")
            return
        self._facts.add(f"class {owner} {sha256_of(file.text_of(definition))}")
        for chain in names_used(definition, ()):
            self._follow(owner, chain, vars(module))
        self._imports(imported_names(definition), path)

    def _read_file(self, path: Path) -> None:
        file = source_file(path)
        text = file.text if file else ""
        self._facts.add(f"file {place_in_project(path, self.root)} {sha256_of(text)}")
        if file:
            self._imports(file.imports(), path)

    def _imports(self, names: Iterator[str], importer: Path) -> None:
        for name in names:
            path = module_file(name, importer, self.root)
            if path is not None and is_below(path, self.root) and not name.startswith(_OWN):
                self._wait_for(path)

    def _follow(self, owner: str, chain: Chain, names: Mapping[str, Any]) -> None:
        value = names.get(chain[0], _MISSING)
        last_module: ModuleType | None = None
        for attribute in chain[1:]:
            if not isinstance(value, ModuleType) or not self._is_project_module(value):
                break
            last_module = value
            value = vars(value).get(attribute, _MISSING)
        if value is _MISSING:
            if last_module is not None:
                self._wait_for(real_path(str(last_module.__file__)))
            return
        self._meet(owner, ".".join(chain), value)

    def _meet(self, owner: str, name: str, value: Any) -> None:
        """Take in one value that code refers to by `name`."""
        if isinstance(value, ModuleType):
            if self._is_project_module(value):
                self._wait_for(real_path(str(value.__file__)))
            else:
                self._package(value.__name__)
        elif isinstance(value, MethodType):
            self._meet(owner, name, value.__func__)
        elif isinstance(value, FunctionType | type | BuiltinFunctionType):
            self._meet_definition(value)
        elif isinstance(value, functools.partial):
            self._meet(owner, name, value.func)
            self._meet(owner, f"{name}()", (value.args, value.keywords))
        elif isinstance(value, MapTask):
            self._meet(owner, name, value.definition)
            self._meet(owner, f"{name}()", (value.bound, msgspec.to_builtins(value.limits)))
        elif _function_in(value) is not None:
            self._meet(owner, name, _function_in(value))
        elif isinstance(value, TaskDefinition):
            self._facts.add(f"task {owner} {name} {value.task_type} {value.version}")
        else:
            self._meet_value(owner, name, value)

    def _meet_definition(self, value: FunctionType | type | BuiltinFunctionType) -> None:
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, FunctionType):
            self._meet_definition(wrapped)
        if isinstance(value, FunctionType):
            ours = not (value.__module__ or "").startswith(_OWN)
            if ours and is_below(real_path(value.__code__.co_filename), self.root):
                self._wait_for(value)
                return
        elif isinstance(value, type):
            module = self._module_of(value)
            if module is not None and self._is_project_module(module):
                self._wait_for(value)
                return
        self._package(value.__module__ or "builtins")

    def _meet_value(self, owner: str, name: str, value: Any) -> None:
        text = canonical(value, self.root)
        if text is not None:
            self._facts.add(f"constant {owner} {name} = {text}")
        else:
            self._facts.add(f"object {owner} {name}: {type(value).__qualname__}")
        for part in (type(value), *get_args(value)):
            if isinstance(part, type):
                self._meet_definition(part)

    def _module_of(self, cls: type) -> ModuleType | None:
        """The module of a class, if that has the class under its name; else its file is not known."""
        module = module_in_space(cls.__module__, self.root)
        found: Any = module
        for name in cls.__qualname__.split("."):
            found = getattr(found, name, None)
        return module if found is cls else None

    def _package(self, module: str) -> None:
        self._facts.add(f"package {module.partition('.')[0]}")

    def _is_project_module(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        if not file or module.__name__.startswith(_OWN):
            return False
        return is_below(real_path(file), self.root)


def _function_in(value: Any) -> FunctionType | None:
    """The function inside a task, a workflow or `functools.lru_cache`."""
    for attribute in ("fn", "__wrapped__"):
        if attribute == "fn" and not type(value).__module__.startswith(_OWN):
            continue
        inner = inspect.getattr_static(value, attribute, None)
        if isinstance(inner, FunctionType):
            return inner
    return None


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
