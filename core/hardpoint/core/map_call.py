"""A task that a call runs once for each item of lists: recorded as one node, or run as plain Python."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, Unpack, cast

from hardpoint.core.compile_errors import MapError
from hardpoint.core.compiled import Mapped
from hardpoint.core.face import face_of
from hardpoint.core.map_checks import MapProblem, length_problem, nothing_mapped
from hardpoint.core.map_plain import plain_arguments, run_items
from hardpoint.core.mapped_face import mapped_face
from hardpoint.core.options import Overrides, with_overrides
from hardpoint.core.promise import Ordered
from hardpoint.core.trace import WorkflowTrace
from hardpoint.core.traced import TracedNode
from hardpoint.plugin_api import Options, TaskDefinition, current_tracer

L_co = TypeVar("L_co", covariant=True)


class MapTask(Generic[L_co]):
    """A task that a call runs once for each item of lists; `map_task` makes one.

    Args:
        definition: The task.
        bound: Inputs that are the same for every item, by name.
        positional: Names of the inputs that a call may give by position.
        limits: How many items run at a time, and how many must succeed; it maps over nothing yet.
    """

    def __init__(
        self, definition: TaskDefinition, bound: dict[str, Any], positional: tuple[str, ...], limits: Mapped
    ) -> None:
        self.definition = definition
        self.bound = bound
        self.positional = positional
        self.limits = limits
        self.options: Options | None = None
        self.node_name: str | None = vars(definition).get("node_name")

    def __call__(self, *args: Any, **kwargs: Any) -> L_co:
        """Inside a workflow: record one node and return promises of lists. Outside: call the function for
        each item.

        Args:
            *args, **kwargs: Lists of one length for inputs that are not bound. An input that has a default
                may be left out, and then every item takes the default.

        Raises:
            UsageError: Outside a workflow: the call does not fit the task, or the lists differ in length.
            Exception: Outside a workflow: of the first item that failed, if too many did.
        """
        tracer = current_tracer.get()
        if tracer is None:
            face = face_of(self.definition)
            arguments = plain_arguments(face, self.bound, self.positional, args, kwargs)
            mapped = self._mapped(args, kwargs)
            return cast(L_co, run_items(self.definition, mapped, arguments, face.name))
        assert isinstance(tracer, WorkflowTrace)
        return cast(L_co, self._record(tracer, args, kwargs))

    def with_overrides(self, *, name: str | None = None, **overrides: Unpack[Overrides]) -> MapTask[L_co]:
        """Return a copy with other options, to be called in a workflow.

        Args:
            name: Id of the node that a call makes.
            **overrides: As in `@task`. They hold for each item: `timeout` for one attempt of it, `retry` for
                its attempts.

        Example:
            `map_task(fetch).with_overrides(retry=Retry(3))(url=urls)`
        """
        changed = copy.copy(self)
        base = self.options or self.definition.options
        changed.options = with_overrides(base, overrides, f"Task `{self.definition.name}`")
        changed.node_name = name or self.node_name
        return changed

    def __repr__(self) -> str:
        return f"<map of task `{self.definition.name}` of {self.definition.file.name}>"

    def _mapped(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapped:
        given = {*self.positional[: len(args)], *kwargs} - self.bound.keys()
        over = tuple(name for name in self.definition.inputs if name in given)
        limits = self.limits
        return Mapped(over, limits.concurrency, limits.min_success_ratio, limits.min_successes)

    def _record(self, tracer: WorkflowTrace, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        mapped = self._mapped(args, kwargs)
        face = mapped_face(face_of(self.definition), mapped, self.positional)
        if not mapped.over:
            face.required = frozenset()  # what is missing is a list, and `_problems` says so
        arguments = {**kwargs, **self.bound}
        result: Ordered = tracer.record(
            self.definition, face, args, arguments, self.node_name, self.options, mapped
        )
        node = result._node()
        assert node is not None
        for problem in self._problems(node, mapped, kwargs):
            text = f"Node `{node.id}` in workflow `{tracer.name}` {problem.text}"
            tracer.report(MapError(text, tracer.place(node), hint=problem.hint))
        return result

    def _problems(self, node: TracedNode, mapped: Mapped, given: Mapping[str, Any]) -> Iterator[MapProblem]:
        for name in given:
            if name in self.bound:
                yield MapProblem(f"is given `{name}`, which is bound already", "Remove one of the two")
        unknown = any(name not in node.face.inputs for name in given)
        if not mapped.over and not unknown:
            yield nothing_mapped(node.face.inputs, self.bound)
        differing = length_problem(mapped, node.bindings)
        if differing is not None:
            yield differing
