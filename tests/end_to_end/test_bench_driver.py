"""The driver of the benchmarks: its protocol, its answers, and what its meter sees."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hardpoint.executor.journal.opening import open_journal

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def drive(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"BENCH_STATE": str(state), "BENCH_W6_FILE": str(state / "marks.txt")}
    command = [sys.executable, str(BENCHMARKS / "driver.py"), *words]
    return subprocess.run(command, cwd=state, env=environment, capture_output=True, text=True, check=False)


def report_of(state: Path, *words: str) -> dict[str, Any]:
    ran = drive(state, *words)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return report


@pytest.mark.parametrize(
    ("workload", "n", "variant"),
    [
        ("W1", 20, "sqlite"),
        ("W2", 30, "mem"),
        ("W2", 30, "floor"),
        ("W2", 30, "map"),
        ("W3", 60, "sqlite_warm"),
        ("W3", 60, "floor"),
        ("W4", 100, "mem_warm"),
        ("W5", 1, "sqlite"),
        ("W8", 200, "sqlite"),
    ],
)
def test_a_workload_runs_and_comes_to_the_right_answer(
    workload: str, n: int, variant: str, tmp_path: Path
) -> None:
    report = report_of(tmp_path, workload, str(n), variant)
    assert (report["workload"], report["n"], report["ok"]) == (workload, n, True)
    protocol = {"workload", "n", "build_s", "run_s", "cpu_s", "rss_mb", "ok", "base_mb"}
    assert protocol <= report.keys()
    assert 0 < report["base_mb"] <= report["rss_mb"]
    if workload == "W8":
        assert report["build_s"] > 0
        assert report["run_s"] == report["cpu_s"] == 0
    else:
        assert report["run_s"] > 0
        assert report["cpu_s"] > 0


def test_leaves_that_leave_a_mark_run_once_each(tmp_path: Path) -> None:
    assert report_of(tmp_path, "W6", "40")["ok"]
    marked = [int(line.split()[0]) for line in (tmp_path / "marks.txt").read_text().splitlines()]
    assert sorted(marked) == list(range(40))


def test_a_second_process_takes_cached_leaves_from_the_first(tmp_path: Path) -> None:
    assert report_of(tmp_path, "W7", "40")["ok"]
    assert report_of(tmp_path, "W7", "40")["ok"]
    journal = open_journal(tmp_path / "home")
    second, first = journal.rows()
    kinds = [Counter(type(e).__name__ for e in journal.read(row.execution)) for row in (first, second)]
    journal.close()
    assert [(each["AttemptSucceeded"], each["NodeCached"]) for each in kinds] == [(41, 0), (1, 40)]


@pytest.mark.parametrize("variant", ["sqlite", "map", "rate", "bare"])
def test_remote_jobs_run_once_each(variant: str, tmp_path: Path) -> None:
    report = report_of(tmp_path, "W9", "4", variant)
    assert (report["ok"], report["created"], report["double_submits"], report["orphans"]) == (True, 4, 0, 0)
    assert report["calls_per_job"] >= 2
    assert report["run_s"] > report["ideal_s"] - 0.1
    assert ("notice_s" in report) == (variant != "bare")


def test_what_it_cannot_do_it_says_with_code_4(tmp_path: Path) -> None:
    for words in (
        ("W10", "10"),
        ("W1", "10", "redis"),
        ("W7", "10", "floor"),
        ("W1", "10", "map"),
        ("W9", "10", "mem"),
    ):
        ran = drive(tmp_path, *words)
        assert ran.returncode == 4
        assert "unsupported" in json.loads(ran.stdout)
    assert drive(tmp_path, "W1").returncode == 2
    assert drive(tmp_path, "W1", "many").stderr == "usage: driver.py WORKLOAD N [VARIANT]\n"


def test_the_meter_counts_live_and_ended_children() -> None:
    spec = importlib.util.spec_from_file_location("benchmarks_meter", BENCHMARKS / "meter.py")
    assert spec is not None and spec.loader is not None
    meter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(meter)
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint('burned', flush=True)\ninput()\n"
    before_s = meter.others_cpu_s()
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == "burned\n"
        assert child.pid in meter.descendants_of(os.getpid())
        live_s = meter.others_cpu_s() - before_s
        child.stdin.write("\n")
    ended_s = meter.others_cpu_s() - before_s
    assert 0.3 <= live_s <= ended_s + 0.001 < 0.6
