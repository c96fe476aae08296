"""What every journal offers.

A journal keeps, for each run, a row of summary and the list of its events; beside them compiled
workflows by digest, cached outputs by key, and an inbox of commands. The engine that holds a run's
lease is the only writer of its events: every append carries the lease's fencing number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from hardpoint.executor.journal.events import Event, RunPhase
from hardpoint.executor.journal.shared import Lease, PoolRows, Shared, Wanted
from hardpoint.plugin_api import ErrorInfo, ErrorKind, HardpointError, UsageError, Wire

if TYPE_CHECKING:
    from hardpoint.executor.config.tenant_limits import TenantLimits
    from hardpoint.executor.journal.queue import Queue

LEASE_S = 30.0
"""How long a run stays with an engine that gives no sign of life."""


class ExecutionRow(msgspec.Struct, frozen=True):
    """The summary of one run, for lists. Times in seconds since the epoch."""

    execution: str
    workflow: str
    digest: str
    project: str
    domain: str
    phase: RunPhase
    submitted_at: float
    started_at: float | None = None
    ended_at: float | None = None
    owner: str = ""
    fence: int = 0
    lease_until: float = 0.0
    outputs: dict[str, Wire] = {}
    error: ErrorInfo | None = None
    error_node: str = ""
    detached: bool = False
    priority: int = 0


class CachedOutputs(msgspec.Struct, frozen=True):
    """Outputs kept for reuse, and the attempt that made them."""

    key: str
    execution: str
    node: str
    outputs: dict[str, Wire]
    at: float


class Append(msgspec.Struct):
    """What one engine turn adds to one run: committed with the others of that turn, or not at all."""

    execution: str
    fence: int
    first_seq: int
    events: list[Event]
    summary: ExecutionRow | None = None
    cached: list[CachedOutputs] = []
    granted: list[Lease] = []
    """Units that attempts hold from now on; decided while the pools were locked."""
    held: list[Lease] = []
    """Units that attempts of an adopted run hold already: noted where they are not."""
    released: list[Lease] = []
    at: float = 0.0
    """When that was decided, in seconds since the epoch."""


class Command(msgspec.Struct, frozen=True):
    """A wish from another process, such as `abort`; obeyed by the run's owner."""

    id: str
    execution: str
    name: str
    body: dict[str, Any] = {}


class JournalUnavailableError(HardpointError):
    """The database cannot be read or written: missing rights, a full disk, a damaged file."""


class JournalUnreachableError(JournalUnavailableError):
    """The database server does not answer, or broke off; the same call may succeed later.

    Whether what was asked for was done is unknown. Every method of a journal may be called again with
    the same arguments: what was done is not done twice.
    """

    kind = ErrorKind.TRANSIENT


class LeaseLostError(HardpointError):
    """Another engine owns the run now; this one must not write about it any more."""

    def __init__(self, execution: str, owner: str) -> None:
        self.execution = execution
        super().__init__(
            f"Run `{execution}` belongs to `{owner or 'nobody'}` now; this engine stops writing to it",
            hint=f"`hardpoint executions events {execution}` shows who adopted it",
        )


class ExecutionNotFoundError(UsageError):
    """No run of that id in this store."""


class ExecutionExistsError(UsageError):
    """A run of that id is in the store already."""

    def __init__(self, execution: str) -> None:
        super().__init__(
            f"There is a run `{execution}` in this store already",
            hint=f"Choose another id, or go on with it: `hardpoint executions resume {execution}`",
        )


class JournalConflictError(HardpointError):
    """Two writers held the same lease: other events are where an engine's own should be."""

    def __init__(self, execution: str, seq: int) -> None:
        self.execution = execution
        super().__init__(
            f"The journal of run `{execution}` has other events from {seq} on than this engine's",
            hint=f"`hardpoint executions resume {execution}` goes on from what the journal has",
        )


class JournalDamagedError(HardpointError):
    """A part of the journal cannot be read; what comes before it can."""

    def __init__(self, execution: str, seq: int, reason: str) -> None:
        self.execution = execution
        self.seq = seq
        super().__init__(
            f"The journal of run `{execution}` is damaged from event {seq} on: {reason}",
            hint=f"The {seq - 1} events before it are intact; `hardpoint executions resume {execution} "
            "--drop-damaged` sets the rest aside and goes on from there",
        )


class Pools(Protocol):
    """What executors of one journal know of the pools they share. Any thread may call any method."""

    @property
    def are_shared(self) -> bool:
        """Whether there can be other executors."""

    def versions(self, pools: Sequence[str]) -> dict[str, int]:
        """How often each pool has changed; those that nobody has used are left out."""

    def lock(self, known: Mapping[str, int], executor: str, now: float) -> Shared:
        """Let nobody else decide over pools until the next commit of this journal, or `unlock`.

        Args:
            known: Version of each pool that the caller knows; -1 for one it has not seen.
            executor: Who decides; that it lives is noted too.
            now: Seconds since the epoch.
        """

    def want(self, wanted: Sequence[Wanted]) -> None:
        """Say what has changed in what the executor waits for, while the pools are locked."""

    def unlock(self) -> None:
        """Nothing was granted; what is wanted is kept."""

    def settings(self) -> dict[str, bytes]:
        """What operators have set, by pool."""

    def set(self, pool: str, settings: bytes | None) -> None:
        """Set a pool for all executors, or leave it to what is declared."""

    def leases(self, pool: str) -> list[tuple[str, Lease]]:
        """Who holds units of a pool: runs' ids, and what each attempt holds."""

    def rows(self) -> PoolRows:
        """All that is kept of pools and rates, without who holds what in detail; see `leases`."""

    def change_rate(self, account: str, kind: str, change: Callable[[bytes], bytes]) -> None:
        """Change what is kept of a rate, while nobody else does.

        Args:
            account, kind: Whose calls.
            change: From what was kept, of no length if nothing was; may be called several times.
        """


