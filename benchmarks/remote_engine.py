"""One engine that drives the jobs of W9, in a process of its own: it can be killed, and its CPU counted.

python benchmarks/remote_engine.py N VARIANT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def drive(n: int, variant: str, home: Path) -> dict[str, Any]:
    """Run the workload, or go on with the run that a killed engine left."""
    from benchmarks.meter import Span, peak_mb
    from benchmarks.remote_flow import remote, remote_map, remote_mixed
    from benchmarks.remote_light import LightTenant
    from benchmarks.remote_limits import plugin_for

    from hardpoint.executor import Executor

    span, base_mb = Span(), peak_mb()
    flow = {"map": remote_map, "flood": remote_mixed}.get(variant, remote)(n)
    flow.compile()
    with span(), Executor(home, plugins={"jobservice": plugin_for(variant, n)}) as executor:
        left = executor.recover()
        execution = left[0] if left else executor.submit(flow)
        light = LightTenant(executor) if variant == "flood" else None
        result = execution.result()
        waits_s = light.waits_s() if light is not None else []
    return {
        "result": result,
        "light_waits_s": waits_s,
        "execution": execution.id,
        "wall_s": span.wall_s,
        "cpu_s": span.cpu_s,
        "rss_mb": peak_mb(),
        "base_mb": base_mb,
    }


def bare(n: int) -> dict[str, Any]:
    """The same calls by the same client, without an engine."""
    from benchmarks.meter import Span, peak_mb
    from benchmarks.remote_bare import run

    span, base_mb = Span(), peak_mb()
    with span():
        result = run(n)
    return {
        "result": result,
        "execution": "",
        "wall_s": span.wall_s,
        "cpu_s": span.cpu_s,
        "rss_mb": peak_mb(),
        "base_mb": base_mb,
    }


if __name__ == "__main__":
    # A script's own folder stands there otherwise; workers import this workload's files too.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    size, which = int(sys.argv[1]), sys.argv[2]
    found = bare(size) if which == "bare" else drive(size, which, Path(os.environ["BENCH_W9_HOME"]))
    print(json.dumps(found), flush=True)
