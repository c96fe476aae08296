"""What it costs to define and check a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.cases.conftest import Bench
from benchmarks.workloads import fan_out, layers

from hardpoint.core import Workflow

TARGET_US = 60.0


def compile_us(bench: Bench, make: Callable[[int], Workflow[[], Any]], n: int) -> float:
    """Median CPU of one compilation, for each node; the timer is `time.process_time`."""

    def setup() -> tuple[tuple[Workflow[[], Any]], dict[str, object]]:
        return (make(n),), {}

    bench.pedantic(lambda flow: flow.compile(), setup=setup, rounds=2 + bench.rounds)
    stats = bench.benchmark.stats
    assert stats is not None
    return float(stats.stats.median) / n * 1e6


def test_layers(bench: Bench) -> None:
    n = bench.size(10_000)
    bench.record(f"compile, layers of {n:,}", compile_us(bench, layers, n), "µs CPU a node", target=TARGET_US)


def test_fan_out(bench: Bench) -> None:
    n = bench.size(10_000)
    bench.record(
        f"compile, fan-out of {n:,}", compile_us(bench, fan_out, n), "µs CPU a node", target=TARGET_US
    )
