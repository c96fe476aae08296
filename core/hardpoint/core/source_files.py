"""Source files as the version of a function needs them: parsed once, with each definition's own text."""

from __future__ import annotations

import ast
import functools
import hashlib
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import TypeAlias

from hardpoint.core.project import real_path

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.stmt


class SourceFile:
    """One parsed file.

    Args:
        text: With `\\n` for newlines, whatever the file has.
        tree: What `ast.parse` makes of it.
    """

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree
        self._lines = text.split("\n")
        self._functions: dict[int, Definition] = {}
        self._lambdas: dict[int, Definition] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self._index(tree)

    def function(self, code: CodeType) -> Definition | None:
        """The definition that compiled to `code`; for a lambda the statement around it."""
        if code.co_name == "<lambda>":
            return self._lambdas.get(code.co_firstlineno)
        found = self._functions.get(code.co_firstlineno)
        return found if getattr(found, "name", None) == code.co_name else None

    def class_(self, qualname: str) -> ast.ClassDef | None:
        """The definition of a class, the last one of that name."""
        return self._classes.get(qualname.replace("<locals>.", ""))

    def text_of(self, definition: Definition) -> str:
        """Source of a definition with its decorators, moved to the left margin."""
        lines = self._lines[_first_line(definition) - 1 : definition.end_lineno]
        return textwrap.dedent("\n".join(lines))

    def imports(self) -> Iterator[str]:
        """Dotted names of everything it imports; a leading dot is kept."""
        return imported_names(self.tree)

    def _index(self, tree: ast.Module) -> None:
        stack: list[tuple[ast.AST, str, ast.stmt | None]] = [(tree, "", None)]
        while stack:
            node, prefix, statement = stack.pop()
            if isinstance(node, ast.stmt):
                statement = node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions[_first_line(node)] = node
                prefix += f"{node.name}."
            elif isinstance(node, ast.ClassDef):
                self._classes[prefix + node.name] = node
                prefix += f"{node.name}."
            elif isinstance(node, ast.Lambda) and statement is not None:
                self._lambdas[node.lineno] = statement
            stack.extend((child, prefix, statement) for child in reversed(list(ast.iter_child_nodes(node))))


def _first_line(definition: Definition) -> int:
    decorators: list[ast.expr] = getattr(definition, "decorator_list", [])
    return min([definition.lineno, *(each.lineno for each in decorators)])


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what the code below `tree` imports.

    >>> list(imported_names(ast.parse("import a.b\\nfrom c import d\\nfrom . import e")))
    ['a.b', 'c', 'c.d', '.', '.e']
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            dot = "." if node.module else ""
            yield from (f"{base}{dot}{alias.name}" for alias in node.names)


def source_file(path: Path) -> SourceFile | None:
    """Read and parse a file; None if it is not Python source. Parsed again when it has changed."""
    try:
        stamp = path.stat()
        return _parsed(str(path), stamp.st_mtime_ns, stamp.st_size)
    except (OSError, SyntaxError, ValueError):
        return None


@functools.lru_cache(maxsize=512)
def _parsed(path: str, _mtime_ns: int, _size_bytes: int) -> SourceFile:
    text = Path(path).read_text(encoding="utf-8")  # read_text makes every newline `\n`
    return SourceFile(text, ast.parse(text))


def module_file(name: str, importer: Path, root: Path) -> Path | None:
    """The project file that an import statement means, found without importing anything.

    Args:
        name: Dotted; leading dots are relative to the importer's package.
        importer: The file with the statement.
        root: Of the project; also searched, with its `src`, as is the importer's folder.
    """
    bare = name.lstrip(".")
    dots = len(name) - len(bare)
    folders = [importer.parent, root, root / "src"]
    if dots:
        folders = [importer.parents[dots - 1]] if dots <= len(importer.parents) else []
    for folder in folders:
        place = folder.joinpath(*bare.split(".")) if bare else folder
        for candidate in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if candidate.is_file():
                return real_path(str(candidate))
    return None


def sha256_of(text: str) -> str:
    """Digest of a text: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()
