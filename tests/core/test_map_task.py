"""`map_task`: what it records, what it compiles to, and how it runs as plain Python."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.core import MapTask, Retry, check_compiled, compile_workflow, map_task, task, workflow
from hardpoint.core.compiled import (
    FromInput,
    FromList,
    FromNode,
    Given,
    Mapped,
    Node,
    Picked,
    Step,
    StepKind,
    from_json,
)
from hardpoint.core.face import face_of
from hardpoint.core.flatten import flatten
from hardpoint.core.mermaid import to_mermaid
from hardpoint.plugin_api import (
    FileType,
    Parameter,
    SimpleKind,
    SimpleType,
    TaskDefinition,
    UnionType,
    UsageError,
)

HERE = "tests/core/test_map_task.py"


class Parts(NamedTuple):
    half: float
    whole: list[int]


class Lists(NamedTuple):
    half: list[float]
    whole: list[list[int]]


class RefusedError(Exception):
    pass


@task
def numbers(n: int) -> list[float]:
    return [float(each) for each in range(n)]


@task(retry=Retry(2), timeout=60)
def scale(x: float, factor: float, offset: float = 0.0) -> float:
    return x * factor + offset


@task
def even(x: int, also: int = -1) -> int:
    if x % 2 and x != also:
        raise RefusedError(x)
    return x


@task
def halves(n: int) -> Parts:
    return Parts(n / 2, [n])


noted: list[int] = []


@task
def note(n: int) -> None:
    noted.append(n)


@task
def one(x: float) -> float:
    return x


@task
def first(pairs: list[tuple[float, int]]) -> float:
    return pairs[0][0]


@map_task
@task
def squares(x: int) -> int:
    """Square."""
    return x * x


scaled = map_task(scale, concurrency=3)


@workflow
def scaling(n: int = 4, f: float = 2.0) -> list[float]:
    return map_task(functools.partial(scale, factor=one(f)), concurrency=2)(x=numbers(n))


@workflow
def tolerating(xs: list[int]) -> list[int | None]:
    return map_task(even, min_success_ratio=0.5)(xs)


@workflow
def parts(ns: list[int]) -> Lists:
    made = map_task(halves)(n=ns)
    map_task(note)(made.whole[0])
    return Lists(made.half, made.whole)


@workflow
def third(n: int) -> float:
    return one(scaled(numbers(n), [1.0, 2.0, 3.0])[2])


@workflow
def handle(ns: list[int]) -> Lists:
    return map_task(halves)(n=ns)  # type: ignore[no-any-return]


def node(flow: Any, id: str) -> Node:
    return next(each for each in compile_workflow(flow).body.nodes if each.id == id)


class TestCompiled:
    def test_a_node_with_its_limits_and_bindings(self) -> None:
        assert node(scaling, "scale") == Node(
            "scale",
            f"{HERE}:scale",
            inputs={"x": FromNode("numbers", "result"), "factor": FromNode("one", "result")},
            map=Mapped(("x",), concurrency=2),
        )

    def test_the_spec_is_that_of_the_task(self) -> None:
        spec = compile_workflow(scaling).tasks[f"{HERE}:scale"]
        assert spec.interface == face_of(scale).interface
        assert (spec.retry, spec.timeout_s) == (Retry(2), 60.0)
        assert scaling.definitions[f"{HERE}:scale"] is scale

    def test_a_mapped_input_may_be_given_by_position_and_may_have_a_default(self) -> None:
        @workflow
        def flow(xs: list[int], also: list[int]) -> list[int]:
            a = map_task(even)(xs, also)
            return map_task(functools.partial(even, also=1))(a)

        nodes = compile_workflow(flow).body.nodes
        assert [each.map for each in nodes] == [Mapped(("x", "also")), Mapped(("x",))]
        assert nodes[1].inputs == {"x": FromNode("even", "result"), "also": Given(1)}

    def test_values_bound_by_position(self) -> None:
        bound = map_task(functools.partial(scale, 3.0, offset=1.0))
        assert (bound.bound, bound.positional) == ({"x": 3.0, "offset": 1.0}, ("factor",))
        assert bound([1.0, 2.0]) == [4.0, 7.0]

    def test_a_map_made_at_the_top_of_a_module(self) -> None:
        assert node(third, "scale") == Node(
            "scale",
            f"{HERE}:scale",
            inputs={"x": FromNode("numbers", "result"), "factor": Given([1.0, 2.0, 3.0])},
            map=Mapped(("x", "factor"), concurrency=3),
        )
        assert third.definitions[f"{HERE}:scale"] is scale

    def test_as_a_decorator(self) -> None:
        @workflow
        def flow() -> list[int]:
            return squares([1, 2])

        assert node(flow, "squares").map == Mapped(("x",))
        assert repr(squares) == "<map of task `squares` of test_map_task.py>"
        assert squares([1, 2]) == [1, 4]

    def test_items_of_the_result(self) -> None:
        assert node(third, "one").inputs == {
            "x": Picked(FromNode("scale", "result"), (Step(StepKind.INDEX, 2),))
        }

    def test_named_outputs_become_lists(self) -> None:
        body = compile_workflow(parts).body
        assert body.outputs == {"half": FromNode("halves", "half"), "whole": FromNode("halves", "whole")}
        assert [each.id for each in body.nodes] == ["halves", "note"]
        assert compile_workflow(handle).body.outputs == body.outputs

    def test_promises_in_lists_and_conversions(self) -> None:
        @workflow
        def flow(n: int, x: float) -> list[float]:
            return scaled(x=[one(x), 1.0, x], factor=map_task(even)([n, n, 2]))

        compiled = compile_workflow(flow)
        assert check_compiled(compiled) == []
        assert flow(2, 0.5) == [1.0, 2.0, 1.0]

    def test_options_of_one_use_and_of_the_map(self) -> None:
        @workflow
        def flow(xs: list[int]) -> None:
            retried = map_task(even).with_overrides(retry=Retry(3), name="tried").with_overrides(timeout=5)
            retried(xs)
            map_task(even)(xs).with_overrides(deadline=9, name="hurried")  # type: ignore[attr-defined]
            map_task(even.with_overrides(name="plain", cache=True))(xs)

        compiled = compile_workflow(flow)
        specs = {each.id: compiled.tasks[each.task] for each in compiled.body.nodes}
        assert list(specs) == ["tried", "hurried", "plain"]
        assert (specs["tried"].retry, specs["tried"].timeout_s) == (Retry(3), 5.0)
        assert specs["hurried"].deadline_s == 9.0
        assert specs["plain"].cache is not None
        assert len(compiled.tasks) == 3

    def test_it_survives_json_and_the_checks(self) -> None:
        for flow in (scaling, tolerating, parts, third, handle):
            compiled = compile_workflow(flow)
            assert check_compiled(compiled) == []
            assert from_json(compiled.to_json()) == compiled

    def test_flat_nodes_keep_it(self) -> None:
        @workflow
        def outer(xs: list[float]) -> list[float]:
            return scaling(3, one(2.0))

        flat = flatten(compile_workflow(outer)).nodes["scaling.scale"]
        assert flat.map == Mapped(("x",), concurrency=2)
        assert dict(flat.inputs) == {
            "offset": Given(0.0),
            "x": FromNode("scaling.numbers", "result"),
            "factor": FromNode("scaling.one", "result"),
        }
        assert flat.upstream == ("scaling.numbers", "scaling.one")

    def test_the_drawing_shows_it(self) -> None:
        assert f'    n1["even ×n<br/>{HERE}:even"]' in to_mermaid(compile_workflow(tolerating)).splitlines()

    def test_tasks_of_plugins(self) -> None:
        @workflow
        def flow(n: int) -> list[float | None]:
            made = map_task(functools.partial(REPORT, title="t"), min_successes=1)(n=[n, 2])
            map_task(functools.partial(READER, label="x"))(page=made.page)
            return made.accuracy  # type: ignore[no-any-return]

        assert check_compiled(compile_workflow(flow)) == []
        assert node(flow, "report").inputs == {
            "n": FromList((FromInput("n"), Given(2))),
            "title": Given("t"),
        }
        with pytest.raises(UsageError, match="Task `report` of type `page` runs through its plugin"):
            map_task(REPORT, min_successes=0)(n=[], title=[])


def plugin_task(name: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> TaskDefinition:
    parameters = {key: Parameter(hint) for key, hint in inputs.items()}
    return TaskDefinition(
        name=name, task_type="page", file=Path(__file__), inputs=parameters, outputs=outputs, version="1"
    )


OPTIONAL_FILE = UnionType((FileType(), SimpleType(SimpleKind.NONE)))

# One with literal types for hints, as plugins may declare them.
REPORT = plugin_task(
    "report",
    {"n": SimpleType(SimpleKind.INT), "title": str},
    {"accuracy": float, "page": FileType()},
)
READER = plugin_task("reader", {"page": OPTIONAL_FILE, "label": str}, {})


class TestPlain:
    def test_a_workflow_gives_what_a_run_gives(self) -> None:
        assert scaling(3) == [0.0, 2.0, 4.0]
        assert third(3) == 6.0
        noted.clear()
        assert parts([1, 2]) == Lists([0.5, 1.0], [[1], [2]])
        assert noted == [1]

    def test_items_that_fail(self) -> None:
        assert tolerating([2, 1, 4]) == [2, None, 4]
        assert tolerating([]) == []
        with pytest.raises(RefusedError, match=r"^1$"):
            tolerating([1, 3, 2])
        with pytest.raises(RefusedError, match=r"^3$"):
            map_task(even)([2, 3, 5])
        assert map_task(even, min_successes=0)([1, 3]) == [None, None]
        assert map_task(even, min_successes=9)([2, 4]) == [2, 4]

    def test_a_call_outside_a_workflow(self) -> None:
        assert scaled([1.0, 2.0], factor=[3.0, 4.0]) == [3.0, 8.0]
        assert map_task(halves)(n=[1, 2]) == Lists([0.5, 1.0], [[1], [2]])
        assert map_task(halves, min_successes=0)(n=[2]).half == [1.0]
        noted.clear()
        assert map_task(note)(n=[7, 8]) is None
        assert noted == [7, 8]
        assert isinstance(scaled, MapTask)

    def test_lists_that_differ_in_length(self) -> None:
        with pytest.raises(UsageError) as caught:
            scaled([1.0], [1.0, 2.0])
        assert str(caught.value) == (
            "The lists that node `scale` maps over differ in length: `x` has 1, `factor` has 2\n\n"
            "hint: Give it lists of one length, or bind what is the same for all with `functools.partial`"
        )

        @workflow
        def flow(xs: list[float], fs: list[float]) -> list[float]:
            return scaled(xs, fs).with_overrides(name="both")  # type: ignore[attr-defined, no-any-return]

        with pytest.raises(UsageError, match="The lists that node `both` maps over differ in length"):
            flow([1.0], [])


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))), st.floats(-1e6, 1e6))
def test_a_plain_call_is_a_comprehension(rows: list[tuple[float, float]], offset: float) -> None:
    xs, factors = [x for x, _ in rows], [factor for _, factor in rows]
    mapped = map_task(functools.partial(scale, offset=offset))
    assert mapped(xs, factors) == [scale(x, factor, offset) for x, factor in rows]


@given(st.lists(st.integers(0, 9)), st.integers(0, 10))
def test_a_tolerant_call_is_one_with_none_for_failures(xs: list[int], needed: int) -> None:
    mapped = map_task(even, min_successes=needed)
    good = [x for x in xs if x % 2 == 0]
    if len(good) >= min(needed, len(xs)):
        assert mapped(xs) == [x if x % 2 == 0 else None for x in xs]
        return
    with pytest.raises(RefusedError) as caught:
        mapped(xs)
    assert caught.value.args == (next(x for x in xs if x % 2),)


@given(st.lists(st.integers(0, 9)), st.sampled_from([0.2, 0.5, 0.9, 1]))
def test_a_workflow_is_its_body_over_values(xs: list[int], ratio: float) -> None:
    mapped = map_task(even, min_success_ratio=ratio)

    @workflow
    def flow(values: list[int]) -> list[int | None]:
        return mapped(values)

    try:
        expected: Any = mapped(xs)
    except RefusedError as error:
        with pytest.raises(RefusedError) as caught:
            flow(xs)
        assert caught.value.args == error.args
    else:
        assert flow(xs) == expected
