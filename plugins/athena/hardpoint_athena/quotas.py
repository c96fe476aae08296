"""What AWS grants an account in each region, as it publishes; figures that an operator may raise.

Calls are from "Service Quotas", section "Per account API call quotas", in the Amazon Athena User Guide.
Queries are from "Amazon Athena endpoints and quotas" in the AWS General Reference, as cited in April 2026:
the page itself was not at hand. What an account really has is in the console of Service Quotas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from hardpoint.plugin_api import RateLimit, ResourcePool


class CallQuota(NamedTuple):
    """Calls of one operation: sustained, and at once after a pause."""

    per_s: float
    burst: int


ACTIVE_QUERIES = 20
"""Running and queued queries, all workgroups together: DDL in every region, DML in all that are not below."""
ACTIVE_DML_QUERIES: Mapping[str, int] = MappingProxyType(
    {
        "us-east-1": 200,
        **dict.fromkeys(("us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1"), 150),
        **dict.fromkeys(("ap-south-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2"), 100),
        "eu-west-2": 100,
    }
)
"""SELECT, CREATE TABLE AS and INSERT INTO, running and queued."""
CALLS: Mapping[str, CallQuota] = MappingProxyType(
    {
        "StartQueryExecution": CallQuota(20, 80),
        "StopQueryExecution": CallQuota(20, 80),
        "BatchGetQueryExecution": CallQuota(20, 40),
        "GetQueryExecution": CallQuota(100, 200),
        "GetQueryResults": CallQuota(100, 200),
        "ListQueryExecutions": CallQuota(5, 10),
    }
)
RARE = ("ListQueryExecutions",)
"""Called only to look for a query whose start was never answered; AWS throttles it by itself."""


def resource_pools() -> Iterator[ResourcePool]:
    """The declared pools: of each account and region, and the same again for each workgroup in it."""
    yield ResourcePool("athena:*", ACTIVE_QUERIES, "queries")
    for region, granted in ACTIVE_DML_QUERIES.items():
        # A region's name begins no other's.
        yield ResourcePool(f"athena:{region}*", granted, "queries")


def rate_limit() -> RateLimit:
    """The declared rate, which counts reads and writes, not operations: so the lowest counts for all."""
    often = [quota for operation, quota in CALLS.items() if operation not in RARE]
    slowest, burst = min(each.per_s for each in often), min(each.burst for each in often)
    return RateLimit("athena:*", slowest, slowest, burst)
