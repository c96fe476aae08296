"""What a call inside a workflow returns: values that are not there yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from hardpoint.core.access import AccessProblem, step_into
from hardpoint.core.compile_errors import (
    Place,
    PromiseError,
    UnknownFieldError,
    UnknownOutputError,
    did_you_mean,
    listed,
)
from hardpoint.core.compiled import Binding, FromInput, FromNode, Picked, Step
from hardpoint.core.frames import author_position
from hardpoint.core.traced import Recorder, TracedNode
from hardpoint.plugin_api import AnyType, UsageError


class Origin:
    """Where a promised value comes from.

    Args:
        recorder: The trace it belongs to.
        node: The node whose output it is; None for an input of the workflow.
        name: Of the output, or of the input.
        type: None when its annotation is wrong, which was reported.
        steps: From the output to the part that is meant.
        keys: The same as the author wrote them.
    """

    __slots__ = ("keys", "name", "node", "recorder", "steps", "type")

    def __init__(
        self,
        recorder: Recorder,
        node: TracedNode | None,
        name: str,
        type: AnyType | None,
        steps: tuple[Step, ...] = (),
        keys: tuple[Any, ...] = (),
    ) -> None:
        self.recorder = recorder
        self.node = node
        self.name = name
        self.type = type
        self.steps = steps
        self.keys = keys

    def binding(self) -> Binding:
        """How the compiled workflow says it."""
        node = self.node
        base: FromNode | FromInput
        if node is None:
            base = FromInput(self.name)
        else:
            node.used = True
            base = FromNode(node.id, self.name)
        return Picked(base, self.steps) if self.steps else base

    def __str__(self) -> str:
        start = f"{self.node.id}.{self.name}" if self.node else self.name
        return start + "".join(
            f".{key}" if step.kind.value == "field" else f"[{key!r}]"
            for step, key in zip(self.steps, self.keys, strict=True)
        )


class Ordered:
    """What `>>` and `with_overrides` work on: results of calls inside a workflow."""

    __slots__ = ()

    def _node(self) -> TracedNode | None:
        raise NotImplementedError

    def _recorder(self) -> Recorder:
        raise NotImplementedError

    def with_overrides(self, **overrides: Any) -> Any:
        """Change this one use of the task.

        Args:
            **overrides: `name` (the node's id), and the options of `@task`: `retry`, `cache`, `timeout`,
                `queue_timeout`, `deadline`, `resources`, `secrets`, `interruptible`.

        Returns:
            The same promise.

        Example:
            `train(x=1).with_overrides(retry=Retry(3), name="big")`
        """
        node = self._node()
        if node is None:
            refuse(
                self, "is an input and has nothing to override", "Call `with_overrides` on a task's result"
            )
        node.recorder.override(node, overrides)
        return self

    def __rshift__(self, after: Any) -> Any:
        """Let what stands on the right wait for this."""
        _order(self, after)
        return after

    def __rrshift__(self, before: Any) -> Any:
        _order(before, self)
        return self


def node(result: object) -> Ordered:
    """Return the call behind a task's result, for a type checker to see what it can do.

    Type checkers know a task's result as the value that it will be, which has no `>>`:
    `node(load(day=1)) >> node(report())` says the same and passes.

    Raises:
        UsageError: It is not the result of a task or sub-workflow inside a workflow.
    """
    if not isinstance(result, Ordered):
        raise UsageError(
            f"`{result!r}` is not the result of a task or sub-workflow",
            hint="Inside a @workflow, give `node` what a call returned",
        )
    return result


class Promise(Ordered):
    """One value that will be there when the workflow runs.

    Pass it to a task or sub-workflow, return it, take a field or an item of it, or order it with `>>`.
    Whatever needs the value itself belongs into a task. A field that is called like a method of promises is
    reached in brackets: `it["with_overrides"]`.
    """

    __slots__ = ("_origin",)

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def _node(self) -> TracedNode | None:
        return self._origin.node

    def _recorder(self) -> Recorder:
        return self._origin.recorder

    def __repr__(self) -> str:
        return f"<promise of `{self._origin}`: {self._origin.type}>"

    def __getattr__(self, name: str) -> Promise:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._part(name, attribute=True)

    def __getitem__(self, key: Any) -> Promise:
        if isinstance(key, Promise):
            refuse(self, "is indexed with another promise", "Look the item up in a task")
        return self._part(key, attribute=False)

    def _part(self, key: Any, *, attribute: bool) -> Promise:
        origin = self._origin
        if origin.type is None:
            return self
        found = step_into(origin.type, key, attribute=attribute)
        if isinstance(found, AccessProblem):
            place = origin.recorder.place(origin.node)
            text = f"`{origin}` in workflow `{place.workflow}`: {found.text}"
            origin.recorder.report(UnknownFieldError(text, place, hint=found.hint))
            return Promise(Origin(origin.recorder, origin.node, origin.name, None))
        step, type = found
        steps, keys = (*origin.steps, step), (*origin.keys, key)
        return Promise(Origin(origin.recorder, origin.node, origin.name, type, steps, keys))

    def __iter__(self) -> NoReturn:
        refuse(self, "is iterated over, but how many items it has is not known yet", "Loop over it in a task")


class NodeHandle(Ordered):
    """The result of a call with named outputs, or without any.

    Take an output by name or place, unpack them all, or order it with `>>`.
    """

    __slots__ = ("_outputs", "_traced")

    def __init__(self, node: TracedNode, outputs: dict[str, Promise]) -> None:
        self._traced = node
        self._outputs = outputs

    def _node(self) -> TracedNode | None:
        return self._traced

    def _recorder(self) -> Recorder:
        return self._traced.recorder

    def __repr__(self) -> str:
        return f"<node `{self._traced.id}` with outputs {listed(self._outputs)}>"

    def __getattr__(self, name: str) -> Promise:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._output(name)

    def __getitem__(self, key: int | str) -> Promise:
        if isinstance(key, str):
            return self._output(key)
        if not isinstance(key, int) or not -len(self._outputs) <= key < len(self._outputs):
            return self._output(repr(key))
        return list(self._outputs.values())[key]

    def __iter__(self) -> Iterator[Promise]:
        if not self._outputs:
            refuse(self, "has no outputs to unpack", "Call it on a line of its own")
        return iter(self._outputs.values())

    def __len__(self) -> int:
        return len(self._outputs)

    def _output(self, name: str) -> Promise:
        promise = self._outputs.get(name)
        if promise is not None:
            return promise
        node = self._traced
        place = node.recorder.place(node)
        known = f"Its outputs are {listed(self._outputs)}" if self._outputs else "It returns nothing"
        node.recorder.report(
            UnknownOutputError(
                f"Node `{node.id}` in workflow `{place.workflow}` has no output `{name}`",
                place,
                hint=did_you_mean(name, self._outputs, known),
            )
        )
        return Promise(Origin(node.recorder, node, name, None))


def _order(before: Any, after: Any) -> None:
    for first in _members(before):
        for second in _members(after):
            node, waiting = first._node(), second._node()
            if waiting is None:
                refuse(second, "is an input and cannot wait", "Put the result of a task on the right of `>>`")
            if node is not None:
                waiting.recorder.order(node, waiting)


def _members(side: Any) -> Sequence[Ordered]:
    members = side if isinstance(side, list | tuple) else [side]
    for each in members:
        if not isinstance(each, Ordered):
            raise PromiseError(
                f"`>>` orders results of calls, not `{type(each).__name__}`",
                Place("", position=author_position()),
                hint="Write `first(...) >> second(...)`, or lists of such results",
            )
    return members


def refuse(promised: Ordered, what: str, hint: str) -> NoReturn:
    """Raise for a promise that was used as if it were its value."""
    shown = promised._origin if isinstance(promised, Promise) else getattr(promised._node(), "id", "")
    place = promised._recorder().place(promised._node())
    raise PromiseError(f"Promise `{shown}` in workflow `{place.workflow}` {what}", place, hint=hint)


_COMPUTE = "Compute with it in a task: its value is there only when the workflow runs"
_DECIDE = "Decide in a task: the same graph is built for every run"

_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul", "and", "or", "xor")

_REFUSED = {
    "is used as a truth value": (("bool",), _DECIDE),
    "is compared": (("eq", "ne", "lt", "le", "gt", "ge", "contains"), _DECIDE),
    "is used in arithmetic": (
        (
            *(prefix + name for name in _BINARY for prefix in ("", "r")),
            *("lshift", "rlshift", "neg", "pos", "abs", "invert", "round", "trunc", "floor", "ceil"),
        ),
        _COMPUTE,
    ),
    "is turned into text": (
        ("str", "format"),
        "Format the text in a task; `repr()` shows the promise itself",
    ),
    "is turned into a number": (("int", "float", "complex", "index"), _COMPUTE),
    "is asked for its length": (("len",), _COMPUTE),
    "is called": (("call",), _COMPUTE),
    "is assigned to": (("setitem", "delitem"), "Build a new value in a task"),
}


def _refusing(what: str, hint: str) -> Any:
    def method(self: Ordered, *_: Any) -> NoReturn:
        refuse(self, what, hint)

    return method


for _what, (_names, _hint) in _REFUSED.items():
    for _name in _names:
        setattr(Promise, f"__{_name}__", _refusing(_what, _hint))
        if _name != "len":
            setattr(NodeHandle, f"__{_name}__", _refusing(_what, _hint))
