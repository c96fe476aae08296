"""What the cases share: how they record a figure, and how they run the driver in a process of its own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

DRIVER = Path(__file__).resolve().parent.parent / "driver.py"


def environment(**changes: str) -> dict[str, str]:
    """For a measured process: with cached bytecode, as every installed package has it after its first use."""
    left_out = ("BENCH_STATE", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if key not in left_out} | changes


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`."""
    parser.addoption("--quick", action="store_true", help="smaller graphs, one round")


class Bench:
    """One case: rounds of a measurement, and the figure that comes of them."""

    def __init__(self, benchmark: BenchmarkFixture, folder: Path, *, quick: bool) -> None:
        self.benchmark = benchmark
        self.quick = quick
        self.rounds = 1 if quick else 3
        self._folder = folder

    def size(self, full: int) -> int:
        """`full`, or a fifth of it for a quick look. Not for figures with a part that does not grow."""
        return full // 5 if self.quick else full

    def drive(self, workload: str, n: int, variant: str = "sqlite") -> dict[str, Any]:
        """One run of `driver.py` in a fresh process."""
        ran = subprocess.run(
            [sys.executable, str(DRIVER), workload, str(n), variant],
            env=environment(TMPDIR=str(self._folder)),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        assert report["ok"], report
        return report

    def median(self, measure: Callable[[], float]) -> float:
        """The middle one of as many measurements as there are rounds."""
        figures: list[float] = []
        self.pedantic(lambda: figures.append(measure()), rounds=self.rounds)
        return statistics.median(figures)

    def pedantic(self, target: Callable[..., object], **options: Any) -> None:
        """`benchmark.pedantic`, each call a round."""
        call: Callable[..., object] = self.benchmark.pedantic
        call(target, iterations=1, **options)

    def record(
        self, case: str, figure: float, unit: str, *, target: float | None = None, floor: float | None = None
    ) -> None:
        """Hand the figure to whoever reads `--benchmark-json`."""
        self.benchmark.extra_info.update(case=case, figure=figure, unit=unit, target=target, floor=floor)


@pytest.fixture
def bench(benchmark: BenchmarkFixture, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    """The case at hand."""
    return Bench(benchmark, tmp_path, quick=request.config.getoption("--quick"))
