"""Write the pages of `docs/reference` that follow from the code; `--check` only compares them.

- `hooks.md`: every hook with its arguments, from `hookspecs.py`.
- `api.md`: every name of `hardpoint.plugin_api`, from its `__all__`.
- `errors.md`: every error of every room, from the class statements.
- `events.md`: every event of the journal with its fields.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import get_args

from hardpoint import plugin_api
from hardpoint.executor.journal import events
from hardpoint.plugin_api import PROJECT_NAME, hookspecs

NOTE = "<!-- Written by `make docs` from the code; change the docstrings instead. -->"
ROOMS = ("plugin_api", "core", "registry", "executor", "contrib")


# --- hooks ---------------------------------------------------------------------------------------------


def hooks_page() -> str:
    """Every hook in the order the host calls them."""
    parts = ["# Hooks", NOTE, inspect.cleandoc(hookspecs.__doc__ or "")]
    for name, function in vars(hookspecs).items():
        options = getattr(function, f"{PROJECT_NAME}_spec", None)
        if options is None:
            continue
        signature = inspect.signature(function)
        rows = [f"| `{each.name}` | `{_plain(each.annotation)}` |" for each in signature.parameters.values()]
        arguments = "| argument | type |\n|---|---|\n" + "\n".join(rows) if rows else "No arguments."
        first = " The first answer that is not `None` counts." if options["firstresult"] else ""
        text, _, example = inspect.cleandoc(function.__doc__ or "").partition("\n\nExample:\n")
        parts += [
            f"## `{name}`",
            text.replace("\n", " ") + first,
            arguments,
            f"Returns `{_plain(signature.return_annotation)}`.",
            inspect.cleandoc(example),
        ]
    return _page(parts)


# --- plugin_api ----------------------------------------------------------------------------------------


def api_page() -> str:
    """Every public name, by the module that defines it, in the order of its source."""
    parts = ["# `hardpoint.plugin_api`", NOTE, inspect.cleandoc(plugin_api.__doc__ or "")]
    public = set(plugin_api.__all__)
    for module in _modules(plugin_api):
        members = [member for member in _members(module) if member.name in public]
        if not members:
            continue
        summary = inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
        parts += [f"## {module.__name__.rpartition('.')[2]}", summary]
        for member in members:
            public.discard(member.name)
            parts += [f"### `{member.name}`", *_describe(member)]
    assert not public, f"defined in no module of its own: {sorted(public)}"
    return _page(parts)


@dataclass(frozen=True, slots=True)
class Member:
    """A public name: the statement that defines it, and what is written about it."""

    name: str
    statement: ast.stmt
    doc: str


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    prefix = f"{package.__name__}."
    yield from (sys.modules[name] for name in sorted(sys.modules) if name.startswith(prefix))


def _members(module: ModuleType) -> Iterator[Member]:
    body = ast.parse(inspect.getsource(module)).body
    for statement, after in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield Member(name, statement, ast.get_docstring(statement) or "")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield Member(name, statement, _text(after))
            case _:
                pass


def _text(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return inspect.cleandoc(text)
        case _:
            return ""


def _describe(member: Member) -> Iterator[str]:
    match member.statement:
        case ast.ClassDef() as statement:
            yield f"```python\n{_class_source(statement)}\n```"
            yield _markdown(member.doc)
            yield "\n".join(_methods(statement))
        case ast.FunctionDef() as function:
            yield f"```python\n{_signature(function)}\n```"
            yield _markdown(member.doc)
        case statement:
            yield f"```python\n{ast.unparse(statement)}\n```"
            yield member.doc


def _class_source(statement: ast.ClassDef) -> str:
    """The head of a class with its fields, or its members if it is an enum."""
    bases = ", ".join(ast.unparse(each) for each in (*statement.bases, *statement.keywords))
    fields = [
        f"    {ast.unparse(each)}"
        for each in statement.body
        if isinstance(each, ast.Assign | ast.AnnAssign) and not ast.unparse(each).startswith("_")
    ]
    head = f"class {statement.name}({bases})" if bases else f"class {statement.name}"
    return "\n".join([f"{head}:", *fields]) if fields else head


def _methods(statement: ast.ClassDef) -> Iterator[str]:
    for each in statement.body:
        if not isinstance(each, ast.FunctionDef) or each.name.startswith("_"):
            continue
        first = (ast.get_docstring(each) or "").partition("\n\n")[0].replace("\n", " ")
        is_property = any(ast.unparse(decorator).endswith("property") for decorator in each.decorator_list)
        yield f"- `{each.name if is_property else _signature(each)}`: {first}"


def _signature(function: ast.FunctionDef) -> str:
    arguments = ast.unparse(function.args).removeprefix("self, ").removeprefix("self")
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{function.name}({arguments}){returns}"


def _plain(annotation: object) -> str:
    """Annotations are text already (postponed evaluation); only their quotes have to go."""
    return str(annotation).replace("'", "")


def _markdown(doc: str) -> str:
    """A docstring as Markdown: sections become bold lines, doctests become code."""
    lines: list[str] = []
    in_doctest = False
    for line in doc.splitlines():
        if line.startswith(">>> ") and not in_doctest:
            lines.append("```pycon")
            in_doctest = True
        elif in_doctest and not line:
            lines.append("```")
            in_doctest = False
        if line in ("Args:", "Returns:", "Raises:", "Example:"):
            lines += [f"**{line[:-1]}**", ""]
        elif line.startswith("    ") and not in_doctest:
            stripped = line.strip()
            lines.append(f"  {stripped}" if line.startswith("        ") else f"- {stripped}")
        else:
            lines.append(line)
    return "\n".join([*lines, "```"] if in_doctest else lines)


# --- errors --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """One class statement."""

    name: str
    base: str
    doc: str
    module: str


def errors_page(root: Path) -> str:
    """Every error, below the one it specialises."""
    found = {each.name: each for room in ROOMS for each in _error_classes(root / room)}

    def rows(base: str, depth: int) -> Iterator[str]:
        for each in sorted((e for e in found.values() if e.base == base), key=lambda e: e.name):
            yield f"| {'· ' * depth}`{each.name}` | {each.doc} | `{each.module}` |"
            yield from rows(each.name, depth + 1)

    return _page(
        [
            "# Errors",
            NOTE,
            "The name of an error is its stable code: `--json` prints it, the journal keeps it. "
            "A dot stands for each level below `HardpointError`.",
            "| error | meaning | defined in |\n|---|---|---|\n" + "\n".join(rows("Exception", 0)),
        ]
    )


def _error_classes(room: Path) -> Iterator[ErrorClass]:
    for path in sorted(room.rglob("*.py")):
        module = ".".join(path.relative_to(room).with_suffix("").parts).removesuffix(".__init__")
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            match statement:
                case ast.ClassDef(name=name, bases=[ast.Name(id=base)]) if not name.startswith("_"):
                    doc = (ast.get_docstring(statement) or "").partition("\n\n")[0].replace("\n", " ")
                    yield ErrorClass(name, base, doc, module)
                case _:
                    pass


# --- pages ---------------------------------------------------------------------------------------------


# --- events --------------------------------------------------------------------------------------------


def events_page() -> str:
    """Every event, the frequent first."""
    parts = ["# Events", NOTE, inspect.cleandoc(events.__doc__ or "")]
    for event in get_args(events.Event):
        tag = event.__struct_config__.tag
        rows = [f"| `{name}` | `{hint}` |" for name, hint in event.__annotations__.items()]
        parts += [
            f"## `{event.__name__}`",
            f"{_plain_text(event)} On disk `{tag}`.",
            "| field | type |\n|---|---|\n" + "\n".join(rows),
        ]
    return _page(parts)


def _plain_text(event: type) -> str:
    return inspect.cleandoc(event.__doc__ or "").replace("\n", " ")


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write, or compare; return the exit code."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    options = parser.parse_args(arguments)
    pages = {
        "hooks.md": hooks_page(),
        "api.md": api_page(),
        "errors.md": errors_page(root),
        "events.md": events_page(),
    }
    old = []
    for name, text in pages.items():
        path = root / "docs" / "reference" / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        old.append(path.relative_to(root).as_posix())
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if options.check and old:
        print(f"out of date: {', '.join(old)}\n\nhint: run `make docs`")
        return 1
    print(f"written: {', '.join(old)}" if old else "all pages are current")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