class Journal(Protocol):
    """Where runs are kept. Every method may be called from any thread."""

    lease_s: float
    """How long a run that this process claims stays with an engine that gives no sign of life."""

    @property
    def pools(self) -> Pools:
        """Capacity that its executors share."""

    @property
    def queue(self) -> Queue:
        """Runs that wait for their beginning."""

    def create(
        self, row: ExecutionRow, workflow: bytes, events: list[Event], limits: TenantLimits | None = None
    ) -> ExecutionRow | None:
        """Keep a new run with its first events and, under its digest, its compiled workflow.

        Args:
            row: With an owner if that one drives it from now on, else `QUEUED`.
            workflow: As JSON.
            events: The first ones.
            limits: Of its tenant; None: it comes in in any case.

        Returns:
            The row as it is kept: `QUEUED`, and nobody's, if its tenant has enough runs that have begun.
            None if its tenant has enough in the queue, too: then nothing is kept.

        Raises:
            ExecutionExistsError: The store has a run of that id.
        """

    def commit(self, appends: Sequence[Append], *, durable: bool) -> None:
        """Append to several runs in one transaction.

        What was committed before by the same call, whose answer was lost, is left as it is.

        Args:
            appends: At most one for each run.
            durable: Wait until it would survive a power loss, not only a crash of this process.

        Raises:
            LeaseLostError: One of the fencing numbers is no longer the run's; nothing was committed.
            JournalUnreachableError: It is unknown whether it was committed; call again to make sure.
        """

    def read(self, execution: str, after_seq: int = 0) -> list[Event]:
        """Events of a run after the given one, in order; raises `JournalDamagedError`."""

    def drop_damaged(self, execution: str) -> int:
        """Set aside what cannot be read at the end of a run's events; return the last good seq."""

    def row(self, execution: str) -> ExecutionRow:
        """The summary of a run; raises `ExecutionNotFoundError`."""

    def rows(self, *, limit: int = 100, phases: Iterable[RunPhase] = ()) -> list[ExecutionRow]:
        """Summaries, newest first."""

    def owners(self) -> list[str]:
        """Who holds, or held, the leases of unfinished runs."""

    def abandoned(self, now: float, limit: int, *, dead: Sequence[str] = ()) -> list[ExecutionRow]:
        """Runs begun and not ended that no engine holds a live lease of, or one of these.

        One of each tenant, then another of each, always the oldest.
        """

    def workflow(self, digest: str) -> bytes:
        """A compiled workflow as JSON."""

    def claim(
        self,
        execution: str,
        owner: str,
        now: float,
        *,
        force: bool = False,
        fence: int | None = None,
        max_running: int | None = None,
    ) -> ExecutionRow | None:
        """Take the lease if it is free or lapsed (or in any case, with `force`); None if it is not.

        A run that was queued has begun then: its phase is `RUNNING`.

        Args:
            execution: Of which run.
            owner: For whom.
            now: Seconds since the epoch.
            force: Its owner is known to be dead.
            fence: Only if this is its fencing number still: of several that want it, one gets it.
            max_running: If it is queued, only while fewer runs of its tenant than this have begun and
                not ended.
        """

    def renew(self, executions: Mapping[str, int], now: float) -> set[str]:
        """Extend the leases, given as run: fencing number; return the runs that are no longer ours."""

    def release(self, executions: Mapping[str, int]) -> None:
        """Give leases back, so that another engine may claim the runs at once."""

    def cached(self, keys: Sequence[str]) -> dict[str, CachedOutputs]:
        """Outputs kept under those keys."""

    def send(self, command: Command) -> None:
        """Put a command into the inbox; the same id twice is one, and one for an ended run is none."""

    def commands(self, executions: Sequence[str]) -> list[Command]:
        """Commands for those runs, oldest first; they stay until they are forgotten or the run ends."""

    def forget(self, commands: Sequence[str]) -> None:
        """Remove commands, by id, because what they led to is journaled."""

    def observed(self, observer: str, execution: str) -> int:
        """The last event of a run that an observer was told; 0 if none."""

    def mark_observed(self, observer: str, execution: str, seq: int) -> None:
        """Keep how far an observer was told."""

    def close(self) -> None:
        """Let go of files and connections."""


def no_such_execution(execution: str, known: Iterable[str]) -> ExecutionNotFoundError:
    """The error for a run that is not there, with what is."""
    latest = ", ".join(f"`{each}`" for each in known) or "none"
    return ExecutionNotFoundError(
        f"No run `{execution}` in this store; the latest: {latest}",
        hint="`hardpoint executions list` shows all; `HARDPOINT_HOME` chooses the store",
    )
