"""What a query would scan, asked before it starts; and the refusal of one that would scan too much."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from hardpoint.plugin_api import Context, Estimate, PermanentSystemError, Phase, TransientError, UserError
from hardpoint_athena.client import AthenaClient
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.states import status_of
from hardpoint_athena.submission import marker_of

WAIT_S = 0.25
WAITS_MAX = 120
AS_NUMBERS = "(TYPE IO, FORMAT JSON)"
UNKNOWN = "Athena has no statistics of these tables"


class Explainer:
    """EXPLAIN of one attempt's query: a query too, which scans nothing and changes nothing.

    Args:
        client, context, config: As for every call.
        wanted: What would be sent for the attempt.
        token: The attempt's; those of the EXPLAINs follow from it, so that a repeated one is the same.
    """

    def __init__(
        self,
        client: AthenaClient,
        context: Context,
        config: AthenaConfig,
        wanted: Mapping[str, Any],
        token: str,
    ) -> None:
        self._client = client
        self._context = context
        self._config = config
        self._wanted = {name: each for name, each in wanted.items() if name != "ResultReuseConfiguration"}
        self._token = token

    def estimate(self) -> Estimate:
        """Bytes that the query would scan, if the service can tell, and its plan."""
        try:
            expected, plan = self._bytes(), "\n".join(self._lines(""))
        except NotExplainedError as error:
            return Estimate({}, f"Athena does not explain this query: {error}")
        return Estimate({}, f"{UNKNOWN}\n{plan}") if expected is None else Estimate(_scanned(expected), plan)

    def check_ceiling(self, ceiling_bytes: int) -> None:
        """Refuse a query that may scan more than its task allows.

        A workgroup that ends queries at that many bytes or fewer holds the ceiling by itself; else the
        service estimates, from the statistics of the tables.

        Raises:
            PermanentSystemError: It would scan more, or nobody can tell.
        """
        cutoff = self._cutoff_bytes()
        if cutoff is not None and cutoff <= ceiling_bytes:
            return
        try:
            expected, why = self._bytes(), UNKNOWN
        except NotExplainedError as error:
            expected, why = None, str(error)
        if expected is None:
            raise PermanentSystemError(
                f"Nobody can tell what the query would scan, and its ceiling is {ceiling_bytes:,} bytes: "
                f"{why}",
                hint=f"Let the workgroup `{self._config.workgroup}` end queries that scan more: `aws athena "
                "update-work-group --configuration-updates BytesScannedCutoffPerQuery=…`",
            )
        if expected > ceiling_bytes:
            raise PermanentSystemError(
                f"The query would scan {expected:,.0f} bytes, and its ceiling is {ceiling_bytes:,}",
                hint="Select fewer columns or partitions, or raise `bytes_max`",
            )

    def _cutoff_bytes(self) -> int | None:
        group = self._read("get_work_group", "WorkGroup", WorkGroup=self._config.workgroup)["WorkGroup"]
        found: int | None = (group.get("Configuration") or {}).get("BytesScannedCutoffPerQuery")
        return found

    def _bytes(self) -> float | None:
        return bytes_of("\n".join(self._lines(AS_NUMBERS)))

    def _lines(self, how: str) -> list[str]:
        # Without the mark: else it would be found in place of the query.
        query = f"EXPLAIN {how}\n{self._wanted['QueryString'].removesuffix(marker_of(self._token))}"
        own = hashlib.sha256(f"{self._token} {query}".encode()).hexdigest()
        sent = {**self._wanted, "QueryString": query, "ClientRequestToken": own}
        try:
            started = self._read("start_query_execution", "QueryExecutionId", **sent)["QueryExecutionId"]
        except UserError as error:
            raise NotExplainedError(error.message) from None
        self._await(started)
        page = self._read("get_query_results", "ResultSet", QueryExecutionId=started)["ResultSet"]
        lines = [str(row.get("Data", [{}])[0].get("VarCharValue", "")) for row in page.get("Rows", [])]
        return lines[1:] if lines[:1] == ["Query Plan"] else lines

    def _await(self, query: str) -> None:
        for _ in range(WAITS_MAX):
            found = self._read("get_query_execution", "QueryExecution", QueryExecutionId=query)
            status = status_of(found["QueryExecution"])
            if status.phase is Phase.SUCCEEDED:
                return
            if status.phase.terminal:
                raise NotExplainedError(status.error.message if status.error else status.reason)
            self._context.clock.sleep(WAIT_S)
        raise TransientError(f"EXPLAIN `{query}` has not ended within {WAITS_MAX * WAIT_S:.0f} s")

    def _read(self, operation: str, wanted: str, **arguments: Any) -> Mapping[str, Any]:
        connection = self._config.connection
        return self._client.call(self._context, connection, "read", operation, wanted, **arguments)


class NotExplainedError(Exception):
    """The service refuses to explain a query; its own words say why."""


def _scanned(expected: float) -> dict[str, float]:
    return {"bytes_scanned": expected}


class _Table(msgspec.Struct, frozen=True):
    estimate: dict[str, float | str | None] = {}


class _Plan(msgspec.Struct, frozen=True, rename="camel"):
    input_table_column_infos: list[_Table] = []


def bytes_of(plan: str) -> float | None:
    """The sum over all tables in the answer to EXPLAIN (TYPE IO, FORMAT JSON); None if one is unknown.

    >>> bytes_of('{"inputTableColumnInfos": [{"estimate": {"outputSizeInBytes": 5e6}}]}')
    5000000.0
    >>> bytes_of('{"inputTableColumnInfos": [{"estimate": {"outputSizeInBytes": "NaN"}}]}') is None
    True
    """
    try:
        tables = msgspec.json.decode(plan, type=_Plan).input_table_column_infos
        sizes = [table.estimate.get("outputSizeInBytes") for table in tables]
        total = sum((math.nan if size is None else float(size) for size in sizes), 0.0)
    except (msgspec.MsgspecError, ValueError):
        return None
    return total if math.isfinite(total) else None
