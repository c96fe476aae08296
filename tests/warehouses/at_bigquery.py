"""BigQuery: its stand-in, behind a proxy that lets jobs run on, called through Google's own client."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.warehouses.warehouse import Counted, Query, Warehouse, declared_rate, pool_of

from hardpoint.plugin_api import Phase
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint.plugin_api.testing.http_dialect import Answer, Call
from hardpoint_bigquery import BigQueryJob, plugin
from hardpoint_bigquery.testing import standin
from hardpoint_bigquery.testing.http_dialect import BigQueryDialect
from hardpoint_bigquery.testing.job_book import JobBook

SQL = "SELECT @n AS result /* runs {} s */"
JOB = re.compile(r"\bhp-\w+")
DURATION = re.compile(r"/\* runs ([0-9.]+) s \*/")


class TimedBook(JobBook):
    """Jobs run for as long as their SQL says, counted from when the stand-in has taken them."""

    def __init__(self) -> None:
        super().__init__(holds=False)
        self._ends: dict[str, Query] = {}
        self._ends_lock = threading.Lock()

    def take(self, job_id: str, started: float, length_s: float) -> None:
        """The stand-in has taken a job; one that it refused as known stays as it is."""
        with self._ends_lock:
            self._ends.setdefault(job_id, Query(job_id, started, time.time() + length_s))

    def phase(self, job_id: str) -> Phase | None:
        """See `JobBook`."""
        with self._ends_lock:
            query = self._ends.get(job_id)
        return Phase.RUNNING if query is not None and time.time() < query.ended else None

    def queries(self) -> list[Query]:
        """All of them."""
        with self._ends_lock:
            return list(self._ends.values())


class TimedDialect(BigQueryDialect):
    """Tells the book of jobs as they are inserted."""

    def __init__(self, book: TimedBook) -> None:
        super().__init__(book)
        self._book = book

    def name(self, call: Call) -> str:
        """Without the name of the job, which is an attempt's token."""
        return JOB.sub("ID", super().name(call))

    def carry_out(self, call: Call, forward: Callable[[Call], Answer]) -> Answer:
        """See `BigQueryDialect`."""
        if call.verb != "POST" or not call.path.partition("?")[0].endswith("/jobs"):
            return super().carry_out(call, forward)
        asked = json.loads(call.body)
        length = DURATION.search(asked["configuration"]["query"]["query"])
        started = time.time()

        def taken(plain: Call) -> Answer:
            answer = forward(plain)
            if answer.status == 200 and length is not None:
                self._book.take(asked["jobReference"]["jobId"], started, float(length[1]))
            return answer

        return super().carry_out(call, taken)


@contextmanager
def bigquery() -> Iterator[Warehouse]:
    """The stand-in starts with the context, and ends with it.

    Raises:
        StandinMissingError: There is no Python that it runs on.
    """
    book = TimedBook()
    dialect = Counted(TimedDialect(book))
    with standin.running() as upstream, FaultProxy(upstream, dialect) as proxy:

        def query(length_s: float) -> BigQueryJob:
            return BigQueryJob(
                project=standin.PROJECT,
                sql=SQL.format(length_s),
                inputs={"n": int},
                outputs={"result": int},
                endpoint=proxy.url,
            )

        yield Warehouse(
            "bigquery", pool_of("bigquery"), query, book.queries, dialect.served, declared_rate(plugin)
        )
