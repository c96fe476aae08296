"""What a plugin declares: its task types, each with the promises the executor may rely on."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from hardpoint.plugin_api.handler import AnyHandler, Idempotency, Shape
from hardpoint.plugin_api.resources import ResourceClaim

API_VERSION = (1, 0)
"""Major and minor of this vocabulary. A plugin's entry point is loaded only if its range admits it."""

ENTRY_POINT_GROUP = "hardpoint.plugins"


class Capability(enum.Enum):
    """What a task type can do for whoever runs it; all but `DECLARABLE` follows from the rest it declares."""

    IDEMPOTENT = "idempotent"
    """A repeated create finds the first job, in the way that `Idempotency` tells."""
    CANCEL = "cancel"
    """A job can be ended through the service."""
    BATCH_POLL = "batch_poll"
    """One poll asks for many jobs: `PollPolicy.batch_max` is above 1."""
    ARRAY = "array"
    """One create starts many items."""
    PUSH = "push"
    """The service tells of changes by itself; see `PushHandler`."""
    SWEEP = "sweep"
    """Second jobs of a repeated create are found; see `SweepingHandler`."""
    LOGS = "logs"
    """Its statuses lead to the logs of the job: `Status.links`."""
    USAGE = "usage"
    """Its statuses tell what a job that has ended used: `Status.usage`."""
    ESTIMATE = "estimate"
    """It can be asked beforehand what a job would use; see `EstimatingHandler`."""


DECLARABLE = frozenset({Capability.LOGS, Capability.USAGE})
"""What nothing else tells: a task type declares it."""


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config of a task type that has none."""


class PollPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often a job is asked for: often while it is young, rarely when it is old.

    Args:
        first_s: Wait before the first poll.
        fraction: Later waits, as a fraction of the job's age.
        max_s: Longest wait.
        batch_max: Jobs in one `poll_many`.
        resync_s: Wait between polls while a stream of the same service delivers; see `PushHandler`.

    >>> policy = PollPolicy()
    >>> [round(policy.wait_s(age_s), 2) for age_s in (0, 2, 60, 3600)]
    [0.2, 0.2, 6.0, 30.0]
    """

    first_s: float = 0.2
    fraction: float = 0.1
    max_s: float = 30.0
    batch_max: int = 100
    resync_s: float = 60.0

    def wait_s(self, age_s: float) -> float:
        """Seconds until the next poll of a job that was created `age_s` seconds ago."""
        return min(self.max_s, max(self.first_s, self.fraction * age_s))


class TaskType(msgspec.Struct, frozen=True):
    """One kind of task that a plugin runs.

    Args:
        name: What `TaskSpec.type` says, lower case; unique over all installed plugins.
        shape: Which of the handler protocols `handler` returns.
        handler: Called once per process, when the type is first used; import vendor SDKs in there.
        config: A msgspec Struct with `forbid_unknown_fields`: the schema of `TaskSpec.config`.
        idempotency: For jobs and arrays: how a repeated create finds the first job.
        settling_delay_s: How long after a create the service's listings may still not show it.
        poll: How often to ask.
        secrets: Names of secrets it wants if no other is configured.
        doc: One line.
        claims: What every attempt holds, if that depends on nothing: then `prepare` is not called.
        claims_of: Of functions, which have no `prepare`: tells from the config what an attempt holds beside
            its place on the machine. A pure function without a wait in it: the engine calls it in its own
            thread, before each attempt. What it says is journaled: no pool's name may hold a secret.
        call_timeout_s: Longest one verb may take. After that its answer counts as "unknown" and nobody waits
            for it any more; a vendor client's own timeouts should be shorter.
        items_min, items_max: Of arrays: fewest and most items that the service takes in one create. What is
            too few goes as arrays of one item, which every handler must take.
        capabilities: Those of `DECLARABLE` that it has.
    """

    name: str
    shape: Shape
    handler: Callable[[], AnyHandler]
    config: type[msgspec.Struct] = NoConfig
    idempotency: Idempotency = Idempotency.NONE
    settling_delay_s: float = 0.0
    poll: PollPolicy = PollPolicy()
    secrets: tuple[str, ...] = ()
    doc: str = ""
    claims: tuple[ResourceClaim, ...] | None = None
    claims_of: Callable[[Any], tuple[ResourceClaim, ...]] | None = None
    call_timeout_s: float = 60.0
    items_min: int = 1
    items_max: int = 1000
    capabilities: tuple[Capability, ...] = ()

    def check_config(self, config: dict[str, Any]) -> msgspec.Struct:
        """Return the typed config; raises `msgspec.ValidationError` naming the field that does not fit.

        >>> TaskType("t", Shape.JOB, lambda: None).check_config({})
        NoConfig()
        """
        return msgspec.convert(config, type=self.config)
