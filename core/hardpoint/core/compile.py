"""Name, order and freeze what was traced: a `CompiledWorkflow` with everything it needs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hardpoint.core.compile_errors import CompileError, CompileErrors
from hardpoint.core.compiled import CompiledWorkflow, Node, WorkflowBody, digest_of
from hardpoint.core.identity import spec_of
from hardpoint.core.positions import SiteList, Sites
from hardpoint.core.project import place_in_project, project_root
from hardpoint.core.traced import TracedNode, TracedWorkflow
from hardpoint.plugin_api import Options, Position, TaskDefinition, TaskSpec

_DIGEST_SHOWN = 12


class Compilation(msgspec.Struct, frozen=True, eq=False):
    """A compiled workflow, and the definitions it was made from.

    Args:
        compiled: What can be stored and run.
        definitions: By key in `compiled.tasks`; their files are what a project archive must hold.
    """

    compiled: CompiledWorkflow
    definitions: dict[str, TaskDefinition]


def compile_traced(main: TracedWorkflow) -> Compilation:
    """Freeze a workflow with its sub-workflows.

    Raises:
        CompileErrors: A task could not be found again by another process.
    """
    root = project_root(main.authored.file)
    workflows = _with_subworkflows(main)
    tasks = _Tasks(root)
    for traced in workflows:
        for node in traced.nodes:
            tasks.add(node)
    if tasks.problems:
        raise CompileErrors(tasks.problems)
    tasks.name()
    keys = _workflow_keys(workflows, root)
    positions: dict[str, Position | Sites] = {keys[id(traced)]: _sites(traced) for traced in workflows}
    bodies = {keys[id(traced)]: _body(traced, keys, tasks) for traced in workflows}
    compiled = CompiledWorkflow(keys[id(main)], bodies, tasks.specs, positions)
    return Compilation(compiled, tasks.definitions)


def _with_subworkflows(main: TracedWorkflow) -> list[TracedWorkflow]:
    """It and everything it calls, each once, callers first."""
    found = {id(main): main}
    waiting = [main]
    for traced in waiting:
        for node in traced.nodes:
            callee = node.callee
            if isinstance(callee, TracedWorkflow) and id(callee) not in found:
                found[id(callee)] = callee
                waiting.append(callee)
    return waiting


def _workflow_keys(workflows: list[TracedWorkflow], root: Path) -> dict[int, str]:
    """A key for each; made by one function again, a workflow gets a number behind its name."""
    counts: dict[str, int] = {}
    keys: dict[int, str] = {}
    for traced in workflows:
        name = _workflow_name(traced, root)
        counts[name] = counts.get(name, 0) + 1
        keys[id(traced)] = name if counts[name] == 1 else f"{name}@{counts[name]}"
    return keys


def _workflow_name(traced: TracedWorkflow, root: Path) -> str:
    return f"{place_in_project(traced.authored.file, root)}:{traced.authored.name}"


def _sites(traced: TracedWorkflow) -> Sites:
    sites = SiteList()
    for node in traced.nodes:
        sites.add(node.code, node.instruction)
    return sites.done()


def _body(traced: TracedWorkflow, keys: dict[int, str], tasks: _Tasks) -> WorkflowBody:
    key = keys[id(traced)]
    nodes: list[Node] = []
    for node in traced.nodes:
        after = tuple([each.id for each in node.after]) if node.after else ()
        callee = node.callee
        if isinstance(callee, TracedWorkflow):
            nodes.append(Node(node.id, "", keys[id(callee)], node.bindings, after))
        else:
            nodes.append(Node(node.id, tasks.key(node), "", node.bindings, after, node.map))
    authored = traced.authored
    return WorkflowBody(
        key.partition("@")[0], authored.face.interface, tuple(nodes), traced.outputs, authored.doc
    )


class _Tasks:
    """Specs by key. Overrides make several of one name, and then each key ends in its digest."""

    def __init__(self, root: Path) -> None:
        self.specs: dict[str, TaskSpec] = {}
        self.definitions: dict[str, TaskDefinition] = {}
        self.problems: list[CompileError] = []
        self._root = root
        # By identity, as hashing options for each node would cost more than the rest of the work on it.
        self._uses: dict[tuple[int, int], tuple[TaskDefinition, TaskSpec]] = {}
        self._keys: dict[tuple[int, int], str] = {}

    def add(self, node: TracedNode) -> None:
        """Make the spec of a node's task, once for each definition and set of options."""
        definition = node.callee
        if not isinstance(definition, TaskDefinition):
            return
        options: Options = node.options or definition.options
        use = (id(definition), id(options))
        if use in self._uses:
            return
        try:
            self._uses[use] = (definition, spec_of(definition, options, self._root))
        except CompileError as error:
            if str(error) not in {str(each) for each in self.problems}:
                self.problems.append(error)

    def name(self) -> None:
        """Give every spec its key."""
        by_name: dict[str, dict[str, TaskSpec]] = {}
        digests: dict[tuple[int, int], str] = {}
        for use, (_, spec) in self._uses.items():
            digests[use] = digest = digest_of(spec)
            by_name.setdefault(spec.name, {})[digest] = spec
        for use, (definition, spec) in self._uses.items():
            several = len(by_name[spec.name]) > 1
            key = f"{spec.name}@{digests[use][:_DIGEST_SHOWN]}" if several else spec.name
            self._keys[use] = key
            self.specs[key] = spec
            self.definitions[key] = definition

    def key(self, node: TracedNode) -> str:
        """The key of a node's task."""
        definition = node.callee
        assert isinstance(definition, TaskDefinition)
        return self._keys[id(definition), id(node.options or definition.options)]
