"""What a NODE on a command line names: a node, all nodes of a sub-workflow, or one item of an array node."""

from __future__ import annotations

import re
from typing import NamedTuple

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.executor.cli.arrays import typed
from hardpoint.executor.view import RunView, Try
from hardpoint.plugin_api import UsageError

_ITEM = re.compile(r"(?P<node>.+)\[(?P<index>-?\d+)\]")


class UnknownNodeError(UsageError):
    """The run has no node of that name."""


class UnknownItemError(UsageError):
    """The node has no item of that number."""


class Named(NamedTuple):
    """Ids of nodes, in the order in which they could run; or one item of an array node."""

    nodes: list[str]
    item: int | None = None

    @property
    def id(self) -> str:
        """Of the one item, or of the first node."""
        return self.nodes[0] if self.item is None else f"{self.nodes[0]}[{self.item}]"


def named_by(view: RunView, text: str) -> Named:
    """What was named.

    Raises:
        UnknownNodeError: The run has no such node.
        UnknownItemError: It is no array node, or has fewer items.
    """
    nodes = view.state.nodes
    if text in nodes:
        return Named([text])
    below = [id for id in nodes if id.startswith(f"{text}.")]
    if below:
        return Named(below)
    item = _ITEM.fullmatch(text)
    if item is not None and item["node"] in nodes:
        return Named([item["node"]], _index(view, item["node"], item["index"]))
    name = item["node"] if item is not None else text
    show = f"`hardpoint executions show {view.row.execution}` lists its nodes"
    raise UnknownNodeError(
        f"Run `{view.row.execution}` has no node `{name}`", hint=did_you_mean(name, nodes, show)
    )


def _index(view: RunView, node: str, text: str) -> int:
    array = view.state.nodes[node].array
    if array is None and view.state.graph.nodes[node].map is None:
        raise UnknownItemError(f"Node `{node}` has no items: it is not mapped", hint=f"Write `{node}`")
    if array is None:
        raise UnknownItemError(
            f"Node `{node}` has no items yet: what it maps over is not known",
            hint=f"`hardpoint executions show {view.row.execution} {node}` shows what it waits for",
        )
    if not text.isdecimal() or int(text) >= array.size:
        last = typed(f"{node}[{array.size - 1}]")
        range_ = f"They are `{typed(f'{node}[0]')}` to `{last}`" if array.size else "Its lists are empty"
        items = f"{array.size:,} item" + ("s" if array.size != 1 else "")
        raise UnknownItemError(f"Node `{node}` has {items}, and none is `{text}`", hint=range_)
    return int(text)


def tries_at(view: RunView, named: Named) -> list[Try]:
    """Attempts of what was named; of an array node, of all its items."""
    if named.item is not None:
        return [each for each in view.tries if each.node == named.id]
    wanted = set(named.nodes)
    return [each for each in view.tries if each.node in wanted or each.node.rpartition("[")[0] in wanted]
