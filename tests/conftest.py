"""What holds for every test."""

from __future__ import annotations

import os
import signal
import tempfile

from hypothesis import HealthCheck, settings
from postgres_fixtures import postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]

# A deadline measures how busy the machine is, and a random seed makes a red run on CI unrepeatable.
settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

# Whoever starts the tests in the background makes them, and the commands that they interrupt, deaf to it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What is found out about plugins of the tests is for this run of them alone; all its processes share that.
_cache = tempfile.TemporaryDirectory(prefix="hardpoint-tests-")
os.environ["XDG_CACHE_HOME"] = _cache.name
