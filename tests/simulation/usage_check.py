"""What jobs used stands in the journal once: with the end of the attempt, as the service has it."""

from __future__ import annotations

from tests.simulation.sim_service import SimService
from tests.simulation.violation import require

from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import AttemptCancelled, AttemptFailed, AttemptSucceeded


def check_usage(
    service: SimService, state: RunState, event: AttemptSucceeded | AttemptFailed | AttemptCancelled
) -> None:
    """An attempt's end tells what its job used; of a chunk, the last item to end does, and no other.

    Args:
        service: Its books.
        state: Of the run, as the events before this one left it.
        event: Not applied yet.
    """
    unit = state.unit(event.node)
    holder = state.find(unit.token) if unit.in_chunk else unit
    last = holder is unit or (holder is not None and holder.pending == 1)
    told = _told(service, holder) if last else (None,)
    require(
        event.usage in told,
        f"{event.node}: attempt {event.attempt} is journaled with the usage {event.usage}, "
        f"and the service tells {told[-1]}",
    )


def _told(service: SimService, holder: NodeRun | None) -> tuple[dict[str, float] | None, ...]:
    """What the service may have said; of a job that it forgets, it may have said something before."""
    if holder is None or holder.job is None:
        return (None,)
    job = service.jobs[holder.job.id]
    return (None, job.usage) if job.forgotten else (job.usage,)
