"""What is declared is what AWS publishes, and what every query claims."""

from __future__ import annotations

import msgspec

from hardpoint.executor.config.pool_policy import most_exact
from hardpoint.plugin_api import Interface, TaskSpec
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request
from hardpoint_athena import plugin
from hardpoint_athena.config import AthenaConfig, Connection
from hardpoint_athena.handler import AthenaHandler

GRANTED = {
    "us-east-1": 200,
    "us-east-1@reports": 200,
    "eu-west-1": 150,
    "eu-west-2": 100,
    "eu-west-3": 20,
    "us-gov-east-1": 20,
    "default": 20,
}


def test_a_region_has_the_slots_that_aws_grants_it() -> None:
    declared = {each.name: each.capacity for each in plugin.resource_pools()}
    for account, granted in GRANTED.items():
        assert most_exact(declared, f"athena:{account}") == granted
        assert most_exact(declared, f"athena:{account}/primary") == granted


def test_the_rate_is_that_of_the_slowest_call_that_is_made_often() -> None:
    [rate] = plugin.rate_limits()
    assert (rate.reads_per_s, rate.writes_per_s, rate.burst) == (20, 20, 40)


def test_a_query_claims_a_slot_of_its_region_and_one_of_its_workgroup() -> None:
    config = AthenaConfig(SqlText("SELECT 1"), workgroup="reports", connection=Connection(region="eu-west-1"))
    spec = TaskSpec("flow.py:q", "athena", "v1", Interface(), msgspec.to_builtins(config))
    prepared = AthenaHandler().prepare(FakeContext(), fake_request(spec, {}))
    assert [each.pool for each in prepared.claims] == ["athena:eu-west-1", "athena:eu-west-1/reports"]
