"""Run one workload once and say what it cost.

    python benchmarks/driver.py WORKLOAD N [VARIANT]

The last line on stdout is one JSON object: `workload`, `n`, `build_s`, `run_s`, `cpu_s`, `rss_mb`, `ok`,
`base_mb` and a few more. Exit codes: 0 it ran (look at `ok`), 4 there is no such workload or variant.

`build_s` is what defining and compiling takes, imports apart. `run_s` and `cpu_s` hold everything from
making the executor (and its worker processes) until it is closed again; the CPU is that of all processes.
The `_warm` variants start the clock on an executor whose workers have already run something.

State lies under `$BENCH_STATE`, else in a temporary folder that is removed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from benchmarks import floor
from benchmarks.meter import Span, peak_mb
from benchmarks.workloads import GRAPHS, MAPPED, fan_out, is_right, nodes_in

from hardpoint.core import Workflow
from hardpoint.executor import Executor

JOURNALS: dict[str, Literal["sqlite", "memory"]] = {"sqlite": "sqlite", "mem": "memory"}
VARIANTS = (*JOURNALS, *(f"{name}_warm" for name in JOURNALS), "map", "floor")
UNSUPPORTED = 4
WARM_UP = 40


class Measured:
    """Everything one run has to say."""

    def __init__(self) -> None:
        self.build, self.run = Span(), Span()
        self.base_mb = 0.0
        self.ok = False

    def report(self, workload: str, n: int, variant: str) -> dict[str, Any]:
        """The line to print."""
        return {
            "workload": workload,
            "n": n,
            "build_s": round(self.build.wall_s, 5),
            "run_s": round(self.run.wall_s, 5),
            "cpu_s": round(self.run.cpu_s, 5),
            "rss_mb": round(peak_mb(), 1),
            "ok": self.ok,
            "base_mb": round(self.base_mb, 1),
            "build_cpu_s": round(self.build.cpu_s, 5),
            "variant": variant,
            "nodes": nodes_in(workload, n),
        }


def compile_only(workload: str, n: int) -> Measured:
    """Define and check the graph; run nothing."""
    measured = Measured()
    measured.base_mb = peak_mb()
    with measured.build():
        compiled = GRAPHS[workload](n).compile()
    measured.ok = len(compiled.body.nodes) == n
    return measured


def run_workflow(workload: str, n: int, variant: str, home: Path) -> Measured:
    """Compile and run on an executor of its own."""
    name, _, warm = variant.partition("_")
    journal = JOURNALS.get(name, "sqlite")
    graphs = MAPPED if name == "map" else GRAPHS
    measured = Measured()
    measured.base_mb = peak_mb()
    with measured.build():
        flow = graphs[workload](n)
        flow.compile()
    if warm:
        with Executor(home, journal=journal) as executor:
            executor.submit(fan_out(WARM_UP)).result()
            with measured.run():
                result = finish(executor, workload, flow)
    else:
        with measured.run(), Executor(home, journal=journal) as executor:
            result = finish(executor, workload, flow)
    measured.ok = is_right(workload, n, result)
    return measured


def finish(executor: Executor, workload: str, flow: Workflow[[], Any]) -> Any:
    """The run's result; W6 goes on with the run that was killed, if there is one."""
    left = executor.recover() if workload == "W6" else []
    return (left[0] if left else executor.submit(flow)).result()


def run_floor(workload: str, n: int) -> Measured:
    """The same graph on a bare process pool."""
    measured = Measured()
    measured.base_mb = peak_mb()
    with measured.build():
        cells = floor.graph(workload, n)
    with measured.run():
        results = floor.run(cells, workers=max(2, os.cpu_count() or 1))
    measured.ok = is_right(workload, n, floor.outcome(workload, results))
    return measured


def measure(workload: str, n: int, variant: str) -> Measured:
    """Run one workload in a store of its own."""
    if workload == "W8":
        return compile_only(workload, n)
    if variant == "floor":
        return run_floor(workload, n)
    given = os.environ.get("BENCH_STATE")
    with nullcontext(given) if given else tempfile.TemporaryDirectory(prefix="hardpoint-bench-") as folder:
        return run_workflow(workload, n, variant, Path(folder) / "home")


def remote(n: int, variant: str) -> int:
    """W9, which brings a service and engines of its own."""
    from benchmarks import remote_jobs  # what it imports is not to be counted for the other workloads

    if variant not in remote_jobs.VARIANTS:
        return unsupported("W9", variant)
    print(json.dumps(remote_jobs.measure(n, variant)), flush=True)
    return 0


def is_known(workload: str, variant: str) -> bool:
    """Whether that can be measured."""
    match variant:
        case "map":
            return workload in MAPPED
        case "floor":
            return workload in GRAPHS and workload not in ("W6", "W7")
        case _:
            return workload in GRAPHS and variant in VARIANTS


def unsupported(workload: str, variant: str) -> int:
    """Say so; return the exit code."""
    print(json.dumps({"unsupported": f"{workload} {variant}"}))
    return UNSUPPORTED


def main(arguments: list[str]) -> int:
    """Read the command line; return the exit code."""
    if len(arguments) not in (2, 3) or not arguments[1].isdigit():
        print("usage: driver.py WORKLOAD N [VARIANT]", file=sys.stderr)
        return 2
    workload, n = arguments[0], int(arguments[1])
    variant = arguments[2] if len(arguments) == 3 else "sqlite"
    if workload == "W9":
        return remote(n, variant)
    if not is_known(workload, variant):
        return unsupported(workload, variant)
    measured = measure(workload, n, variant)
    print(json.dumps(measured.report(workload, n, variant)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
