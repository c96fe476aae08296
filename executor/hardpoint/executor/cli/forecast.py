"""What a run would do, as far as that is known before it: cache answers and the longest chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hardpoint.core.binding import resolve
from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.core.mapped_types import with_missing
from hardpoint.executor.engine.cache import cache_key
from hardpoint.executor.journal.protocol import Journal
from hardpoint.plugin_api import HardpointError, Wire

OFF = "off"
HIT = "hit"
PARTLY = "partly"
MISS = "miss"
UNKNOWN = "unknown"


class Chain(msgspec.Struct, frozen=True):
    """The longest chain of nodes that wait for each other.

    Args:
        nodes: From first to last.
        duration_s: As earlier runs took; None if none of its nodes has run.
    """

    nodes: tuple[str, ...]
    duration_s: float | None


def cache_states(
    compiled: CompiledWorkflow,
    graph: FlatGraph,
    inputs: Mapping[str, Wire],
    journal: Journal,
    project: str,
    domain: str,
) -> dict[str, str]:
    """By node: `off`, `hit`, `miss`, or `unknown` where its inputs depend on what must run first.

    Of a node that maps over lists: `partly` if some of its items are there.

    Args:
        compiled, graph: The workflow.
        inputs: Those that are known.
        journal: Its cache is asked.
        project, domain: The tenant.
    """
    outputs: dict[str, dict[str, Wire]] = {}
    states: dict[str, str] = {}
    asked: dict[str, list[str]] = {}

    # As rarely as the graph allows: a query for each node of a large one would take seconds.
    def ask() -> None:
        found = journal.cached(list({key for keys in asked.values() for key in keys}))
        for id, keys in asked.items():
            hits = sum(key in found for key in keys)
            states[id] = HIT if hits == len(keys) else PARTLY if hits else MISS
            if states[id] == HIT:
                outputs[id] = _outputs(compiled, graph.nodes[id], [found[key].outputs for key in keys])
        asked.clear()

    for node in graph.nodes.values():
        states[node.id] = OFF
        if (spec := compiled.tasks[node.spec_key]).cache is None:
            continue
        if any(up in asked for up in node.upstream):
            ask()
        states[node.id] = UNKNOWN
        if (wires := known_inputs(node, inputs, outputs)) is not None:
            asked[node.id] = [cache_key(spec, each, project, domain) for each in calls_of(node, wires)]
    ask()
    return states


def known_inputs(
    node: FlatNode, inputs: Mapping[str, Wire], outputs: Mapping[str, dict[str, Wire]]
) -> dict[str, Any] | None:
    """Wire values of a node's inputs by name, as bound; None if one of them is not known.

    Args:
        node: Of the graph.
        inputs: Of the workflow, those that are known.
        outputs: Of other nodes, those that are known.
    """
    try:
        return {name: resolve(binding, inputs, outputs.__getitem__) for name, binding in node.inputs}
    except (KeyError, HardpointError):
        return None


def calls_of(node: FlatNode, wires: dict[str, Any]) -> list[dict[str, Any]]:
    """The inputs of each attempt: of the node, or of the items of a mapped one."""
    if node.map is None:
        return [wires]
    same = {name: wire for name, wire in wires.items() if name not in node.map.over}
    lists = [wires[name] for name in node.map.over]
    # Lists that differ in length are an error of the run, not of its plan.
    return [{**same, **dict(zip(node.map.over, items, strict=True))} for items in zip(*lists, strict=False)]


def _outputs(compiled: CompiledWorkflow, node: FlatNode, found: Sequence[dict[str, Wire]]) -> dict[str, Wire]:
    if node.map is None:
        return found[0]
    lists: dict[str, Wire] = {}
    for variable in compiled.tasks[node.spec_key].interface.outputs:
        wires = [outputs[variable.name] for outputs in found]
        tolerant = node.map.tolerant
        lists[variable.name] = with_missing(variable.type, wires, [False] * len(wires)) if tolerant else wires
    return lists


def longest_chain(graph: FlatGraph, durations_s: Mapping[str, float]) -> Chain:
    """The chain that takes longest; where no durations are known, the one with most nodes.

    Args:
        graph: Its nodes come in an order in which they could run.
        durations_s: By node, from earlier runs.
    """
    reached: dict[str, tuple[float, int]] = {}
    before: dict[str, str] = {}
    for id, node in graph.nodes.items():
        last = max(node.upstream, key=reached.__getitem__, default="")
        seconds, count = reached[last] if last else (0.0, 0)
        reached[id] = (seconds + durations_s.get(id, 0.0), count + 1)
        before[id] = last
    if not reached:
        return Chain((), None)
    chain = [max(reached, key=reached.__getitem__)]
    total_s = reached[chain[0]][0]
    while before[chain[-1]]:
        chain.append(before[chain[-1]])
    known = any(id in durations_s for id in chain)
    return Chain(tuple(reversed(chain)), total_s if known else None)
