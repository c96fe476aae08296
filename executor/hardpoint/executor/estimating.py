"""What plugins say beforehand about attempts: `estimate` of their handlers, each for a limited time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.config.settings import Settings
from hardpoint.executor.doctor.asking import Ask, ask_all
from hardpoint.executor.doctor.context import LookingGate
from hardpoint.executor.engine.job_calls import expect
from hardpoint.executor.engine.job_context import JobContext
from hardpoint.executor.engine.plugin_errors import classed, unclassed
from hardpoint.executor.engine.plugin_values import own_request, sound_usage
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.rates import Rates
from hardpoint.executor.secret_sources import ask_sources
from hardpoint.executor.usage import summed
from hardpoint.plugin_api import (
    Clock,
    Context,
    CreateRequest,
    ErrorInfo,
    ErrorKind,
    Estimate,
    HardpointError,
    TaskType,
)
from hardpoint.registry import Registry

LIMIT_S = 20.0
AT_ONCE = 8
TEXT_CHARS = 10_000


class Estimated(msgspec.Struct, frozen=True):
    """What was said of one attempt.

    Args:
        node: The node or item.
        estimate: What its plugin said; None if it did not.
        error: Why it did not.
    """

    node: str
    estimate: Estimate | None = None
    error: ErrorInfo | None = None


class Estimates(msgspec.Struct, frozen=True):
    """What was said of a run.

    Args:
        found: Of attempts whose plugin estimates.
        unknown: Nodes some of whose inputs are not known.
        left_out: How many attempts were not asked about, because there are too many.
    """

    found: tuple[Estimated, ...]
    unknown: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def total(self) -> dict[str, float]:
        """The sums of what is known."""
        return summed(each.estimate.usage for each in self.found if each.estimate is not None)


def looking_contexts(registry: Registry, settings: Settings, blobs: str) -> Callable[[str], Context]:
    """Contexts by task type, through which nothing can be changed at a service.

    Args:
        registry: Declares rates, and where else secrets come from.
        settings: The operator's rates, which come first.
        blobs: Where values lie that travel by reference.
    """
    clock: Clock = SystemClock()
    # Not the store's ledger: looking writes nothing there.
    rates = Rates(registry.rates, MemoryLedger(), clock, settings.rates)
    store = BlobStore(blobs)

    def context_of(task_type: str) -> Context:
        return JobContext(
            task_type=task_type,
            calls=LookingGate(task_type, rates, "estimate"),
            store=store,
            values=LiteralValues(store),
            clock=clock,
            ask=partial(ask_sources, registry),
        )

    return context_of


def ask_for_estimates(
    registry: Registry,
    requests: Sequence[CreateRequest],
    context_of: Callable[[str], Context],
    *,
    limit_s: float = LIMIT_S,
) -> tuple[Estimated, ...]:
    """Ask the handlers of attempts; those that do not estimate are not in the answer.

    Args:
        registry: Has their task types.
        requests: The attempts.
        context_of: Makes contexts by task type.
        limit_s: Longest that one answer is waited for.
    """
    late = Estimated("", error=ErrorInfo("TimeoutError", f"no answer within {limit_s:g} s", ErrorKind.SYSTEM))
    asks: list[Ask[Estimated | None]] = [
        Ask(each.node, partial(_ask, registry, each, context_of), lambda thread: late) for each in requests
    ]
    answers = ask_all(asks, limit_s=limit_s, at_once=AT_ONCE)
    return tuple(msgspec.structs.replace(answer, node=node) for node, answer in answers if answer is not None)


def _ask(
    registry: Registry, request: CreateRequest, context_of: Callable[[str], Context]
) -> Estimated | None:
    task_type = request.spec.type
    try:
        estimate: Any = getattr(registry.handler(task_type), "estimate", None)
        if not callable(estimate):
            return None
        made = estimate(context_of(task_type), own_request(request))
        return Estimated(request.node, _sound(made, registry.task_type(task_type)))
    except HardpointError as error:
        return Estimated(request.node, error=classed(error, task_type))
    except BaseException as error:  # SystemExit and friends must not get further than this estimate
        return Estimated(request.node, error=unclassed(error, task_type))


def _sound(made: Any, task_type: TaskType) -> Estimate:
    if isinstance(made, Estimate):
        made = msgspec.structs.replace(made, usage=sound_usage(made.usage))
    told = expect(Estimate, made, "estimate", task_type)
    return msgspec.structs.replace(told, text=told.text[:TEXT_CHARS])
