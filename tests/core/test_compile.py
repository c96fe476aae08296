"""What the compiler emits for an authored workflow."""

from __future__ import annotations

import gc
import itertools
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from hardpoint.core import Retry, Workflow, check_compiled, compile_workflow, task, workflow
from hardpoint.core.compiled import (
    Binding,
    Converted,
    FromDict,
    FromInput,
    FromList,
    FromNode,
    FromPairs,
    Given,
    Node,
    Picked,
    Step,
    StepKind,
    from_json,
)
from hardpoint.core.flatten import flatten
from hardpoint.core.mermaid import to_mermaid
from hardpoint.core.traced import TracedNode
from hardpoint.plugin_api import ListType, SimpleKind, SimpleType, UnionType

HERE = "tests/core/test_compile.py"
FLOAT, INT, STR, NONE = (
    SimpleType(kind) for kind in (SimpleKind.FLOAT, SimpleKind.INT, SimpleKind.STR, SimpleKind.NONE)
)


@dataclass
class Metrics:
    accuracy: float
    tags: dict[str, list[int]]


class Parts(NamedTuple):
    small: int
    large: float


@task
def seed(x: float) -> float:
    return x


@task
def everything(xs: list[float]) -> float:
    return sum(xs)


@task
def add(a: float, b: float) -> float:
    return a + b


@task
def count(x: float) -> int:
    return int(x)


@task
def measure(x: float) -> Metrics:
    return Metrics(x, {"a": [1, 2]})


@task
def split(x: float) -> Parts:
    return Parts(int(x), x)


@task
def rejoin(parts: Parts, more: dict[int, float], maybe: list[float] | None = None) -> float:
    return parts.large


@task
def total(xs: list[float], named: dict[str, float], pair: tuple[int, float]) -> float:
    return sum(xs)


@task
def describe(metrics: Metrics) -> None:
    return None


@task
def touch() -> None:
    return None


@workflow
def bindings(n: int, x: float = 2.0) -> float:
    s = seed(x)
    m = measure(s)
    small, _ = split(1.0)
    describe(Metrics(s, {"a": [small, 2]}))
    whole = rejoin(split(x), {1: s, 2: 0.5}, maybe=[s])
    seed(n)
    return total([s, small, 3.0], {"w": whole, "v": 1.0}, pair=(m.tags["a"][-1], m.accuracy))


def nodes_of(flow: Workflow[..., Any]) -> dict[str, Node]:
    return {node.id: node for node in compile_workflow(flow).body.nodes}


class TestBindings:
    @pytest.fixture
    def nodes(self) -> dict[str, Node]:
        return nodes_of(bindings)

    def test_inputs_and_promises(self, nodes: dict[str, Node]) -> None:
        assert nodes["seed"].inputs == {"x": FromInput("x")}
        assert nodes["measure"].inputs == {"x": FromNode("seed", "result")}
        assert nodes["split"].inputs == {"x": Given(1.0)}

    def test_a_narrower_type_is_converted(self, nodes: dict[str, Node]) -> None:
        assert nodes["seed_2"].inputs == {"x": Converted(FromInput("n"), INT, FLOAT)}

    def test_nests(self, nodes: dict[str, Node]) -> None:
        s, small = FromNode("seed", "result"), FromNode("split", "small")
        m = FromNode("measure", "result")
        last = (Step(StepKind.FIELD, "tags"), Step(StepKind.KEY, "a"), Step(StepKind.INDEX, -1))
        expected: dict[str, Binding] = {
            "xs": FromList((s, Converted(small, INT, FLOAT), Given(3.0))),
            "named": FromDict({"w": FromNode("rejoin", "result"), "v": Given(1.0)}),
            "pair": FromList((Picked(m, last), Picked(m, (Step(StepKind.FIELD, "accuracy"),)))),
        }
        assert nodes["total"].inputs == expected
        assert nodes["describe"].inputs == {
            "metrics": FromDict({"accuracy": s, "tags": FromDict({"a": FromList((small, Given(2)))})})
        }

    def test_structs_pairs_and_unions(self, nodes: dict[str, Node]) -> None:
        s = FromNode("seed", "result")
        floats = ListType(FLOAT)
        assert nodes["rejoin"].inputs == {
            "parts": FromDict({"small": FromNode("split_2", "small"), "large": FromNode("split_2", "large")}),
            "more": FromPairs((1, 2), (s, Given(0.5))),
            "maybe": Converted(FromList((s,)), floats, UnionType((floats, NONE))),
        }

    def test_it_passes_the_checks_of_imported_graphs(self) -> None:
        assert check_compiled(compile_workflow(bindings)) == []

    def test_plain_call_agrees(self) -> None:
        assert bindings(3) == 2.0 + 1 + 3.0

    def test_it_survives_json(self) -> None:
        compiled = compile_workflow(bindings)
        assert from_json(compiled.to_json()) == compiled


