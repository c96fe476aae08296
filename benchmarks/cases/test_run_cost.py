"""What it costs to run a no-op node, journaled, in a worker process: CPU of all processes together."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from benchmarks.cases.conftest import Bench

SHAPES = {"W1": "chain", "W2": "fan-out", "W3": "layers"}
TARGET_MS = 0.5


def cpu_ms(report: dict[str, Any]) -> float:
    """CPU for each node of one run."""
    return float(report["cpu_s"]) / int(report["nodes"]) * 1000


@pytest.mark.parametrize("workload", SHAPES)
def test_durable_node(bench: Bench, workload: str) -> None:
    n = 1_000
    floors: list[float] = []

    def measure() -> float:
        # Taken in turn, so that both see the same load of the machine.
        floors.append(cpu_ms(bench.drive(workload, n, "floor")))
        return cpu_ms(bench.drive(workload, n, "sqlite"))

    figure, floor = bench.median(measure), statistics.median(floors)
    case = f"{SHAPES[workload]} of {n:,}, durable, all told"
    bench.record(case, figure, "ms CPU a node", target=TARGET_MS, floor=floor)


@pytest.mark.parametrize("workload", SHAPES)
def test_durable_node_on_a_running_executor(bench: Bench, workload: str) -> None:
    n = 1_000
    figure = bench.median(lambda: cpu_ms(bench.drive(workload, n, "sqlite_warm")))
    bench.record(f"{SHAPES[workload]} of {n:,}, durable, executor running", figure, "ms CPU a node")


def test_node_without_a_journal(bench: Bench) -> None:
    n = 1_000
    figure = bench.median(lambda: cpu_ms(bench.drive("W2", n, "mem")))
    bench.record(f"fan-out of {n:,}, journal in memory, all told", figure, "ms CPU a node")


def test_large_fan_out(bench: Bench) -> None:
    n = bench.size(10_000)
    floors: list[float] = []

    def measure() -> float:
        floors.append(cpu_ms(bench.drive("W4", n, "floor")))
        return cpu_ms(bench.drive("W4", n, "sqlite"))

    figure, floor = bench.median(measure), statistics.median(floors)
    bench.record(f"fan-out of {n:,}, durable, all told", figure, "ms CPU a node", floor=floor)


def test_wall_of_a_hop(bench: Bench) -> None:
    n = 1_000
    figure = bench.median(lambda: bench.drive("W1", n, "sqlite_warm")["run_s"] / n * 1000)
    bench.record(f"chain of {n:,}, durable, executor running", figure, "ms wall a hop")


def test_memory_of_a_node(bench: Bench) -> None:
    small, large = 1_000, bench.size(20_000)

    def measure() -> float:
        grown_mb = bench.drive("W4", large, "sqlite")["rss_mb"] - bench.drive("W4", small, "sqlite")["rss_mb"]
        return float(grown_mb) * 1024 / (large - small)

    bench.record(f"peak memory, fan-out of {small:,} to {large:,}", bench.median(measure), "KiB a node")
