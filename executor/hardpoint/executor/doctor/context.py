"""What a plugin's `diagnose` is given: a real context that changes nothing and remembers what it told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.executor.engine.job_context import CallGate, JobContext
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.rates import Rates
from hardpoint.executor.secret_sources import ask_sources
from hardpoint.executor.secrets import Ask
from hardpoint.plugin_api import Clock, ContractViolation, RateLimit
from hardpoint.registry import Registry


class LookingGate(CallGate):
    """Lets calls through that change nothing, at the rate of the task type.

    Args:
        task_type, rates: See `CallGate`.
        verb: What is called with it, for messages.
    """

    def __init__(self, task_type: str, rates: Rates, verb: str) -> None:
        super().__init__(task_type, rates, lambda: False)
        self._verb = verb

    def write(self) -> AbstractContextManager[None]:
        """Refuse.

        Raises:
            ContractViolation: Always.
        """
        raise ContractViolation(
            f"`{self._verb}` called `context.calls.write()`, but must change nothing",
            hint="Report it to the plugin's author: `context.calls.read()` is for looking",
        )


class DoctorContext(JobContext):
    """See `plugin_api.Context`.

    Args:
        told: Gets each secret that is handed out, so that it can be masked.
    """

    def __init__(
        self,
        task_type: str,
        gate: CallGate,
        store: BlobStore,
        clock: Clock,
        ask: Ask,
        told: Callable[[str], None],
    ) -> None:
        super().__init__(
            task_type=task_type, calls=gate, store=store, values=LiteralValues(store), clock=clock, ask=ask
        )
        self._told = told

    def secret(self, name: str) -> str:
        """Resolve a secret now; raises `SecretMissingError`."""
        value = super().secret(name)
        self._told(value)
        return value


class DoctorContexts:
    """Makes contexts.

    Args:
        registry: Declares rates, and where else secrets come from.
        settings: The operator's rates, which come first.
        store: Values that travel by reference.
        clock: What plugins take the time from.
        told: See `DoctorContext`.
    """

    def __init__(
        self,
        registry: Registry,
        settings: tuple[RateLimit, ...],
        store: BlobStore,
        clock: Clock,
        told: Callable[[str], None],
    ) -> None:
        # Not the store's ledger: looking writes nothing there.
        self._rates = Rates(registry.rates, MemoryLedger(), clock, settings)
        self._ask = partial(ask_sources, registry)
        self._store = store
        self._clock = clock
        self._told = told

    def __call__(self, task_type: str) -> DoctorContext:
        """The context of a task type, or of an extension."""
        gate = LookingGate(task_type, self._rates, "diagnose")
        return DoctorContext(task_type, gate, self._store, self._clock, self._ask, self._told)