class TestNames:
    def test_ids_count_up_and_keep_clear_of_chosen_names(self) -> None:
        @workflow
        def flow() -> None:
            seed(1.0)
            seed(1.0).with_overrides(name="big")  # type: ignore[attr-defined]
            seed(1.0)
            touch().with_overrides(name="seed_3")  # type: ignore[attr-defined]
            seed(1.0)
            seed.with_overrides(name="small")(1.0)

        assert list(nodes_of(flow)) == ["seed", "big", "seed_2", "seed_3", "seed_4", "small"]

    def test_tasks_are_named_by_file_and_function(self) -> None:
        compiled = compile_workflow(bindings)
        assert compiled.main == f"{HERE}:bindings"
        assert compiled.tasks[f"{HERE}:seed"].config == {"file": HERE, "qualname": "seed"}
        assert set(compiled.tasks) == {
            f"{HERE}:{name}" for name in ("seed", "measure", "split", "describe", "rejoin", "total")
        }

    def test_overrides_make_specs_of_their_own(self) -> None:
        @workflow
        def flow() -> None:
            seed(1.0)
            seed(1.0).with_overrides(retry=Retry(3))  # type: ignore[attr-defined]
            seed(1.0).with_overrides(retry=Retry(3), timeout=5)  # type: ignore[attr-defined]
            seed.with_overrides(retry=Retry(3))(1.0)

        compiled = compile_workflow(flow)
        keys = [node.task for node in compiled.body.nodes]
        assert len(set(keys)) == 3
        assert keys[1] == keys[3]
        assert all(key.startswith(f"{HERE}:seed@") for key in keys)
        assert [compiled.tasks[key].retry.attempts for key in keys] == [1, 3, 3, 3]
        assert compiled.tasks[keys[2]].timeout_s == 5.0
        assert all(flow.definitions[key].name == "seed" for key in keys)

    def test_workflows_of_one_name_are_kept_apart(self) -> None:
        @workflow
        def flow() -> None:
            made(1)(1.0)
            made(2)(1.0)

        compiled = compile_workflow(flow)
        name = f"{HERE}:made.<locals>.inner"
        assert list(compiled.workflows) == [compiled.main, name, f"{name}@2"]
        assert [len(compiled.workflows[key].nodes) for key in (name, f"{name}@2")] == [1, 2]

    def test_positions_of_format_1_are_read(self) -> None:
        compiled = compile_workflow(bindings)
        key = compiled.main
        places = {f"{key}/{id}": place for id, place in compiled.positions_in(key).items()}
        old = msgspec.structs.replace(compiled, positions=places, format=1)
        again = from_json(old.to_json())
        assert again.positions_in(key) == compiled.positions_in(key)
        assert again.digest == compiled.digest

    def test_positions_lie_beside(self) -> None:
        compiled = compile_workflow(bindings)
        position = compiled.positions_in(f"{HERE}:bindings")["total"]
        line = Path(position.file).read_text().splitlines()[position.line - 1]
        assert (
            line
            == '    return total([s, small, 3.0], {"w": whole, "v": 1.0}, pair=(m.tags["a"][-1], m.accuracy))'
        )


def made(n: int) -> Workflow[[float], None]:
    @workflow
    def inner(x: float) -> None:
        for _ in range(n):
            seed(x)

    return inner


class TestOrder:
    def test_arrows_chain_and_take_lists(self) -> None:
        @workflow
        def flow(x: float) -> float:
            a, b, c = touch(), touch(), made(1)(x)
            d = seed(x)
            a >> [b, c] >> d  # type: ignore[operator]
            x >> a  # type: ignore[operator]
            return d

        nodes = nodes_of(flow)
        assert {id: node.after for id, node in nodes.items()} == {
            "touch": (),
            "touch_2": ("touch",),
            "inner": ("touch",),
            "seed": ("touch_2", "inner"),
        }

    def test_an_arrow_back_reorders(self) -> None:
        @workflow
        def flow() -> None:
            first, second = touch(), touch()
            second >> first  # type: ignore[operator]

        assert list(nodes_of(flow)) == ["touch_2", "touch"]


