"""What the compiler emits: a frozen, closed, serialisable graph, and its digest.

A `CompiledWorkflow` holds everything that is needed to run it: the specs of its tasks and the bodies
of its sub-workflows. Nothing in it depends on the machine: source positions travel beside the digest.

As JSON (`to_json`, `hardpoint compile -o`; what an importer makes) it is an object with the fields of
`CompiledWorkflow`; those that have their default may be left out:

    {"format": 2, "main": "etl",
     "tasks": {"load": {"name": "load", "type": "athena", "version": "1", "config": {"query": "…"},
       "interface": {"inputs": [{"name": "day", "type": {"type": "simple", …}}], "outputs": […]}}},
     "workflows": {"etl": {"name": "etl", "interface": {"inputs": […], "outputs": […]},
       "nodes": [{"id": "load", "task": "load", "inputs": {"day": {"from": "input", "name": "day"}}}],
       "outputs": {"result": {"from": "node", "node": "load", "output": "result"}}}}}

A task is a `TaskSpec`; its `version` must change when what it does changes, as cached results are kept by
it. A node runs the task, or the workflow, of that key. What an input gets is one of the bindings below,
told apart by `from`: `given` values are on the wire form of the input's type, and where a value of a
narrower type is used it is `converted`.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from hardpoint.core.positions import Sites
from hardpoint.plugin_api import AnyType, HardpointError, Interface, Position, TaskSpec, Wire

FORMAT = 2
"""Of the file: 1 has a position for each node, and no mapped nodes."""

_DIGEST_FORMAT = 1  # what names a workflow does not change with how it is written down


class StepKind(enum.Enum):
    """How one step goes into a value."""

    FIELD = "field"
    INDEX = "index"
    KEY = "key"


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One attribute or item access on a promised output."""

    kind: StepKind
    value: Wire


class BindingBase(msgspec.Struct, frozen=True, tag_field="from", omit_defaults=True, gc=False):
    """Base of the closed set of bindings: where an input's value comes from."""


class Given(BindingBase, frozen=True, tag="given"):
    """A value known when the workflow was compiled."""

    value: Wire


class FromInput(BindingBase, frozen=True, tag="input"):
    """An input of the workflow the node stands in."""

    name: str


class FromNode(BindingBase, frozen=True, tag="node"):
    """An output of another node of the same workflow."""

    node: str
    output: str


class FromList(BindingBase, frozen=True, tag="list"):
    """A list, or tuple, with promises among its items."""

    items: tuple[Binding, ...]


class FromDict(BindingBase, frozen=True, tag="dict"):
    """A dict or struct with promises among its values, as a JSON object."""

    items: dict[str, Binding]


class FromPairs(BindingBase, frozen=True, tag="pairs"):
    """A dict whose keys are not `str`, with promises among its values, as a list of pairs."""

    keys: tuple[Wire, ...]
    values: tuple[Binding, ...]


class Picked(BindingBase, frozen=True, tag="picked"):
    """A part of another binding's value: attribute and item access."""

    source: Binding
    path: tuple[Step, ...]


class Converted(BindingBase, frozen=True, tag="converted"):
    """A value of one type used where a wider one is expected, such as `int` for `int | str`."""

    source: Binding
    source_type: AnyType
    target_type: AnyType


Binding: TypeAlias = Given | FromInput | FromNode | FromList | FromDict | FromPairs | Picked | Converted
"""The closed set: `match` over it ends in `assert_never`."""


