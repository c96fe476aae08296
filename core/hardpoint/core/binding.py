"""What can be done with a binding: resolve it to a value, list what it reads, replace its leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, assert_never

from hardpoint.core.access import walk_wire
from hardpoint.core.compiled import (
    Binding,
    Converted,
    FromDict,
    FromInput,
    FromList,
    FromNode,
    FromPairs,
    Given,
    Picked,
)
from hardpoint.plugin_api import AnyType, Wire
from hardpoint.plugin_api.literal_rules import convert

Leaf: TypeAlias = FromInput | FromNode
"""A binding that reads something that is known only when the workflow runs."""


def resolve(
    binding: Binding, inputs: Mapping[str, Wire], outputs_of: Callable[[str], Mapping[str, Wire]]
) -> Wire:
    """Return the wire value of a binding.

    Args:
        binding: Of a node's input or a workflow's output.
        inputs: Of the run, defaults filled in.
        outputs_of: Outputs of a node that succeeded, by its id.

    Raises:
        UserError: A promised item is not there, or an `int` is too large for the `float` it becomes.

    >>> from hardpoint.core.compiled import Step, StepKind
    >>> row = Picked(FromNode("load", "result"), (Step(StepKind.INDEX, 0),))
    >>> resolve(FromList((row, FromInput("n"), Given(None))), {"n": 2}, {"load": {"result": [1]}}.__getitem__)
    [1, 2, None]
    """
    match binding:
        case FromNode():
            return outputs_of(binding.node)[binding.output]
        case Given():
            return binding.value
        case FromInput():
            return inputs[binding.name]
        case Converted():
            wire = resolve(binding.source, inputs, outputs_of)
            return convert(wire, binding.source_type, binding.target_type)
        case Picked():
            return walk_wire(resolve(binding.source, inputs, outputs_of), binding.path)
        case FromList():
            return [resolve(each, inputs, outputs_of) for each in binding.items]
        case FromDict():
            return {key: resolve(each, inputs, outputs_of) for key, each in binding.items.items()}
        case FromPairs():
            pairs = zip(binding.keys, binding.values, strict=True)
            return [[key, resolve(each, inputs, outputs_of)] for key, each in pairs]
        case _:
            assert_never(binding)


def leaves(binding: Binding) -> Iterator[Leaf]:
    """Everything a binding reads.

    >>> list(leaves(FromList((Given(1), FromNode("a", "result")))))
    [FromNode(node='a', output='result')]
    """
    match binding:
        case FromNode() | FromInput():
            yield binding
        case Given():
            pass
        case Converted() | Picked():
            yield from leaves(binding.source)
        case FromList():
            for each in binding.items:
                yield from leaves(each)
        case FromDict():
            for each in binding.items.values():
                yield from leaves(each)
        case FromPairs():
            for each in binding.values:
                yield from leaves(each)
        case _:
            assert_never(binding)


def nodes_read(bindings: Mapping[str, Binding]) -> dict[str, None]:
    """Ids of nodes that bindings read, each once, in order.

    >>> list(nodes_read({"x": FromNode("a", "result"), "y": FromNode("a", "other")}))
    ['a']
    """
    found: dict[str, None] = {}
    for binding in bindings.values():
        if type(binding) is FromNode:
            found[binding.node] = None
        elif type(binding) is not Given:
            for leaf in leaves(binding):
                if type(leaf) is FromNode:
                    found[leaf.node] = None
    return found


def replace_leaves(binding: Binding, replace: Callable[[Leaf], Binding]) -> Binding:
    """The same binding with everything it reads replaced.

    >>> replace_leaves(FromList((FromInput("x"),)), lambda leaf: Given(1))
    FromList(items=(Given(value=1),))
    """
    match binding:
        case FromNode() | FromInput():
            return replace(binding)
        case Given():
            return binding
        case Converted():
            source = replace_leaves(binding.source, replace)
            return Converted(source, binding.source_type, binding.target_type)
        case Picked():
            return Picked(replace_leaves(binding.source, replace), binding.path)
        case FromList():
            return FromList(tuple(replace_leaves(each, replace) for each in binding.items))
        case FromDict():
            return FromDict({key: replace_leaves(each, replace) for key, each in binding.items.items()})
        case FromPairs():
            return FromPairs(binding.keys, tuple(replace_leaves(each, replace) for each in binding.values))
        case _:
            assert_never(binding)


def as_type(binding: Binding, source: AnyType, target: AnyType) -> Binding:
    """The binding where `target` is expected; for importers, which know both types.

    Args:
        binding: Its value is a `source`.
        source: Assignable to `target`; `check_compiled` tells if it is not.
        target: Type of the input it is bound to.
    """
    return binding if source == target else Converted(binding, source, target)
