"""What tracing the body of a workflow leaves behind, before it is named and frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any, Protocol

import msgspec

from hardpoint.core.compile_errors import CompileError, Place
from hardpoint.core.compiled import Binding, Mapped
from hardpoint.core.face import Face
from hardpoint.plugin_api import Options, Position, TaskDefinition


class Recorder(Protocol):
    """The trace that promises belong to."""

    def report(self, error: CompileError) -> None:
        """Keep a problem; tracing goes on."""

    def place(self, node: TracedNode | None = None) -> Place:
        """Where the author's file is right now."""

    def override(self, node: TracedNode, overrides: Mapping[str, Any]) -> None:
        """Change options or the name of a node."""

    def order(self, first: TracedNode, second: TracedNode) -> None:
        """Let `second` wait for `first`."""


class TracedNode:
    """One call in the body of a workflow.

    Args:
        id: Unique in its workflow.
        callee: What it runs: a task, or a workflow that was traced before it.
        face: What that shows to a caller.
        code: The author's code that made the call, with `instruction`: where in it.

    `map` is set if the call is one for each item of lists; then `face` shows lists too.
    """

    __slots__ = (
        "after",
        "arguments",
        "bindings",
        "callee",
        "code",
        "face",
        "id",
        "instruction",
        "map",
        "options",
        "recorder",
        "used",
    )

    def __init__(
        self,
        recorder: Recorder,
        id: str,
        callee: TaskDefinition | TracedWorkflow | None,
        face: Face,
        code: CodeType,
        instruction: int,
    ) -> None:
        self.recorder = recorder
        self.id = id
        self.callee = callee
        self.face = face
        self.code = code
        self.instruction = instruction
        self.options: Options | None = None
        self.map: Mapped | None = None
        self.arguments: dict[str, Any] = {}
        self.bindings: dict[str, Binding] = {}
        self.after: dict[TracedNode, None] = {}
        self.used = False


class Authored(msgspec.Struct, frozen=True, eq=False):
    """A workflow as its author wrote it.

    Args:
        name: Qualified name within `file`.
        file: Where it is defined.
        fn: The body.
        face: Its inputs and outputs.
        defaults: Real values of inputs that have one.
        position: Of its definition.
        output_class: The NamedTuple that names its outputs, if one does.
        doc: First paragraph.
    """

    name: str
    file: Path
    fn: Callable[..., Any]
    face: Face
    defaults: dict[str, Any]
    position: Position
    output_class: type[Any] | None = None
    doc: str = ""


class TracedWorkflow(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A workflow whose body has run once over promises, without problems.

    Args:
        authored: What the author wrote.
        nodes: In an order in which they could run.
        outputs: Where its outputs come from.
        returned: What the body returned, promises and all.
    """

    authored: Authored
    nodes: tuple[TracedNode, ...]
    outputs: dict[str, Binding]
    returned: Any
