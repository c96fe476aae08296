"""Run the body of a workflow once over promises and record what it calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hardpoint.core.bind import Target, bind
from hardpoint.core.call_problems import (
    annotation_problems,
    foreign_order,
    given_twice,
    no_task_options,
    too_many,
    unbound_input,
    unknown_input,
)
from hardpoint.core.compile_errors import CompileError, CompileErrors, DuplicateIdError, OverrideError, Place
from hardpoint.core.compiled import Mapped
from hardpoint.core.face import Face, face_of
from hardpoint.core.frames import author_frame, author_position
from hardpoint.core.map_binding import bind_items
from hardpoint.core.options import with_overrides
from hardpoint.core.promise import NodeHandle, Origin, Promise
from hardpoint.core.traced import Authored, TracedNode, TracedWorkflow
from hardpoint.core.traced_shape import ordered_nodes, returned_outputs
from hardpoint.plugin_api import Options, Position, TaskDefinition, UsageError, current_tracer

_ID = re.compile(r"[^\W\d][\w-]*")


class WorkflowTrace:
    """The tracer of one workflow: calls in its body become nodes, mistakes become problems.

    Args:
        name: Of the workflow, for messages.
        position: Of its definition.
    """

    def __init__(self, name: str, position: Position) -> None:
        self.name = name
        self.problems: list[CompileError] = []
        self.nodes: list[TracedNode] = []
        self._position: Position | None = None
        self._defined_at = position
        self._by_id: dict[str, TracedNode] = {}
        self._counts: dict[str, int] = {}
        self._reported: set[int] = set()

    def call(self, definition: TaskDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """See `Tracer.call`."""
        return self.record(definition, face_of(definition), args, kwargs, vars(definition).get("node_name"))

    def record(
        self,
        callee: TaskDefinition | TracedWorkflow | None,
        face: Face,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        node_name: str | None = None,
        options: Options | None = None,
        mapped: Mapped | None = None,
    ) -> Any:
        """Add a node; return promises of its outputs.

        Args:
            callee: None for a sub-workflow that has problems of its own.
            face: What it shows to a caller.
            args: Inputs given by position.
            kwargs: Inputs given by name.
            node_name: The node's id, if the author chose one beforehand.
            options: Where they differ from the task's own.
            mapped: Set if the call is one for each item of lists; then `face` shows lists.
        """
        frame = author_frame()
        node = TracedNode(self, self._next_id(face.name), callee, face, frame.f_code, frame.f_lasti)
        node.options, node.map = options, mapped
        self._by_id[node.id] = node
        self.nodes.append(node)
        if node_name:
            self._rename(node, node_name)
        if face.problems:
            self._report_face(face)
        self._bind_arguments(node, args, kwargs)
        if face.single:
            (slot,) = face.outputs.values()
            return Promise(Origin(self, node, slot.name, slot.type))
        outputs = face.outputs.values()
        return NodeHandle(
            node, {slot.name: Promise(Origin(self, node, slot.name, slot.type)) for slot in outputs}
        )

    def _bind_arguments(self, node: TracedNode, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        face = node.face
        arguments = dict(zip(face.names, args, strict=False))
        if kwargs:
            if not arguments.keys().isdisjoint(kwargs):
                place = self.place(node)
                self.problems.extend(given_twice(name, place) for name in kwargs if name in arguments)
            arguments.update(kwargs)
        if len(args) > len(face.names):
            self.report(too_many(face, len(args), self.place(node)))
        node.arguments = arguments
        slots, bindings = face.inputs, node.bindings
        for name, value in arguments.items():
            slot = slots.get(name)
            if slot is None:
                self.report(unknown_input(face, name, self.place(node)))
                continue
            if type(value) is Promise:
                origin = value._origin
                if origin.type is slot.type and origin.recorder is self:
                    bindings[name] = origin.binding()
                    continue
            if node.map is not None and name in node.map.over:
                bindings[name] = bind_items(value, slot, face.name, self._target(node, name))
            else:
                bindings[name] = bind(value, slot, self._target(node, name))
        if not face.required <= arguments.keys():
            for name in slots:
                if name in face.required and name not in arguments:
                    mapped = node.map is not None
                    self.report(unbound_input(face, name, self.place(node), mapped=mapped))

    def _target(self, node: TracedNode, name: str) -> Target:
        of = f"node `{node.id}` in workflow `{self.name}`"
        return Target(self, "Input", name, of, lambda: self.place(node))

    def _next_id(self, base: str) -> str:
        count = self._counts.get(base, 0) + 1
        id = base if count == 1 else f"{base}_{count}"
        while id in self._by_id:
            count += 1
            id = f"{base}_{count}"
        self._counts[base] = count
        return id

    def place(self, node: TracedNode | None = None) -> Place:
        """See `Recorder`: the line being executed, or the definition when the body has ended."""
        position = self._position or author_position()
        return Place(self.name, node.id if node else "", position)

    def report(self, error: CompileError) -> None:
        """See `Recorder`."""
        self.problems.append(error)

    def adopt(self, errors: CompileErrors) -> None:
        """Take over the problems of a sub-workflow, once."""
        known = {str(each) for each in self.problems}
        self.problems.extend(each for each in errors.errors if str(each) not in known)

    def override(self, node: TracedNode, overrides: Mapping[str, Any]) -> None:
        """See `Recorder`."""
        options: dict[str, Any] = dict(overrides)
        name = options.pop("name", None)
        if name is not None:
            self._rename(node, name)
        if not options or node.callee is None:
            return
        if not isinstance(node.callee, TaskDefinition):
            self.report(no_task_options(list(options), self.place(node)))
            return
        try:
            base = node.options or node.callee.options
            node.options = with_overrides(base, options, f"Node `{node.id}`")  # type: ignore[arg-type]
        except UsageError as error:
            self.report(OverrideError(error.message, self.place(node), hint=error.hint))

    def _rename(self, node: TracedNode, name: str) -> None:
        where = f"in workflow `{self.name}`"
        if name == node.id:
            return
        if not isinstance(name, str) or not _ID.fullmatch(name):
            text, hint = f"`{name}` {where} is no name for a node", "Use letters, digits, `_` and `-`"
        elif name in self._by_id:
            text, hint = f"Two nodes {where} are named `{name}`", "Give one of them another `name`"
        elif node.used:
            text = f"Node `{node.id}` {where} is renamed to `{name}` after it was used"
            hint = f'Write `.with_overrides(name="{name}")` right behind the call'
        else:
            self._take_name(node, name)
            return
        kind = OverrideError if node.used and name not in self._by_id else DuplicateIdError
        self.report(kind(text, self.place(node), hint=hint))

    def _take_name(self, node: TracedNode, name: str) -> None:
        base, count = node.face.name, self._counts[node.face.name]
        if node.id == (base if count == 1 else f"{base}_{count}"):
            self._counts[base] = count - 1
        self._by_id.pop(node.id, None)
        node.id = name
        self._by_id[name] = node

    def order(self, first: TracedNode, second: TracedNode) -> None:
        """See `Recorder`."""
        for node in (first, second):
            if node.recorder is not self:
                self.report(foreign_order(node, self.place()))
                return
        second.after[first] = None

    def _report_face(self, face: Face) -> None:
        # Faces of mapped nodes are made for each call, with the problems of their task.
        if id(face.problems) not in self._reported:
            self._reported.add(id(face.problems))
            self.problems.extend(annotation_problems(face, self.place()))

    def finish(self, authored: Authored, returned: Any) -> TracedWorkflow:
        """Check what the body built, and freeze it.

        Raises:
            CompileErrors: There are problems.
        """
        self._position = self._defined_at
        try:
            outputs = returned_outputs(self, authored, returned)
            nodes = ordered_nodes(self, self.name, self.nodes)
        finally:
            self._position = None
        if self.problems:
            raise CompileErrors(self.problems)
        # Promises know their trace: without its way back to the nodes, all of it goes when it is compiled.
        self.nodes, self._by_id = [], {}
        return TracedWorkflow(authored, nodes, outputs, returned)


def trace(authored: Authored) -> TracedWorkflow:
    """Run the body of a workflow once over promises.

    Raises:
        CompileErrors: Everything that is wrong with it.
    """
    face = authored.face
    tracer = WorkflowTrace(face.name, authored.position)
    promises = {
        slot.name: Promise(Origin(tracer, None, slot.name, slot.type)) for slot in face.inputs.values()
    }
    tracer.problems.extend(annotation_problems(face, Place(face.name, position=authored.position)))
    returned = _run(authored.fn, promises, tracer)
    return tracer.finish(authored, returned)


def _run(fn: Callable[..., Any], promises: dict[str, Promise], tracer: WorkflowTrace) -> Any:
    token = current_tracer.set(tracer)
    try:
        return fn(**promises)
    except CompileError as error:
        tracer.report(error)
        raise CompileErrors(tracer.problems) from error
    finally:
        current_tracer.reset(token)
