"""What the job service can be told, on its command line and while it runs."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

UNLIMITED = 10**9


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the service behaves. Probabilities are per request and exclude each other.

    Args:
        latency_s: Added to every answer.
        jitter: Sigma of a lognormal factor on the latency.
        rate_per_s: Requests per second of each tenant; 0 for no limit. Over it: 429 with `Retry-After`.
        burst: Requests that may come at once after a pause.
        slots: Jobs that run at a time, over all tenants.
        tenant_slots: Jobs of one tenant that run at a time.
        max_queued: Jobs of one tenant that wait; over it: 429 and the word `quota`.
        batch_max: Ids in one batch get; 0 switches it off.
        listing_lag_s: How old a job must be before listings show it.
        p_500: An error before any effect.
        p_lost: The effect happens, then the connection is cut without an answer.
        p_dup: The request is processed twice, as if a proxy repeated it; the second answer is sent.
        p_slow: The answer takes `slow_s`.
        p_malformed: The effect happens, the answer is broken JSON.
        slow_s: See `p_slow`.
        faults_on: Which requests those faults hit; as in `ScriptedFault.match`.
        flap_s: With a period of this many seconds, 503 for its last tenth; 0 for never.
        outage_after_s: The outage begins this long after the start or the last change of settings.
        outage_s: How long every connection is cut before any effect; 0 for no outage.
        clock_ahead_s: What the `Date` of its answers is ahead of the machine's clock.
        require_token: The bearer token to ask for; empty for none. Absent is 401, another one 403.
        seed: Of the random faults.

    >>> Settings(p_lost=0.6, p_500=0.6)
    Traceback (most recent call last):
    ...
    ValueError: The fault probabilities exclude each other, but add up to `1.2`
    """

    latency_s: float = 0.0
    jitter: float = 0.0
    rate_per_s: float = 0.0
    burst: int = 100
    slots: int = UNLIMITED
    tenant_slots: int = UNLIMITED
    max_queued: int = UNLIMITED
    batch_max: int = 500
    listing_lag_s: float = 0.0
    p_500: float = 0.0
    p_lost: float = 0.0
    p_dup: float = 0.0
    p_slow: float = 0.0
    p_malformed: float = 0.0
    slow_s: float = 10.0
    faults_on: str = "*"
    flap_s: float = 0.0
    outage_after_s: float = 0.0
    outage_s: float = 0.0
    clock_ahead_s: float = 0.0
    require_token: str = ""
    seed: int = 1

    def __post_init__(self) -> None:
        total = self.p_500 + self.p_lost + self.p_dup + self.p_slow + self.p_malformed
        if total > 1:
            raise ValueError(f"The fault probabilities exclude each other, but add up to `{total:g}`")

    def changed(self, changes: dict[str, Any]) -> Settings:
        """These settings with some replaced; raises `msgspec.ValidationError` naming what does not fit.

        >>> Settings(slots=2).changed({"burst": 7}).slots
        2
        """
        return msgspec.convert({**msgspec.structs.asdict(self), **changes}, type=Settings)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """One flag for each setting, `--listing-lag-s 2`."""
    for name, default in msgspec.structs.asdict(Settings()).items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=type(default), default=default, metavar=type(default).__name__)


def from_flags(namespace: argparse.Namespace) -> Settings:
    """The settings that the flags of `add_flags` ask for."""
    return Settings(**{name: getattr(namespace, name) for name in Settings.__struct_fields__})
