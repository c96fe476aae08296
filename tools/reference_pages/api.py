"""`docs/reference/api.md`: every name of `hardpoint.plugin_api`, from its `__all__`."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from tools.reference_pages.markdown import NOTE, one_line, page

from hardpoint import plugin_api


def api_page() -> str:
    """Every public name, by the module that defines it, in the order of its source."""
    parts = ["# `hardpoint.plugin_api`", NOTE, inspect.cleandoc(plugin_api.__doc__ or "")]
    public = set(plugin_api.__all__)
    for module in _modules(plugin_api):
        members = [member for member in _members(module) if member.name in public]
        if not members:
            continue
        summary = one_line(inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0])
        parts += [f"## {module.__name__.rpartition('.')[2]}", summary]
        for member in members:
            public.discard(member.name)
            parts += [f"### `{member.name}`", *_describe(member)]
    assert not public, f"defined in no module of its own: {sorted(public)}"
    return page(parts)


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
        first = one_line((ast.get_docstring(each) or "").partition("\n\n")[0])
        is_property = any(ast.unparse(decorator).endswith("property") for decorator in each.decorator_list)
        yield f"- `{each.name if is_property else _signature(each)}`: {first}"


def _signature(function: ast.FunctionDef) -> str:
    arguments = ast.unparse(function.args).removeprefix("self, ").removeprefix("self")
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{function.name}({arguments}){returns}"


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
