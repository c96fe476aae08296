"""The rows of the table of targets that need nothing but this machine: W1 to W6, and W8."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import statistics
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.processes import DRIVER, cost, drive, killed_when, state_folder

from hardpoint.executor.home import JOURNAL_FILE

FLOW = """
from hardpoint.core import task, workflow

@task
def ident(x: int) -> int:
    return x

@workflow
def one() -> int:
    return ident(7)
"""


class Row(NamedTuple):
    """One figure against its target; `floor` is the same on a bare `ProcessPoolExecutor`, if there is one.

    A target of CPU was set where the floor was `floor_then`: on a machine that is slower, or busy, by what
    the floor says, it is so much higher; on one that is faster it stays.
    """

    workload: str
    case: str
    figure: float
    unit: str
    target: float | None = None
    floor: float | None = None
    floor_then: float | None = None

    @property
    def limit(self) -> float | None:
        """The target, as far as it holds for this machine at this time."""
        if self.target is None or self.floor is None or self.floor_then is None:
            return self.target
        return self.target * max(1.0, self.floor / self.floor_then)

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        return None if self.limit is None else self.figure <= self.limit


FLOOR_THEN = {"W1": 0.15, "W2": 0.095, "W3": 0.08, "W4": 0.088}
"""CPU of a node on a bare pool when the targets were set, in ms."""


class Sizes(NamedTuple):
    """How much is measured; `full` is False where graphs are too small for figures that hold a fixed part."""

    full: bool
    rounds: int
    middle: int
    large: int
    remote: tuple[int, ...]

    @classmethod
    def of(cls, *, quick: bool) -> Sizes:
        """The full sizes, or a quick look."""
        if quick:
            return cls(False, 1, 5_000, 20_000, (200,))
        return cls(True, 5, 10_000, 100_000, (1_000, 10_000))

    def target(self, target: float) -> float | None:
        """A target that holds at the full sizes only."""
        return target if self.full else None


def run(workload: str, n: int, variant: str) -> dict[str, Any]:
    """One run of the driver on a store of its own."""
    with state_folder() as folder:
        report = drive(workload, n, variant, folder)
        return report | {"commits": _commits(folder / "home" / JOURNAL_FILE)}


def _commits(file: Path) -> int:
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute("SELECT count(*) FROM groups").fetchone()[0])


def slope(small: dict[str, Any], large: dict[str, Any], key: str) -> float:
    """What one more node costs, in thousandths: what does not grow with the graph falls out."""
    grown = float(large[key]) - float(small[key])
    return grown / (int(large["nodes"]) - int(small["nodes"])) * 1000


def _median(figures: Iterable[float]) -> float:
    return statistics.median(figures)


class Slopes:
    """Pairs of runs of two sizes, and the floor's in turn with them, so that both see the same load."""

    def __init__(self, workload: str, sizes: tuple[int, int], variant: str, rounds: int) -> None:
        self.runs = [
            (
                tuple(run(workload, n, variant) for n in sizes),
                tuple(run(workload, n, "floor") for n in sizes),
            )
            for _ in range(rounds)
        ]

    def median(self, key: str) -> float:
        """Of the slopes."""
        return _median(slope(small, large, key) for (small, large), _ in self.runs)

    def floor(self, key: str) -> float:
        """The same of the floor."""
        return _median(slope(small, large, key) for _, (small, large) in self.runs)

    def cpu_row(self, workload: str, case: str, target: float) -> Row:
        """The CPU of one more node, beside the floor's."""
        figure, floor = self.median("cpu_s"), self.floor("cpu_s")
        return Row(workload, case, figure, "ms CPU", target, floor, FLOOR_THEN[workload])

    def all_told(self, key: str) -> float:
        """Of the smaller size, whatever does not grow with the graph included; a node."""
        return _median(small[key] / small["nodes"] * 1000 for (small, _), _ in self.runs)

    def larger(self, key: str) -> float:
        """Of the larger size, as it is."""
        return _median(large[key] for (_, large), _ in self.runs)


def chain(sizes: Sizes) -> list[Row]:
    """W1."""
    found = Slopes("W1", (200, 2_200), "sqlite", sizes.rounds)
    return [
        found.cpu_row("W1", "chain, one more node", 0.25),
        Row("W1", "chain, one more hop", found.median("run_s"), "ms wall", 1.0, found.floor("run_s")),
        Row("W1", "chain, one more node", found.median("commits") / 1000, "transactions", 1.0),
        Row("W1", "chain of 200, all told", found.all_told("cpu_s"), "ms CPU a node"),
    ]


def _how(variant: str) -> str:
    return "map_task" if variant == "map" else "static"


def fan_out(sizes: Sizes, variant: str) -> list[Row]:
    """W2, and of W4 what 10,000 nodes say."""
    how = _how(variant)
    found = Slopes("W2", (1_000, sizes.middle), variant, sizes.rounds)
    small, large = (
        min(pairs, key=lambda each: float(each["cpu_s"]))
        for pairs in zip(*(ours for ours, _ in found.runs), strict=True)
    )
    return [
        found.cpu_row("W2", f"fan-out, {how}, one more", 0.10),
        Row("W2", f"fan-out of 1,000, {how}, all told", found.all_told("cpu_s"), "ms CPU a node"),
        *growth(
            sizes,
            variant,
            small,
            large,
            found.cpu_row("W4", f"fan-out of {sizes.middle:,}, {how}, one more", 0.08),
        ),
    ]


