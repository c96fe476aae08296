"""Simulated worlds with every fault keep their promises also where the rates of the services bind."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import pytest
from tests.simulation import world
from tests.simulation.sim_plugin import SimPlugin
from tests.simulation.sim_registry import registry_with
from tests.simulation.simulate import simulate

from hardpoint.executor.rates.turnstile import Turnstile
from hardpoint.plugin_api import RateLimit, hookimpl

SEEDS = range(60)


class SlowPlugin(SimPlugin):
    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        return [RateLimit("sim_*", reads_per_s=0.5, writes_per_s=0.3, burst=1)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_every_promise_is_kept_at_rates_that_bind(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, waits = registry_with(SlowPlugin()), 0
    honest = Turnstile.due_in_s

    def due_in_s(self: Turnstile) -> float:
        nonlocal waits
        due_s = honest(self)
        waits += due_s > 1.0
        return due_s

    monkeypatch.setattr(world, "registry", lambda: slow)
    monkeypatch.setattr(Turnstile, "due_in_s", due_in_s)
    endings = [simulate(seed) for seed in SEEDS]
    assert [(ending.seed, ending.problem) for ending in endings if ending.problem] == []
    assert waits > 100
