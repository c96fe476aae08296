"""What a job plugin's verbs are given: rebuilt for every run of the engine, holding no state."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from hardpoint.core.types.natural import LiteralValues
from hardpoint.executor.engine.log_budget import keep_within
from hardpoint.executor.engine.steps import is_unwanted
from hardpoint.executor.rates.caller import Caller, current_caller, throttling_of
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.executor.rates.rates import Rates
from hardpoint.executor.rates.turnstile import Turnstile
from hardpoint.executor.secrets import Ask, resolve_secret, secrets_dir_of
from hardpoint.plugin_api import Clock, Store, TransientError, Values


class CallGivenUpError(TransientError):
    """Nobody waits for this call any more, so it must not change anything."""


class LeaseUncertainError(TransientError):
    """This engine may no longer own the run, so it must not change anything outside."""


class CallGate:
    """Every vendor call of one task type passes here: when its account's rate allows, and if it still may.

    Args:
        task_type: Whose calls.
        rates: How often each account may be called.
        owned: Whether this engine still holds its leases, with a margin.
    """

    def __init__(self, task_type: str, rates: Rates, owned: Callable[[], bool]) -> None:
        self._turnstile = partial(rates.turnstile, task_type)
        self._owned = owned
        # By account: looked up for every call.
        self._reads: dict[str, Turnstile] = {}
        self._writes: dict[str, Turnstile] = {}

    def read(self) -> AbstractContextManager[None]:
        """Around a call that changes nothing; see `GatedCall`."""
        caller = current_caller()
        found = self._reads.get(caller.account)
        if found is None:
            found = self._reads[caller.account] = self._turnstile(caller.account, CallKind.READ)
        return GatedCall(found, caller, None)

    def write(self) -> AbstractContextManager[None]:
        """Around a call that changes something; see `GatedCall`."""
        caller = current_caller()
        found = self._writes.get(caller.account)
        if found is None:
            found = self._writes[caller.account] = self._turnstile(caller.account, CallKind.WRITE)
        return GatedCall(found, caller, self._owned)


class GatedCall:
    """One call on its way through the gate.

    Args:
        turnstile: Where it waits for its slot.
        caller: The step it belongs to.
        owned: Of a call that changes something: whether it still may.

    Raises:
        RateReachedError: Its slot is too late to wait for.
        CallGivenUpError: Nobody waits for it any more.
        LeaseUncertainError: This engine may no longer own the run.
    """

    __slots__ = ("_called_at", "_caller", "_owned", "_turnstile")

    def __init__(self, turnstile: Turnstile, caller: Caller, owned: Callable[[], bool] | None) -> None:
        self._turnstile = turnstile
        self._caller = caller
        self._owned = owned
        self._called_at = 0.0

    def __enter__(self) -> None:
        owned, caller = self._owned, self._caller
        caller.last = None
        if owned is not None:
            # Before the wait as well: what nobody wants should use up no slot.
            _check_wanted()
        self._called_at = self._turnstile.enter(caller)
        if owned is not None:
            _check_owned(owned)
            # Second: a run that was lost is let go before the leases of the others are renewed.
            _check_wanted()
        caller.last = self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and (throttling := throttling_of(error)) is not None:
            self.throttled(throttling.retry_after_s)

    def throttled(self, retry_after_s: float | None) -> None:
        """See `Passed`."""
        self._caller.last = None
        self._turnstile.throttled(self._called_at, retry_after_s)


def _check_owned(owned: Callable[[], bool]) -> None:
    if not owned():
        raise LeaseUncertainError(
            "This engine could not renew its leases in time, so it starts and cancels nothing",
            hint="It goes on by itself once the store answers again",
        )


def _check_wanted() -> None:
    if is_unwanted():
        raise CallGivenUpError(
            "This call took too long, or its run is another engine's now: it changes nothing"
        )


class JobContext:
    """See `plugin_api.Context`."""

    def __init__(
        self, *, task_type: str, calls: CallGate, store: Store, values: Values, clock: Clock, ask: Ask
    ) -> None:
        self._ask = ask
        self.calls = calls
        self.store = store
        self.values = values
        self.clock = clock
        self.logger = keep_within(logging.getLogger(f"hardpoint.plugins.{task_type}"), clock)

    def secret(self, name: str) -> str:
        """Resolve a secret now; never kept."""
        return resolve_secret(name, os.environ, secrets_dir_of(os.environ), self._ask)


class JobContexts:
    """Makes the context for each task type's verbs.

    Args:
        rates: How often each account may be called.
        owned: Whether this engine still holds its leases, with a margin.
        store: Values that travel by reference.
        clock: What plugins take the time from.
        ask: Asks plugins for secrets that nothing else has.
    """

    def __init__(self, rates: Rates, owned: Callable[[], bool], store: Store, clock: Clock, ask: Ask) -> None:
        self.rates = rates
        self._owned = owned
        self._store = store
        self._values = LiteralValues(store)
        self._clock = clock
        self._ask = ask

    def __call__(self, task_type: str) -> JobContext:
        """The context of one task type."""
        return JobContext(
            task_type=task_type,
            calls=CallGate(task_type, self.rates, self._owned),
            store=self._store,
            values=self._values,
            clock=self._clock,
            ask=self._ask,
        )
