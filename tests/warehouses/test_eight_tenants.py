"""A hundred queries of eight tenants through each plugin, at what stands in for its service; one floods."""

from __future__ import annotations

import pytest
from tests.warehouses.eight_tenants import WAREHOUSES, Start, judged
from tests.warehouses.warehouse import SLOTS

from hardpoint.plugin_api.testing.standins import StandinMissingError

QUERIES = 100


def told(poor: list[str]) -> None:
    print("once more:", *poor)


@pytest.mark.parametrize("start", WAREHOUSES.values(), ids=WAREHOUSES)
def test_slots_are_shared_fairly_within_limits_and_ends_are_noticed(start: Start) -> None:
    try:
        found, wrong = judged(start, QUERIES, told)
    except StandinMissingError as error:
        pytest.skip(f"platform: {error}")
    print(found)
    assert wrong == []
    assert found.queries == QUERIES + SLOTS