def layers(nodes: int, width: int = 20) -> Workflow[[float], list[float]]:
    @workflow
    def flow(x: float) -> list[float]:
        row = [seed(x) for _ in range(width)]
        for _ in range(nodes // width - 1):
            row = [add(row[i], row[(i + 1) % width]) for i in range(width)]
        return row

    return flow


def fan_out(nodes: int) -> Workflow[[], float]:
    @workflow
    def flow() -> float:
        return everything([seed(float(each)) for each in range(nodes)])

    return flow


def chain(nodes: int) -> Workflow[[float], float]:
    @workflow
    def flow(x: float) -> float:
        for _ in range(nodes):
            x = seed(x)
        return x

    return flow


def cpu_s(work: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def traced_nodes() -> int:
    return sum(isinstance(each, TracedNode) for each in gc.get_objects())


class TestMemory:
    def test_what_was_traced_goes_when_it_is_compiled(self) -> None:
        gc.collect()
        before = traced_nodes()
        gc.disable()  # it must go by itself: with cycles in it, it would stay until the next full collection
        try:
            flow = layers(1_000)
            flow.compile()
            assert traced_nodes() == before
        finally:
            gc.enable()

    def test_a_plain_call_keeps_it_for_the_next(self) -> None:
        flow = chain(10)
        flow.compile()
        assert flow(1.5) == flow(1.5) == 1.5
        assert flow.traced() is flow.traced()
        assert flow.compile() is flow.compile()

    def test_bytes_for_each_node(self) -> None:
        flow = fan_out(20_000)
        tracemalloc.start()
        try:
            compiled = flow.compile()
            graph = flatten(compiled)
            gc.collect()
            held_bytes = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert len(graph.nodes) == 20_001
        assert held_bytes / 20_000 < 0.9 * 1024

    def test_nodes_with_the_same_neighbours_share_them(self) -> None:
        graph = flatten(fan_out(3).compile())
        assert graph.dependents["seed"] == ("everything",)
        assert graph.dependents["seed"] is graph.dependents["seed_3"]


class TestScale:
    def test_time_grows_with_the_nodes(self) -> None:
        small = cpu_s(lambda: layers(1_000).compile())
        large = cpu_s(lambda: layers(10_000).compile())
        # Ten times the nodes; twice that would be far from linear, a quadratic step a hundred times.
        assert large < 20 * small + 0.1

    def test_long_chains_do_not_recurse(self) -> None:
        flow = chain(10_000)
        compiled = flow.compile()
        assert check_compiled(compiled) == []
        assert list(flatten(compiled).nodes)[-1] == "seed_10000"
        assert flow(1.5) == 1.5

    def test_long_chains_turned_around_by_arrows_do_not_recurse(self) -> None:
        @workflow
        def flow() -> None:
            nodes = [touch() for _ in range(10_000)]
            for later, earlier in itertools.pairwise(nodes):
                earlier >> later  # type: ignore[operator]

        compiled = flow.compile()
        assert check_compiled(compiled) == []
        assert compiled.body.nodes[0].id == "touch_10000"


@workflow
def inner_flow(x: float, by: float = 2.0) -> float:
    return add(seed(x), by)


@workflow
def drawn(x: float) -> float:
    a = inner_flow(x)
    b = inner_flow(a, by=x)
    t = touch()
    t >> b  # type: ignore[operator]
    return b


def test_mermaid() -> None:
    assert to_mermaid(compile_workflow(drawn)) == (
        "flowchart TD\n"
        '    n0[/"x: float"/]\n'
        '    subgraph n1["inner_flow"]\n'
        '        n2[/"x: float<br/>by: float"/]\n'
        f'        n3["seed<br/>{HERE}:seed"]\n'
        f'        n4["add<br/>{HERE}:add"]\n'
        '        n5[\\"result: float"\\]\n'
        "        n2 -->|x| n3\n"
        "        n3 -->|a| n4\n"
        "        n2 -->|b| n4\n"
        "        n4 --> n5\n"
        "    end\n"
        f'    n6["touch<br/>{HERE}:touch"]\n'
        '    subgraph n7["inner_flow_2"]\n'
        '        n8[/"x: float<br/>by: float"/]\n'
        f'        n9["seed<br/>{HERE}:seed"]\n'
        f'        n10["add<br/>{HERE}:add"]\n'
        '        n11[\\"result: float"\\]\n'
        "        n8 -->|x| n9\n"
        "        n9 -->|a| n10\n"
        "        n8 -->|b| n10\n"
        "        n10 --> n11\n"
        "    end\n"
        '    n12[\\"result: float"\\]\n'
        "    n0 -->|x| n1\n"
        "    n1 -->|x| n7\n"
        "    n0 -->|by| n7\n"
        "    n6 -.-> n7\n"
        "    n7 --> n12\n"
    )
