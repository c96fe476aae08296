"""Queries that run by themselves: their states, their ends, and what the history shows of them."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"SUCCESS", "FAILED_WITH_ERROR", "ABORTED"})
CANCELLED = ("000604", "57014", "SQL execution canceled")
_WAIT = re.compile(r"system\$wait\(\s*(\d+)\s*(?:,\s*'(\w+)'\s*)?\)", re.IGNORECASE)
_UNITS = {"MILLISECONDS": 0.001, "SECONDS": 1.0, "MINUTES": 60.0}

Reply = dict[str, Any]


@dataclass
class Job:
    """One query.

    Args:
        sql, tag, user: As it was sent.
        session: The session that runs it.
        statements: How many it has.
    """

    sql: str
    tag: str
    user: str
    session: str = ""
    statements: int = 1
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "RUNNING"
    error: tuple[str, str, str] | None = None
    reply: Reply | None = None
    started: float = field(default_factory=time.time)
    ended: float = 0.0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def succeed(self, reply: Reply) -> None:
        """Keep its result, if it has not been ended meanwhile."""
        if self.status not in ENDED:
            reply["data"]["queryId"] = self.id
            self._end("SUCCESS", reply)

    def fail(self, code: str, sqlstate: str, message: str, status: str = "FAILED_WITH_ERROR") -> None:
        """End it without a result."""
        if self.status not in ENDED:
            self.error = (code, sqlstate, message)
            self._end(status, failed(code, sqlstate, message, self.id))

    def _end(self, status: str, reply: Reply) -> None:
        self.status, self.reply, self.ended = status, reply, time.time()
        self.released.set()
        self.done.set()

    def told(self) -> dict[str, str | float]:
        """What tests ask for, past the protocol."""
        times = {"started": self.started, "ended": self.ended}
        return {"id": self.id, "status": self.status, "sql": self.sql, **times}

    def row(self) -> dict[str, str | None]:
        """As the history shows it: a cancelled query has failed, with a code of its own."""
        code, _, message = self.error or (None, "", None)
        elapsed_ms = ((self.ended or time.time()) - self.started) * 1000
        return {
            "query_id": self.id,
            "execution_status": "FAILED_WITH_ERROR" if self.status == "ABORTED" else self.status,
            "error_code": code,
            "error_message": message,
            "query_text": self.sql,
            "query_tag": self.tag,
            "token": self.tag.split(" ")[0],
            "start_time": f"{self.started:.6f}",
            "total_elapsed_time": f"{elapsed_ms:.0f}" if self.ended else "0",
            "bytes_scanned": "4096" if self.status == "SUCCESS" else "0",
            "credits_used_cloud_services": "0.000017",
        }


def failed(code: str, sqlstate: str, message: str, query: str | None = None) -> Reply:
    """The answer for a statement that failed."""
    data = {"errorCode": code, "sqlState": sqlstate, **({"queryId": query} if query else {})}
    return {"data": data, "code": code, "message": message, "success": False}


def waits(sql: str) -> tuple[str, float]:
    """The SQL without `SYSTEM$WAIT(n[, unit])`, which fakesnow lacks, and how long that is, in seconds."""
    total_s = 0.0

    def taken(found: re.Match[str]) -> str:
        nonlocal total_s
        total_s += int(found[1]) * _UNITS[(found[2] or "SECONDS").upper()]
        return f"'waited {found[1]} {(found[2] or 'seconds').lower()}'"

    return _WAIT.sub(taken, sql), total_s


class History:
    """All queries, and which are shown to a search by tag.

    Attributes:
        lag_s: How long a search does not show a query that was just submitted.
        settled_at: When searches last showed everything, in seconds since the epoch.
        hidden: Queries that it has forgotten.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.lag_s = 0.0
        self.settled_at = 0.0
        self.hidden: set[str] = set()

    def of_token(self, token: str) -> list[Job]:
        """Every query with the token in its tag, oldest first."""
        return [job for job in self.jobs.values() if job.tag.startswith(token)]

    def answer(self, sql: str, user: str, values: list[str]) -> list[dict[str, str | None]]:
        """Rows for a statement about `query_history_by_user`: by ids, or by tag and text."""
        mine = [job for job in self.jobs.values() if job.user == user and job.id not in self.hidden]
        if "query_id in (" in sql:
            return [job.row() for job in mine if job.id in set(values)]
        shown_until = max(self.settled_at, time.time() - self.lag_s)
        shown = [job for job in mine if job.started <= shown_until]
        if "split_part(query_tag" in sql:
            found = [job for job in shown if job.tag.split(" ")[0] in set(values)]
            return [job.row() for job in sorted(found, key=lambda job: job.started)]
        tag, text = values
        found = [job for job in shown if job.tag.startswith(tag)]
        found.sort(key=lambda job: (not job.sql.startswith(text), job.started))
        return [job.row() for job in found]
