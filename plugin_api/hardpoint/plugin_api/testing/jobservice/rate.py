"""The rate limit of each tenant: a token bucket."""

from __future__ import annotations

import time

from hardpoint.plugin_api.testing.jobservice.settings import Settings


class Buckets:
    """One bucket for each tenant, filled at `rate_per_s` up to `burst`."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def reset(self) -> None:
        """Fill every bucket."""
        self._levels.clear()

    def take(self, tenant: str, settings: Settings, now: float | None = None) -> float:
        """Take one token; return 0, or the seconds until there would be one.

        >>> buckets, settings = Buckets(), Settings(rate_per_s=2, burst=1)
        >>> [buckets.take("red", settings, now) for now in (0.0, 0.0, 0.5)]
        [0.0, 0.5, 0.0]
        """
        now = time.monotonic() if now is None else now
        level, at = self._levels.get(tenant, (float(settings.burst), now))
        level = min(float(settings.burst), level + (now - at) * settings.rate_per_s)
        granted = level >= 1
        self._levels[tenant] = (level - 1 if granted else level, now)
        return 0.0 if granted else (1 - level) / settings.rate_per_s
