"""What limits the jobs of W9: what the service bears, and what the plugin declares of it.

| variant | |
| --- | --- |
| `rate` | 200 calls a second, reads and writes together, 400 at once; declared: 194 writes and 6 reads |
| `slots` | a tenth of the jobs at a time; declared: the same, so that none waits at the service |
| `flood` | the same slots; one tenant has all of the jobs, another one job every half second |

So that slots come back one by one, the jobs of `flood` take 2.5 to 7.5 s, and 5 s on average.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.remote_client import LeanPlugin
from benchmarks.remote_flow import JOB_S, POLL

from hardpoint.plugin_api import RateLimit, hookimpl

LATENCY_S = 0.02
CALLS_PER_S, CALLS_AT_ONCE = 200.0, 400
READS_PER_S, BURST = 6.0, 360
LIGHT_RUNS, LIGHT_EVERY_S = 20, 0.5
"""What the tenant that does not flood submits."""


class WithinRate(LeanPlugin):
    """The plugin of a service that limits the sum of reads and writes."""

    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        """Reads ask for 500 jobs each, so that few are needed, and they leave nearly everything to writes."""
        return [RateLimit("jobservice:*", READS_PER_S, CALLS_PER_S - READS_PER_S, BURST)]


def plugin_for(variant: str, n: int) -> LeanPlugin:
    """What the engine is given."""
    match variant:
        case "rate":
            return WithinRate(poll=POLL)
        case "slots" | "flood":
            return LeanPlugin(poll=POLL, slots=slots_for(n))
        case _:
            return LeanPlugin(poll=POLL)


def service_for(variant: str, n: int) -> dict[str, Any]:
    """Settings of the job service."""
    match variant:
        case "faults":
            return {"p_lost": 0.01, "p_500": 0.01}
        case "rate":
            return {"rate_per_s": CALLS_PER_S, "burst": CALLS_AT_ONCE}
        case "slots" | "flood":
            return {"slots": slots_for(n)}
        case _:
            return {}


def ideal_s(variant: str, n: int) -> float:
    """The least time in which the service can run all jobs."""
    match variant:
        case "rate":
            return max(0.0, n - CALLS_AT_ONCE) / CALLS_PER_S + JOB_S + 2 * LATENCY_S
        case "slots" | "flood":
            return n / slots_for(n) * JOB_S
        case _:
            return JOB_S + 2 * LATENCY_S


def jobs_in(variant: str, n: int) -> int:
    """All jobs, of all tenants."""
    return n + LIGHT_RUNS if variant == "flood" else n


def slots_for(n: int) -> int:
    """How many jobs run at a time where slots are scarce."""
    return max(1, n // 10)
