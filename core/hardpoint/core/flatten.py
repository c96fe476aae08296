"""Inline sub-workflows: one graph of tasks, as the executor runs it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hardpoint.core.binding import Leaf, nodes_read, replace_leaves
from hardpoint.core.compiled import (
    Binding,
    CompiledWorkflow,
    FromInput,
    FromNode,
    Given,
    Mapped,
    Node,
    WorkflowBody,
)
from hardpoint.core.graph import in_runnable_order, runnable_order
from hardpoint.plugin_api import Interface


class FlatNode(msgspec.Struct, frozen=True, gc=False):
    """One node of a run.

    Args:
        id: `node`, or `outer.inner` for a node of a sub-workflow.
        spec_key: Key into `CompiledWorkflow.tasks`.
        inputs: A binding for each input of the task, defaults filled in.
        upstream: Nodes that must succeed first, each once.
        map: Set if the task runs once for each item of lists.
    """

    id: str
    spec_key: str
    inputs: tuple[tuple[str, Binding], ...]
    upstream: tuple[str, ...]
    map: Mapped | None = None


class FlatGraph(msgspec.Struct, frozen=True):
    """A workflow without sub-workflows in it.

    Args:
        nodes: In an order in which they could run.
        dependents: For each node, who waits for it; nodes that nobody waits for are left out.
        outputs: Where the run's outputs come from.
    """

    nodes: dict[str, FlatNode]
    dependents: dict[str, tuple[str, ...]]
    outputs: dict[str, Binding]


def flatten(compiled: CompiledWorkflow) -> FlatGraph:
    """Inline the sub-workflows of a compiled workflow that has no problems.

    What waits for a sub-workflow waits for all that must be done before its outputs are there and its
    last nodes have run; through an empty one, for what the empty one waits for.
    """
    inliner = _Inliner(compiled)
    body = compiled.body
    if any(node.workflow for node in body.nodes):
        arguments: dict[str, Binding] = {
            variable.name: FromInput(variable.name) for variable in body.interface.inputs
        }
        outputs = inliner.inline(body, "", arguments, ()).outputs
    else:
        inliner.add_tasks(body)
        outputs = body.outputs
    dependents: dict[str, list[str]] = {}
    for node in inliner.nodes.values():
        for up in node.upstream:
            dependents.setdefault(up, []).append(node.id)
    shared = {id: inliner.share(tuple(those)) for id, those in dependents.items()}
    return FlatGraph(inliner.nodes, shared, outputs)


class _Inlined(msgspec.Struct):
    """What became of one node.

    Args:
        outputs: Where they come from, in terms of flat nodes and the run's inputs.
        done: Whom to wait for until all of it is done.
        gate: Whom readers of its outputs must wait for besides the nodes these come from: an output that
            is an input passed on, or a constant, comes from no node inside that would do the waiting.
    """

    outputs: dict[str, Binding]
    done: tuple[str, ...]
    gate: tuple[str, ...] = ()


class _Inliner:
    def __init__(self, compiled: CompiledWorkflow) -> None:
        self.nodes: dict[str, FlatNode] = {}
        self._compiled = compiled
        self._defaults = {key: _given_defaults(spec.interface) for key, spec in compiled.tasks.items()}
        self._groups: dict[tuple[str, ...], tuple[str, ...]] = {}

    def share(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """The same ids as one object for all: in wide graphs most nodes have the same neighbours."""
        return self._groups.setdefault(ids, ids)

    def add_tasks(self, body: WorkflowBody) -> None:
        """Add the nodes of a main workflow without sub-workflows: its bindings need no replacing."""
        for node in _in_order(body):
            self._add(node.id, node, node.inputs, node.after)

    def inline(
        self, body: WorkflowBody, prefix: str, arguments: dict[str, Binding], before: tuple[str, ...]
    ) -> _Inlined:
        """Add the nodes of one workflow.

        Args:
            body: The workflow.
            prefix: Of its nodes' ids, such as `outer.`.
            arguments: Its inputs, in terms of flat nodes and the run's inputs.
            before: Flat nodes that must be done before any of its own.
        """
        made: dict[str, _Inlined] = {}

        def replace(leaf: Leaf) -> Binding:
            return (
                arguments[leaf.name] if isinstance(leaf, FromInput) else made[leaf.node].outputs[leaf.output]
            )

        waited_for: set[str] = set()
        inner = {node.id for node in body.nodes if node.workflow}
        for node in _in_order(body):
            read = nodes_read(node.inputs)
            waited_for.update(read, node.after)
            inputs = node.inputs
            # What reads only tasks and inputs of the run is already in its terms.
            if prefix or not inner.isdisjoint(read):
                inputs = {name: replace_leaves(binding, replace) for name, binding in inputs.items()}
            first = before
            if read or node.after:
                gates = (made[id].gate for id in read)
                first = _together([*(made[id].done for id in node.after), *gates])
            if node.workflow:
                made[node.id] = self._subworkflow(node, prefix, inputs, first)
            else:
                made[node.id] = self._task(node, prefix, inputs, first)
        outputs = {name: replace_leaves(binding, replace) for name, binding in body.outputs.items()}
        last = _together(each.done for id, each in made.items() if id not in waited_for)
        done = _together([last or before, tuple(nodes_read(outputs))])
        gate = _together(made[id].gate for id in nodes_read(body.outputs))
        if any(not nodes_read({name: binding}) for name, binding in body.outputs.items()):
            gate = _together([gate, before])
        return _Inlined(outputs, done, gate)

    def _task(self, node: Node, prefix: str, inputs: dict[str, Binding], first: tuple[str, ...]) -> _Inlined:
        id = prefix + node.id
        self._add(id, node, inputs, first)
        outputs = self._compiled.tasks[node.task].interface.outputs
        return _Inlined({variable.name: FromNode(id, variable.name) for variable in outputs}, (id,))

    def _add(self, id: str, node: Node, inputs: dict[str, Binding], first: tuple[str, ...]) -> None:
        upstream = nodes_read(inputs)
        if first:
            upstream.update(dict.fromkeys(first))
        defaults = self._defaults[node.task]
        bound = {**defaults, **inputs} if defaults else inputs
        self.nodes[id] = FlatNode(id, node.task, tuple(bound.items()), self.share(tuple(upstream)), node.map)

    def _subworkflow(
        self, node: Node, prefix: str, inputs: dict[str, Binding], first: tuple[str, ...]
    ) -> _Inlined:
        body = self._compiled.workflows[node.workflow]
        arguments = {**_given_defaults(body.interface), **inputs}
        inlined = self.inline(body, f"{prefix}{node.id}.", arguments, first)
        if body.nodes:
            return inlined
        # Nothing in it can wait for its inputs, so whoever waits for it does.
        return _Inlined(inlined.outputs, _together([inlined.done, tuple(nodes_read(inputs))]), inlined.gate)


def _given_defaults(interface: Interface) -> dict[str, Binding]:
    return {variable.name: Given(variable.default) for variable in interface.inputs if not variable.required}


def _together(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id for group in groups for id in group))


def _in_order(body: WorkflowBody) -> Iterable[Node]:
    """Nodes of a body; an importer may have written them in another order."""
    upstream = {node.id: nodes_read(node.inputs) | dict.fromkeys(node.after) for node in body.nodes}
    if in_runnable_order(upstream.items()):
        return body.nodes
    by_id = {node.id: node for node in body.nodes}
    return [by_id[id] for id in runnable_order(upstream)]
