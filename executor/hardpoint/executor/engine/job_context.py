"""What a job plugin's verbs are given: rebuilt for every run of the engine, holding no state."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hardpoint.executor.engine.steps import is_unwanted
from hardpoint.executor.secrets import resolve_secret
from hardpoint.plugin_api import Clock, Store, TransientError, Values


class CallGivenUpError(TransientError):
    """Nobody waits for this call any more, so it must not change anything."""


class LeaseUncertainError(TransientError):
    """This engine may no longer own the run, so it must not change anything outside."""


class CallGate:
    """Every vendor call passes here.

    Args:
        owned: Whether this engine still holds its leases, with a margin.
    """

    def __init__(self, owned: Callable[[], bool]) -> None:
        self._owned = owned
        self.reads = 0
        self.writes = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        """Around a call that changes nothing."""
        self.reads += 1
        yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """Around a call that changes something."""
        if not self._owned():
            raise LeaseUncertainError(
                "This engine could not renew its leases in time, so it starts and cancels nothing",
                hint="It goes on by itself once the store answers again",
            )
        # Second: a run that was lost is let go before the leases of the others are renewed.
        if is_unwanted():
            raise CallGivenUpError(
                "This call took too long, or its run is another engine's now: it changes nothing"
            )
        self.writes += 1
        yield


class JobContext:
    """See `plugin_api.Context`."""

    def __init__(
        self, *, task_type: str, calls: CallGate, store: Store, values: Values, clock: Clock
    ) -> None:
        self.calls = calls
        self.store = store
        self.values = values
        self.clock = clock
        self.logger = logging.getLogger(f"hardpoint.plugins.{task_type}")

    def secret(self, name: str) -> str:
        """Resolve a secret now; never kept."""
        folder = os.environ.get("HARDPOINT_SECRETS")
        return resolve_secret(name, os.environ, Path(folder) if folder else None)
