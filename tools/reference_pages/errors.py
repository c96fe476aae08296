"""`docs/reference/errors.md`: every error of every room, from the class statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.reference_pages.markdown import NOTE, one_line, page, table

ROOMS = ("plugin_api", "core", "registry", "executor", "contrib")


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

    def rows(base: str, depth: int) -> Iterator[tuple[str, str, str]]:
        for each in sorted((e for e in found.values() if e.base == base), key=lambda e: e.name):
            yield (f"{'· ' * depth}`{each.name}`", each.doc, f"`{each.module}`")
            yield from rows(each.name, depth + 1)

    return page(
        [
            "# Errors",
            NOTE,
            "The name of an error is its stable code: `--json` prints it, the journal keeps it. "
            "A dot stands for each level below `HardpointError`.",
            table(("error", "meaning", "defined in"), list(rows("Exception", 0))),
        ]
    )


def _error_classes(room: Path) -> Iterator[ErrorClass]:
    for path in sorted(room.rglob("*.py")):
        module = ".".join(path.relative_to(room).with_suffix("").parts).removesuffix(".__init__")
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            match statement:
                case ast.ClassDef(name=name, bases=[ast.Name(id=base)]) if not name.startswith("_"):
                    doc = one_line((ast.get_docstring(statement) or "").partition("\n\n")[0])
                    yield ErrorClass(name, base, doc, module)
                case _:
                    pass
