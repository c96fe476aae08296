"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from postgres_fixtures import postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]

# A deadline measures how busy the machine is, and a random seed makes a red run on CI unrepeatable.
settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")
