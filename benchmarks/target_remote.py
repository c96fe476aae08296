"""The row W9 of the table of targets: external jobs, against what a bare loop of the same client costs."""

from __future__ import annotations

from typing import Any

from benchmarks.target_rows import Row, Sizes, run

NOTICE_S = 0.5


def remote_jobs(sizes: Sizes) -> list[Row]:
    """W9 without faults at each size; at the smallest with faults, as a map, with a kill, with limits."""
    rows: list[Row] = []
    for n in sizes.remote:
        rows += _plain(n, sizes)
    small = sizes.remote[0]
    for variant in ("faults", "map", "killed") if sizes.full else ("faults",):
        rows += _once(small, variant)
    return rows + (_limited(small) if sizes.full else [])


def _plain(n: int, sizes: Sizes) -> list[Row]:
    bare, ours = run("W9", n, "bare"), run("W9", n, "sqlite")
    of = f"{n:,} jobs"
    least_s = max(bare["run_s"], bare["ideal_s"])
    return [
        Row("W9", f"{of}, makespan", ours["run_s"] / least_s, "× the bare loop", sizes.target(1.15)),
        Row("W9", f"{of}, makespan", ours["run_s"], "s wall", None, bare["run_s"]),
        Row("W9", f"{of}, calls", ours["calls_per_job"], "a job", 2.2, bare["calls_per_job"]),
        Row(
            "W9", f"{of}, CPU", ours["cpu_ms_per_job"], "ms a job", sizes.target(1.0), bare["cpu_ms_per_job"]
        ),
        Row("W9", f"{of}, end noticed after", ours["notice_s"], "s, median", NOTICE_S),
        *_counts(of, ours),
    ]


def _once(n: int, variant: str) -> list[Row]:
    ours = run("W9", n, variant)
    of = f"{n:,} jobs, {variant}"
    return [Row("W9", f"{of}, calls", ours["calls_per_job"], "a job", 2.2), *_counts(of, ours)]


def _limited(n: int) -> list[Row]:
    """Within the rate, within the slots, and beside a tenant that floods."""
    rate, slots, flood = (run("W9", n, variant) for variant in ("rate", "slots", "flood"))
    of = f"{n:,} jobs"
    return [
        Row("W9", f"{of}, 200 calls/s, refused by the service", rate["throttled"], "calls", 0),
        Row("W9", f"{of}, 200 calls/s, makespan", rate["run_s"] / rate["ideal_s"], "× the least", 1.15),
        Row("W9", f"{of}, {n // 10} slots, beyond them", slots["max_unfinished"] - n // 10, "jobs", 0),
        Row("W9", f"{of}, {n // 10} slots, makespan", slots["run_s"] / slots["ideal_s"], "× the least", 1.15),
        Row(
            "W9",
            f"{of} of a tenant that floods, beyond the slots",
            flood["max_unfinished"] - n // 10,
            "jobs",
            0,
        ),
        Row(
            "W9", f"{of} of a tenant that floods, another waits", flood["light_wait_s"], "s, median", NOTICE_S
        ),
        Row("W9", f"{of} of a tenant that floods, another waits", flood["light_wait_most_s"], "s, longest"),
        *(
            row
            for each, name in ((rate, "200 calls/s"), (slots, "slots"), (flood, "flood"))
            for row in _counts(f"{of}, {name}", each)
        ),
    ]


def _counts(of: str, ours: dict[str, Any]) -> list[Row]:
    return [
        Row("W9", f"{of}, submitted twice", ours["double_submits"], "jobs", 0),
        Row("W9", f"{of}, orphans", ours["orphans"], "jobs", 0),
    ]
