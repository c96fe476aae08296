"""Measure what hardpoint must cost at most, and print figures beside targets.

    python benchmarks/targets.py [--quick] [--json] [--only W1,W9]

Runs one after the other for a few minutes; `--quick` gives a look in less than one. CPU is that of all
processes together. "One more" is the slope between two sizes: what starting costs has rows of its own.
The limit is the target, raised as far as the floor is above what it was when the target was set.

Exit codes: 0 every target is met, 1 one is missed, 2 a run failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # a script's own folder stands there otherwise

from benchmarks.target_remote import remote_jobs
from benchmarks.target_rows import Row, Sizes, all_rows, as_json


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description="Measure what hardpoint must cost at most.")
    parser.add_argument("--quick", action="store_true", help="one round, smaller graphs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--only", default="", help="some workloads, such as W1,W9")
    options = parser.parse_args()
    wanted = set(filter(None, options.only.split(",")))
    sizes = Sizes.of(quick=options.quick)
    rows: list[Row] = []
    if not options.json:
        print(f"{'':4}{'':<52}{'figure':>8} {'':<16}{'limit':>8}  {'ok':<4}{'floor':>8}")
    began_s = time.perf_counter()
    for workloads, measure in [*all_rows(), ({"W9"}, remote_jobs)]:
        if wanted and not wanted & workloads:
            continue
        try:
            found = measure(sizes)
        except SystemExit as failure:
            print(failure, file=sys.stderr)
            return 2
        rows += found
        if not options.json:
            print_rows(found)
    if options.json:
        print(as_json(rows))
    else:
        took_s = time.perf_counter() - began_s
        print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {took_s:.0f} s")
    return int(any(row.ok is False for row in rows))


def print_rows(rows: list[Row]) -> None:
    """Some lines of the table, as soon as they are known."""
    for row in rows:
        figure = f"{row.figure:.3g}" if row.figure < 1_000 else f"{row.figure:.0f}"
        limit = "" if row.limit is None else f"≤ {row.limit:.3g}"
        ok = {None: "", True: "yes", False: "NO"}[row.ok]
        floor = "" if row.floor is None else f"{row.floor:.3g}"
        print(
            f"{row.workload}  {row.case:<52}{figure:>8} {row.unit:<16}{limit:>8}  {ok:<4}{floor:>8}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
