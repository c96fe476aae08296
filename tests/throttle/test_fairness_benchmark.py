"""The fairness benchmark, shortened: two seeds, and fewer grants."""

from __future__ import annotations

from benchmarks.fairness import as_json, costs, governed, rows
from benchmarks.fairness_reference import arrivals


def test_the_short_benchmark_meets_its_targets() -> None:
    measured = as_json(rows(range(2), grants=2_000))
    missed = [name for name in measured["missed"] if name != "grant_cpu_us"]
    assert missed == []
    assert {"jain", "utilisation", "light_p99_wait_s", "reach_share_s"} <= set(measured["reference"])


def test_a_seed_means_the_same_jobs_and_the_same_figures() -> None:
    assert arrivals(3) == arrivals(3)
    assert governed(range(1), preempting=True) == governed(range(1), preempting=True)


def test_a_grant_costs_the_same_with_many_more_waiting() -> None:
    # A ratio: what a grant costs in itself depends on the machine and on what else it does.
    few = min(costs(waiting=5_000, tenants=1_000, grants=3_000).grant_us for _ in range(2))
    many = min(costs(waiting=100_000, tenants=1_000, grants=3_000).grant_us for _ in range(2))
    assert many < 2 * few


def test_a_grant_costs_little_more_with_many_more_tenants() -> None:
    few = min(costs(waiting=5_000, tenants=50, grants=3_000).grant_us for _ in range(2))
    many = min(costs(waiting=20_000, tenants=2_000, grants=3_000).grant_us for _ in range(2))
    assert many < 3 * few
