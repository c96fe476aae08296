"""What a query would scan, asked before it starts; and the refusal of one that would scan too much."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from hardpoint.plugin_api import Estimate, PermanentSystemError, Phase, UserError
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.preliminary import Preliminaries

AS_NUMBERS = "(TYPE IO, FORMAT JSON)"
UNKNOWN = "Athena has no statistics of these tables"
PARAMETERS = (
    "Athena documents parameters for SELECT, INSERT INTO, CREATE TABLE AS and UNLOAD, not for EXPLAIN: "
    "what a query with inputs would scan cannot be told before it runs"
)


class Explainer:
    """EXPLAIN of one attempt's query: a query too, which scans nothing and changes nothing.

    Args:
        before: What may run before the attempt's query.
        config: Of the task.
        with_values: Whether the query has parameters.
    """

    def __init__(self, before: Preliminaries, config: AthenaConfig, *, with_values: bool) -> None:
        self._before, self._config, self._with_values = before, config, with_values

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
        group = self._before.read("get_work_group", "WorkGroup", WorkGroup=self._config.workgroup)[
            "WorkGroup"
        ]
        found: int | None = (group.get("Configuration") or {}).get("BytesScannedCutoffPerQuery")
        return found

    def _bytes(self) -> float | None:
        return bytes_of("\n".join(self._lines(AS_NUMBERS)))

    def _lines(self, how: str) -> list[str]:
        try:
            query, status = self._before.explain(how)
        except UserError as error:
            raise self._refused(error.message) from None
        if status.phase is not Phase.SUCCEEDED:
            raise self._refused(status.error.message if status.error else status.reason)
        page: Any = self._before.read("get_query_results", "ResultSet", QueryExecutionId=query)["ResultSet"]
        lines = [str(row.get("Data", [{}])[0].get("VarCharValue", "")) for row in page.get("Rows", [])]
        return lines[1:] if lines[:1] == ["Query Plan"] else lines

    def _refused(self, words: str) -> NotExplainedError:
        return NotExplainedError(f"{PARAMETERS}. {words}" if self._with_values else words)


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
