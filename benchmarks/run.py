"""Measure what hardpoint costs and print one table.

    python benchmarks/run.py [--quick] [--json]

Exit codes: 0 every target is met, 1 one is missed, 2 a case could not run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the cases; return the exit code."""
    parser = argparse.ArgumentParser(description="Measure what hardpoint costs.")
    parser.add_argument(
        "--quick", action="store_true", help="smaller graphs, one round: a look, not a result"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hardpoint-bench-") as folder:
        output = Path(folder) / "cases.json"
        code = run_cases(output, quick=options.quick)
        if code:
            return 2
        cases = [row_of(each) for each in json.loads(output.read_bytes())["benchmarks"]]
    if options.json:
        print(json.dumps({"load_1m": os.getloadavg()[0], "cpus": os.cpu_count(), "cases": cases}, indent=2))
    else:
        print_table(cases)
    return int(any(case["ok"] is False for case in cases))


def run_cases(output: Path, *, quick: bool) -> int:
    """Let pytest-benchmark run them; their figures are in its JSON."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "benchmarks/cases",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--benchmark-timer=time.process_time", "--benchmark-quiet", f"--benchmark-json={output}"]
    command += [f"--basetemp={output.parent / 'cases'}"]
    ran = subprocess.run(
        [*command, *(["--quick"] if quick else [])], cwd=ROOT, stdout=sys.stderr, check=False
    )
    return ran.returncode


def row_of(benchmark: dict[str, Any]) -> dict[str, Any]:
    """What one case found."""
    info = benchmark["extra_info"]
    target, floor, figure = info["target"], info["floor"], info["figure"]
    return {
        "case": info["case"],
        "figure": round(figure, 4),
        "unit": info["unit"],
        "target": target,
        "ok": None if target is None else figure <= target,
        "floor": None if floor is None else round(floor, 4),
        "times_floor": None if not floor else round(figure / floor, 2),
    }


def print_table(cases: list[dict[str, Any]]) -> None:
    """The table; `floor` is the same graph on a bare `ProcessPoolExecutor`."""
    width = max(len(case["case"]) for case in cases)
    heads = f"{'figure':>9}  {'unit':<14}{'target':>8}  {'ok':<4}{'floor':>8}{'× floor':>9}"
    print(f"{'case':<{width}}{heads}")
    for case in cases:
        target = "" if case["target"] is None else f"≤ {case['target']:g}"
        ok = {None: "", True: "yes", False: "NO"}[case["ok"]]
        floor = "" if case["floor"] is None else f"{case['floor']:.3f}"
        times = "" if case["times_floor"] is None else f"{case['times_floor']:.1f}"
        figure = f"{case['figure']:.3g}" if case["figure"] < 100 else f"{case['figure']:.0f}"
        print(
            f"{case['case']:<{width}}{figure:>9}  {case['unit']:<14}{target:>8}  {ok:<4}{floor:>8}{times:>9}"
        )
    print("floor: the same graph on a bare ProcessPoolExecutor")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
