"""Sub-workflows inlined: bindings, defaults, and order through and around them."""

from __future__ import annotations

from typing import Any, NamedTuple

from hardpoint.core import Workflow, check_compiled, task, workflow
from hardpoint.core.compiled import (
    CompiledWorkflow,
    Converted,
    FromInput,
    FromList,
    FromNode,
    Given,
    Node,
    Picked,
    Step,
    StepKind,
    WorkflowBody,
)
from hardpoint.core.flatten import FlatGraph, flatten
from hardpoint.plugin_api import Interface, SimpleKind, SimpleType, TaskSpec

HERE = "tests/core/test_flatten.py"
INT, FLOAT = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.FLOAT)


class Parts(NamedTuple):
    first: int
    second: list[int]


@task
def one(x: int, y: int = 7) -> int:
    return x + y


@task
def two(x: int) -> Parts:
    return Parts(x, [x])


@task
def real(x: float) -> float:
    return x


@task
def touch() -> None:
    return None


@workflow
def inner(x: int, y: int = 5) -> int:
    a = one(x)
    return one(a, y)


@workflow
def passing(x: int) -> int:
    return x


@workflow
def constant() -> int:
    return 3


@workflow
def doubly(xs: list[int]) -> Parts:
    return Parts(inner(xs[0]), [passing(xs[-1]), 9])


@workflow
def alone(x: int) -> None:
    touch()


def graph_of(flow: Workflow[..., Any]) -> FlatGraph:
    compiled = flow.compile()
    assert check_compiled(compiled) == []
    graph = flatten(compiled)
    done: set[str] = set()
    for node in graph.nodes.values():
        assert done.issuperset(node.upstream)
        done.add(node.id)
    for id, dependents in graph.dependents.items():
        assert list(dependents) == [each.id for each in graph.nodes.values() if id in each.upstream]
    return graph


def upstream(graph: FlatGraph) -> dict[str, tuple[str, ...]]:
    return {node.id: node.upstream for node in graph.nodes.values()}


def test_defaults_of_tasks_are_filled_in() -> None:
    @workflow
    def flow(n: int) -> int:
        return one(n)

    graph = graph_of(flow)
    assert graph.nodes["one"].spec_key == f"{HERE}:one"
    assert dict(graph.nodes["one"].inputs) == {"x": FromInput("n"), "y": Given(7)}
    assert graph.outputs == {"result": FromNode("one", "result")}
    assert graph.dependents == {}


def test_inlining() -> None:
    @workflow
    def flow(n: int) -> Parts:
        p = two(n)
        d = doubly(p.second)
        return Parts(inner(d.second[0], y=n), d.second)

    graph = graph_of(flow)
    second = FromNode("two", "second")
    first_item = Picked(second, (Step(StepKind.INDEX, 0),))
    passed = FromList((Picked(second, (Step(StepKind.INDEX, -1),)), Given(9)))
    assert {id: dict(node.inputs) for id, node in graph.nodes.items()} == {
        "two": {"x": FromInput("n")},
        "doubly.inner.one": {"x": first_item, "y": Given(7)},
        "doubly.inner.one_2": {"x": FromNode("doubly.inner.one", "result"), "y": Given(5)},
        "inner.one": {"x": Picked(passed, (Step(StepKind.INDEX, 0),)), "y": Given(7)},
        "inner.one_2": {"x": FromNode("inner.one", "result"), "y": FromInput("n")},
    }
    assert graph.outputs == {"first": FromNode("inner.one_2", "result"), "second": passed}
    assert upstream(graph) == {
        "two": (),
        "doubly.inner.one": ("two",),
        "doubly.inner.one_2": ("doubly.inner.one",),
        "inner.one": ("two",),
        "inner.one_2": ("inner.one",),
    }
    assert graph.dependents == {
        "two": ("doubly.inner.one", "inner.one"),
        "doubly.inner.one": ("doubly.inner.one_2",),
        "inner.one": ("inner.one_2",),
    }


def test_conversions_stay() -> None:
    @workflow
    def flow(n: int) -> float:
        return real(inner(n))

    inputs = dict(graph_of(flow).nodes["real"].inputs)
    assert inputs == {"x": Converted(FromNode("inner.one_2", "result"), INT, FLOAT)}


def test_order_around_a_subworkflow() -> None:
    @workflow
    def flow(n: int) -> None:
        before, middle, after = touch(), inner(n), touch()
        before >> middle >> after  # type: ignore[operator]

    assert upstream(graph_of(flow)) == {
        "touch": (),
        "inner.one": ("touch",),
        "inner.one_2": ("inner.one",),
        "touch_2": ("inner.one_2",),
    }


def test_order_passes_through_empty_subworkflows() -> None:
    @workflow
    def flow(n: int) -> None:
        before, x = touch(), one(n)
        middle, after = passing(x), touch()
        before >> middle >> after  # type: ignore[operator]

    assert upstream(graph_of(flow))["touch_2"] == ("touch", "one")


def test_readers_of_what_is_passed_on_wait_for_what_the_subworkflow_waits_for() -> None:
    @workflow
    def flow(n: int) -> int:
        before, middle, fixed = touch(), passing(n), constant()
        before >> [middle, fixed]  # type: ignore[operator]
        return one(middle, fixed)

    graph = graph_of(flow)
    assert upstream(graph)["one"] == ("touch",)
    assert dict(graph.nodes["one"].inputs) == {"x": FromInput("n"), "y": Given(3)}


def test_order_reaches_nested_nodes_behind_an_empty_subworkflow() -> None:
    @workflow
    def wrapped(x: int) -> int:
        return one(passing(x))

    @workflow
    def flow(n: int) -> int:
        before, middle = touch(), wrapped(n)
        before >> middle  # type: ignore[operator]
        return middle

    assert upstream(graph_of(flow))["wrapped.one"] == ("touch",)


def test_who_waits_for_a_subworkflow_waits_for_nodes_that_give_no_output() -> None:
    @workflow
    def flow(n: int) -> None:
        alone(n) >> touch()  # type: ignore[operator]

    assert upstream(graph_of(flow)) == {"alone.touch": (), "touch": ("alone.touch",)}


def test_nodes_of_an_importer_may_stand_in_any_order() -> None:
    spec = TaskSpec("f:t", "python", "v", Interface())
    nodes = tuple(Node(str(n), task="t", after=(str(n + 1),) if n < 9 else ()) for n in range(10))
    compiled = CompiledWorkflow("f", {"f": WorkflowBody("f", Interface(), nodes)}, {"t": spec})
    assert list(flatten(compiled).nodes) == [str(n) for n in reversed(range(10))]
