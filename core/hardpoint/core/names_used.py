"""Which names of its module a piece of code uses, as dotted chains."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import TypeAlias

Chain: TypeAlias = tuple[str, ...]
"""A name and the attributes taken from it: `stats.mean` is `("stats", "mean")`."""


def names_used(tree: ast.AST, local: Collection[str]) -> list[Chain]:
    """Return the chains that start at a name that is not local, each once, in order.

    >>> names_used(ast.parse("def f(x: Table): return stats.mean(x) + N"), {"x"})
    [('Table',), ('stats', 'mean'), ('N',)]
    """
    visitor = _Names(frozenset(local))
    visitor.visit(tree)
    return list(visitor.found)


class _Names(ast.NodeVisitor):
    def __init__(self, local: frozenset[str]) -> None:
        self.local = local
        self.found: dict[Chain, None] = {}

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._add((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self._add((inner.id, *reversed(names)))
        else:
            self.visit(inner)

    def _add(self, chain: Chain) -> None:
        if chain[0] not in self.local and not chain[0].startswith("__"):
            self.found[chain] = None