def growth(
    sizes: Sizes, variant: str, small: dict[str, Any], middle: dict[str, Any], one_more: Row
) -> list[Row]:
    """W4: from 10,000 to 100,000 nodes."""
    rounds = [run("W4", sizes.large, variant) for _ in range(min(2, sizes.rounds))]
    large = min(rounds, key=lambda each: each["cpu_s"])
    start_s = small["cpu_s"] - one_more.figure * small["nodes"] / 1000
    exponent = math.log((large["cpu_s"] - start_s) / (middle["cpu_s"] - start_s)) / math.log(
        large["nodes"] / middle["nodes"]
    )
    used_kib = (large["rss_mb"] - large["base_mb"]) * 1024 / large["nodes"]
    of = f"fan-out of {sizes.large:,}, {_how(variant)}"
    grown_ms = slope(middle, large, "cpu_s")
    return [
        one_more,
        one_more._replace(case=f"{of}, one more", figure=grown_ms),
        Row("W4", f"{of}, all told", large["cpu_s"] / large["nodes"] * 1000, "ms CPU a node"),
        Row("W4", f"{of}, exponent of CPU", exponent, "", sizes.target(1.05)),
        Row("W4", f"{of}, memory", used_kib, "KiB a node", sizes.target(2.0)),
        Row("W4", f"{of}, peak, all processes", large["peak_mb"], "MB", sizes.target(250.0)),
    ]


def layers(sizes: Sizes) -> list[Row]:
    """W3."""
    found = Slopes("W3", (1_000, sizes.middle), "sqlite", sizes.rounds)
    return [
        found.cpu_row("W3", "layers, one more node", 0.12),
        Row("W3", "layers of 1,000, all told", found.all_told("cpu_s"), "ms CPU a node"),
    ]


def cold_start(sizes: Sizes) -> list[Row]:
    """W5: whole processes, from nothing to their exit."""
    hardpoint = str(Path(sys.executable).with_name("hardpoint"))
    with state_folder() as folder:
        (folder / "flow.py").write_text(FLOW)

        def median(*command: str) -> float:
            cost(list(command), folder)  # files in the page cache, modules compiled
            return statistics.median(cost(list(command), folder).cpu_s for _ in range(2 + sizes.rounds))

        bare = median(sys.executable, "-c", "pass")
        return [
            Row("W5", "`hardpoint --help`", median(hardpoint, "--help"), "s CPU", 0.15, bare),
            Row("W5", "`hardpoint run`, one task", median(hardpoint, "run", "flow.py", "one"), "s CPU", 0.40),
            Row("W5", "`Executor`, one task", median(sys.executable, str(DRIVER), "W5", "1"), "s CPU", 0.40),
        ]


def killed(sizes: Sizes, variant: str) -> list[Row]:
    """W6: the engine and its workers are killed at half; what runs twice, and how long the rest takes."""
    n = 1_000
    twice: list[int] = []
    walls_s: list[float] = []
    missing = 0
    for _ in range(1 + sizes.rounds // 2):
        with state_folder() as folder:
            marks = folder / "marks.txt"
            changes = {"BENCH_W6_FILE": str(marks)}
            command = [sys.executable, str(DRIVER), "W6", str(n), variant]
            killed_when(marks, n // 2, command, folder, **changes)
            walls_s.append(drive("W6", n, variant, folder, **changes)["run_s"])
            executed = [int(line.split()[0]) for line in marks.read_text().splitlines()]
            twice.append(len(executed) - len(set(executed)))
            missing += n - len(set(executed))
    at_once = max(2, os.cpu_count() or 1)
    of = f"1,000, {_how(variant)}, killed at half"
    return [
        Row("W6", f"{of}, run twice", max(twice), "tasks", at_once),
        Row("W6", f"{of}, never run", missing, "tasks", 0),
        Row("W6", f"{of}, the rest", statistics.median(walls_s), "s wall", 2.0),
    ]


def compilation(sizes: Sizes) -> list[Row]:
    """W8."""
    found = [[run("W8", n, "sqlite")["build_cpu_s"] for n in (10_000, 40_000)] for _ in range(sizes.rounds)]
    small, large = (statistics.median(each) for each in zip(*found, strict=True))
    return [
        Row("W8", "compile 10,000 nodes", small, "s CPU", 0.4),
        Row(
            "W8",
            "compile 10,000 to 40,000 nodes, exponent",
            math.log(large / small) / math.log(4),
            "",
            sizes.target(1.1),
        ),
    ]


def all_rows() -> list[tuple[set[str], Callable[[Sizes], list[Row]]]]:
    """What to measure, in order, with the names of the workloads."""
    return [
        ({"W1"}, chain),
        ({"W2", "W4"}, lambda sizes: fan_out(sizes, "sqlite")),
        ({"W2", "W4"}, lambda sizes: fan_out(sizes, "map")),
        ({"W3"}, layers),
        ({"W5"}, cold_start),
        ({"W6"}, lambda sizes: killed(sizes, "sqlite")),
        ({"W6"}, lambda sizes: killed(sizes, "map")),
        ({"W8"}, compilation),
    ]


def as_json(rows: list[Row]) -> str:
    """For programs."""
    plain = [
        {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in row._asdict().items()
        }
        | {"limit": row.limit if row.limit is None else round(row.limit, 4), "ok": row.ok}
        for row in rows
    ]
    return json.dumps({"cpus": os.cpu_count(), "load_1m": os.getloadavg()[0], "rows": plain}, indent=2)
