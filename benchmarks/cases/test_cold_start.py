"""What it costs to start from nothing: a whole process, CPU of it and of all below it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.cases.conftest import DRIVER, Bench, environment
from benchmarks.meter import Span

HELP_TARGET_MS = 150.0


def process_cpu_ms(command: list[str], folder: Path) -> float:
    """CPU of a process and of those it waited for, from start to exit."""
    span = Span()
    with span():
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=environment())
        assert process.wait() == 0
    return span.cpu_s * 1000


def start_cost_ms(bench: Bench, command: list[str], folder: Path) -> float:
    """The median, once files are in the page cache and compiled to bytecode."""
    process_cpu_ms(command, folder)
    bench.rounds = 3 if bench.quick else 7
    return bench.median(lambda: process_cpu_ms(command, folder))


def test_help(bench: Bench, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("hardpoint")), "--help"]
    bench.record("hardpoint --help", start_cost_ms(bench, command, tmp_path), "ms CPU", target=HELP_TARGET_MS)


def test_one_task(bench: Bench, tmp_path: Path) -> None:
    command = [sys.executable, str(DRIVER), "W5", "1"]
    bench.record("compile and run one durable task", start_cost_ms(bench, command, tmp_path), "ms CPU")


def test_bare_python(bench: Bench, tmp_path: Path) -> None:
    figure = start_cost_ms(bench, [sys.executable, "-c", "pass"], tmp_path)
    bench.record("python -c pass, for comparison", figure, "ms CPU")
