"""Check a compiled workflow that an importer built, or that came from a file.

`compile_workflow` finds the same mistakes while it traces, with the author's lines; what it returns
passes these checks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from hardpoint.core.binding import leaves, nodes_read
from hardpoint.core.binding_types import misfits
from hardpoint.core.compile_errors import (
    CompileError,
    CycleError,
    DuplicateIdError,
    MapError,
    MissingOutputError,
    Place,
    TypeMismatchError,
    UnboundInputError,
    UnknownInputError,
    UnknownOutputError,
    UnknownTaskError,
    did_you_mean,
    listed,
)
from hardpoint.core.compiled import Binding, CompiledWorkflow, FromInput, Node, WorkflowBody
from hardpoint.core.graph import find_cycle
from hardpoint.core.map_checks import map_problems
from hardpoint.core.mapped_face import mapped_interface
from hardpoint.core.order_checks import order_problems
from hardpoint.plugin_api import AnyType, Interface, Position


def check_compiled(compiled: CompiledWorkflow) -> list[CompileError]:
    """Return everything that is wrong with a compiled workflow; empty if it can run.

    Time grows with the number of bindings, and nothing recurses along the graph.
    """
    found: list[CompileError] = []
    if compiled.main not in compiled.workflows:
        text = f"The main workflow `{compiled.main}` is not there"
        hint = did_you_mean(compiled.main, compiled.workflows, f"There are {listed(compiled.workflows)}")
        found.append(UnknownTaskError(text, Place(compiled.main), hint=hint))
    for key, body in compiled.workflows.items():
        found.extend(_BodyCheck(compiled, key, body).problems())
    calls = {
        key: [node.workflow for node in body.nodes if node.workflow]
        for key, body in compiled.workflows.items()
    }
    cycle = find_cycle(calls)
    if cycle is not None:
        text = f"Workflows call each other: {' -> '.join(reversed(cycle))}"
        found.append(CycleError(text, Place(cycle[0]), hint="Break the circle: a graph cannot repeat itself"))
    return found


class _BodyCheck:
    """The checks of one workflow's body."""

    def __init__(self, compiled: CompiledWorkflow, key: str, body: WorkflowBody) -> None:
        self.compiled = compiled
        self.key = key
        self.body = body
        self.name = key.rpartition(":")[2].rpartition(".")[2]
        self.inputs = {variable.name: variable.type for variable in body.interface.inputs}
        self.outputs: dict[str, dict[str, AnyType]] = {}

    def place(self, node: str = "") -> Place:
        return Place(self.name, node, self.positions.get(node))

    @functools.cached_property
    def positions(self) -> dict[str, Position]:
        return self.compiled.positions_in(self.key)

    def problems(self) -> Iterator[CompileError]:
        faces: list[tuple[Node, Interface]] = []
        for node in self.body.nodes:
            if node.id in self.outputs:
                text = f"Two nodes in workflow `{self.name}` are named `{node.id}`"
                yield DuplicateIdError(text, self.place(node.id), hint="Give one of them another id")
            face, problem = self._face(node)
            self.outputs[node.id] = {variable.name: variable.type for variable in face.outputs}
            if problem is None:
                faces.append((node, face))
            else:
                yield problem
        for node, face in faces:
            yield from self._node(node, face)
        yield from self._workflow_outputs()
        upstream = {node.id: nodes_read(node.inputs) | dict.fromkeys(node.after) for node in self.body.nodes}
        yield from order_problems(self.name, upstream, self.place)

    def _face(self, node: Node) -> tuple[Interface, CompileError | None]:
        where = f"Node `{node.id}` in workflow `{self.name}`"
        if bool(node.task) == bool(node.workflow):
            text = f"{where} names {'both a task and a workflow' if node.task else 'no task and no workflow'}"
            return Interface(), UnknownTaskError(text, self.place(node.id), hint="Set exactly one of the two")
        if node.workflow and node.map is not None:
            text = f"{where} maps workflow `{node.workflow}`"
            hint = "Map the tasks in it, or put what it does into one task"
            return Interface(), MapError(text, self.place(node.id), hint=hint)
        if node.task in self.compiled.tasks:
            face = self.compiled.tasks[node.task].interface
            return (face if node.map is None else mapped_interface(face, node.map)), None
        if node.workflow in self.compiled.workflows:
            return self.compiled.workflows[node.workflow].interface, None
        kind, wanted = ("task", node.task) if node.task else ("workflow", node.workflow)
        known = list(self.compiled.tasks if node.task else self.compiled.workflows)
        text = f"{where} runs {kind} `{wanted}`, which is not there"
        hint = did_you_mean(wanted, known, f"Add it to `{kind}s`")
        return Interface(), UnknownTaskError(text, self.place(node.id), hint=hint)

    def _node(self, node: Node, face: Interface) -> Iterator[CompileError]:
        known = {variable.name: variable.type for variable in face.inputs}
        callee = node.task or node.workflow
        for problem in map_problems(node.map, known, node.inputs) if node.map is not None else ():
            text = f"Node `{node.id}` in workflow `{self.name}` {problem.text}"
            yield MapError(text, self.place(node.id), hint=problem.hint)
        for name, binding in node.inputs.items():
            if name not in known:
                text = f"Node `{node.id}` in workflow `{self.name}` is given `{name}`, "
                text += f"which `{callee}` does not take"
                otherwise = f"Its inputs are {listed(known)}" if known else "It has no inputs"
                yield UnknownInputError(text, self.place(node.id), hint=did_you_mean(name, known, otherwise))
                continue
            what = f"Input `{name}` of node `{node.id}` in workflow `{self.name}`"
            yield from self._binding(binding, known[name], what, lambda: self.place(node.id))
        for variable in face.missing(set(node.inputs)):
            text = f"Input `{variable.name}` of node `{node.id}` in workflow `{self.name}` has no value"
            hint = f"Bind it to a `{variable.type}`, or give it a default"
            yield UnboundInputError(text, self.place(node.id), hint=hint)

    def _workflow_outputs(self) -> Iterator[CompileError]:
        known = {variable.name: variable.type for variable in self.body.interface.outputs}
        for name, type in known.items():
            if name not in self.body.outputs:
                text = f"Output `{name}` of workflow `{self.name}` is declared as `{type}`, but not bound"
                yield MissingOutputError(
                    text, self.place(), hint="Bind it in `outputs`, or do not declare it"
                )
        for name, binding in self.body.outputs.items():
            if name not in known:
                text = f"Output `{name}` of workflow `{self.name}` is bound, but not declared"
                otherwise = f"Its outputs are {listed(known)}"
                yield UnknownOutputError(text, self.place(), hint=did_you_mean(name, known, otherwise))
                continue
            what = f"Output `{name}` of workflow `{self.name}`"
            yield from self._binding(binding, known[name], what, self.place)

    def _binding(
        self, binding: Binding, wanted: AnyType, what: str, place: Callable[[], Place]
    ) -> Iterator[CompileError]:
        complete = True
        for leaf in leaves(binding):
            if isinstance(leaf, FromInput):
                if leaf.name not in self.inputs:
                    complete = False
                    text = f"{what} reads input `{leaf.name}`, which workflow `{self.name}` does not have"
                    hint = did_you_mean(leaf.name, self.inputs, f"Its inputs are {listed(self.inputs)}")
                    yield UnknownInputError(text, place(), hint=hint)
            elif leaf.node not in self.outputs:
                complete = False  # reported with the order of nodes
            elif leaf.output not in self.outputs[leaf.node]:
                complete = False
                outputs = self.outputs[leaf.node]
                text = f"{what} reads output `{leaf.output}`, which node `{leaf.node}` does not have"
                hint = did_you_mean(leaf.output, outputs, f"Its outputs are {listed(outputs)}")
                yield UnknownOutputError(text, place(), hint=hint)
        if complete:
            for misfit in misfits(binding, wanted, self.inputs, self.outputs):
                yield TypeMismatchError(f"{what}{misfit.text}", place(), hint=misfit.hint)
