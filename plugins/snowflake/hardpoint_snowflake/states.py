"""From the service's words about a query to a status: a table and a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from hardpoint.plugin_api import Phase, Status
from hardpoint_snowflake.failures import CANCELLED_CODE, CANCELLED_WORDS, failure, padded

PHASES: Mapping[str, Phase] = MappingProxyType(
    {
        "QUEUED": Phase.QUEUED,
        "RESUMING_WAREHOUSE": Phase.QUEUED,
        "QUEUED_REPARING_WAREHOUSE": Phase.QUEUED,  # the service's spelling
        "QUEUED_REPAIRING_WAREHOUSE": Phase.QUEUED,
        "RUNNING": Phase.RUNNING,
        "BLOCKED": Phase.RUNNING,
        "RESTARTED": Phase.RUNNING,
        "ABORTING": Phase.RUNNING,
        "SUCCESS": Phase.SUCCEEDED,
        "FAILED_WITH_ERROR": Phase.FAILED,
        "FAILED_WITH_INCIDENT": Phase.FAILED,
        "DISCONNECTED": Phase.FAILED,
        "ABORTED": Phase.CANCELLED,
        "NO_DATA": Phase.ABSENT,
    }
)


class QueryRow(msgspec.Struct, frozen=True):
    """What the service says of one query.

    Args:
        id: The query.
        state: Of `PHASES`, in any case.
        error_code: As the service writes it, with or without leading zeros.
        error_message: The service's words.
        text: The SQL, for the line that failed; empty if that would be of another statement.
        usage: As in `Status.usage`.
    """

    id: str
    state: str
    error_code: str = ""
    error_message: str = ""
    text: str = ""
    usage: dict[str, float] = {}


def status_of(row: QueryRow) -> Status:
    """The status that a row means.

    A query that somebody cancelled is `FAILED_WITH_ERROR` in the history, with an error code of its own.

    >>> status_of(QueryRow("q1", "failed_with_error", "604", "SQL execution canceled")).phase.name
    'CANCELLED'
    >>> status_of(QueryRow("q1", "PAUSED")).reason
    'PAUSED, a state this plugin does not know'
    """
    state = row.state.upper()
    phase = PHASES.get(state)
    if phase is None:
        return Status(Phase.RUNNING, f"{row.state}, a state this plugin does not know", usage=row.usage)
    # The history's own page goes by the words, that of error codes by the code.
    cancelled = padded(row.error_code) == CANCELLED_CODE or row.error_message == CANCELLED_WORDS
    if phase is Phase.FAILED and cancelled:
        return Status(Phase.CANCELLED, row.error_message or state, usage=row.usage)
    reason = row.error_message or state
    error = failure(state, row.error_code, reason, row.text) if phase is Phase.FAILED else None
    return Status(phase, reason, error, usage=row.usage)
