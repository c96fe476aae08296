"""The part of a pool that is meant for each of several siblings."""

from __future__ import annotations

from hardpoint.executor.throttle.shares import Share


def nominal_shares(parent: Share, capacity: float) -> dict[Share, float]:
    """For each part that holds or wants something: its guarantee, else its weight's share of the rest.

    Args:
        parent: A pool or a project.
        capacity: Units to share: of the pool, or what the project holds.
    """
    busy = [share for share in parent.parts.values() if share.held or share.backlog]
    rest = max(0.0, capacity - sum(share.guarantee for share in busy))
    weights = sum(share.weight for share in busy if not share.guarantee)
    return {share: share.guarantee or rest * share.weight / weights for share in busy}