class Mapped(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a node runs its task once for each item of lists.

    Args:
        over: Inputs that are lists, all of one length; each attempt gets one item of each. The others are
            the same for every item.
        concurrency: Most items in flight at a time; 0: as many as there is room for.
        min_success_ratio: Part of the items, from 0 to 1, that must succeed.
        min_successes: Number of items that must succeed. At most one of the two is set; without either,
            all must. With either, an item that failed gives None in every output.
    """

    over: tuple[str, ...]
    concurrency: int = 0
    min_success_ratio: float | None = None
    min_successes: int | None = None

    @property
    def tolerant(self) -> bool:
        """Whether items may fail, so that outputs hold None in their places."""
        return self.min_success_ratio is not None or self.min_successes is not None

    def required(self, size: int) -> int:
        """How many of `size` items must succeed.

        >>> Mapped(("x",), min_success_ratio=0.8).required(7), Mapped(("x",)).required(7)
        (6, 7)
        """
        if self.min_success_ratio is not None:
            # Decimal, as the author wrote it: 0.07 * 100 is 7.000000000000001, and would ask for 8.
            return math.ceil(Decimal(str(self.min_success_ratio)) * size)
        return size if self.min_successes is None else min(size, self.min_successes)


class Node(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One use of a task or a sub-workflow.

    Args:
        id: Unique in its workflow.
        task: Key into `CompiledWorkflow.tasks`; overrides are part of the spec it names.
        workflow: Key into `CompiledWorkflow.workflows`; exactly one of the two is set.
        inputs: A binding for each input that has no default or is given.
        after: Nodes that must succeed first although no data comes from them.
        map: Set if the task runs once for each item of lists; then every output of the task is a list too.
    """

    id: str
    task: str = ""
    workflow: str = ""
    inputs: dict[str, Binding] = {}
    after: tuple[str, ...] = ()
    map: Mapped | None = None


class WorkflowBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """One workflow: its face, its nodes in an order in which they could run, where its outputs come from."""

    name: str
    interface: Interface
    nodes: tuple[Node, ...] = ()
    outputs: dict[str, Binding] = {}
    doc: str = ""


class CompiledWorkflow(msgspec.Struct, frozen=True, dict=True):
    """A checked workflow with everything it needs.

    Args:
        main: Key of the workflow that runs.
        workflows: It and its sub-workflows.
        tasks: Specs by key: the task's name, and a digest where overrides make several of one name.
        positions: Where nodes were written: by workflow, or one by one by `workflow/node`; not part of
            the digest.
        format: Version of this layout; an older hardpoint refuses a newer one.
    """

    main: str
    workflows: dict[str, WorkflowBody]
    tasks: dict[str, TaskSpec]
    positions: Mapping[str, Position | Sites] = {}
    format: int = FORMAT

    @property
    def body(self) -> WorkflowBody:
        """The workflow that runs."""
        return self.workflows[self.main]

    @property
    def interface(self) -> Interface:
        """Its typed inputs and outputs."""
        return self.body.interface

    @functools.cached_property
    def digest(self) -> str:
        """64 hex digits; equal on every machine for the same source."""
        bare = msgspec.structs.replace(self, positions={}, format=_DIGEST_FORMAT)
        return digest_of(bare)

    def positions_in(self, workflow: str) -> dict[str, Position]:
        """Where the nodes of one workflow were written, by id, as far as that is known."""
        sites = self.positions.get(workflow)
        nodes = self.workflows[workflow].nodes
        if isinstance(sites, Sites):
            return {node.id: sites.of_node(index) for index, node in enumerate(nodes)}
        found = ((node.id, self.positions.get(f"{workflow}/{node.id}")) for node in nodes)
        return {id: position for id, position in found if isinstance(position, Position)}

    def to_json(self) -> bytes:
        """Serialise, with keys in a fixed order."""
        return msgspec.json.encode(self, order="deterministic")


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of a msgspec value: 64 hex digits.

    >>> digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


class CompiledFormatError(HardpointError):
    """A file is not a compiled workflow, or was written by a newer hardpoint."""


def from_json(data: bytes) -> CompiledWorkflow:
    """Read what `CompiledWorkflow.to_json` wrote.

    Raises:
        CompiledFormatError: Not JSON, not a compiled workflow, or of a newer format.
    """
    try:
        header = msgspec.json.decode(data, type=_Header)
        if header.format > FORMAT:
            raise CompiledFormatError(
                f"This compiled workflow has format {header.format}; this hardpoint reads up to {FORMAT}",
                hint="Run `pip install --upgrade hardpoint`, or compile it again with this version",
            )
        return msgspec.json.decode(data, type=CompiledWorkflow)
    except msgspec.MsgspecError as error:
        raise CompiledFormatError(
            f"Not a compiled workflow: {error}",
            hint="Write one with `hardpoint compile FILE WORKFLOW -o out.json`",
        ) from error


class _Header(msgspec.Struct):
    format: int = FORMAT
