"""The kit of the task type `bigquery`: what `hardpoint plugins check bigquery` runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from hardpoint.plugin_api import (
    CreateRequest,
    FrameType,
    Interface,
    Phase,
    SimpleKind,
    SimpleType,
    Status,
    TaskSpec,
    TaskType,
    Variable,
)
from hardpoint.plugin_api.testing.contract import HandlerContract
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint.plugin_api.testing.standins import StandinMissingError
from hardpoint_bigquery import plugin
from hardpoint_bigquery.states import status_of
from hardpoint_bigquery.testing import standin
from hardpoint_bigquery.testing.http_dialect import BigQueryDialect
from hardpoint_bigquery.testing.job_book import JobBook
from hardpoint_bigquery.testing.switch import CLIENT_SECRET, BigQuerySwitch, credentials_file

SECRET = "BIGQUERY_CREDENTIALS"  # noqa: S105 - its name
SHORT_S = 0.5
INT, STR = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)
INTERFACE = Interface(
    (Variable("n", INT), Variable("word", STR)),
    (Variable("total", INT), Variable("word", STR), Variable("rows", FrameType())),
)


class BigQueryKit(HandlerContract[BigQuerySwitch]):
    """Google's own client against a stand-in that runs the SQL, through a proxy that breaks things."""

    vendor_modules = ("google.cloud.bigquery", "google.auth", "requests", "pyarrow")
    vendor_states: ClassVar[Mapping[str, Phase]] = {
        "PENDING": Phase.QUEUED,
        "RUNNING": Phase.RUNNING,
        "DONE": Phase.SUCCEEDED,
    }

    @pytest.fixture(scope="class")
    @classmethod
    def standin(cls) -> Iterator[str]:
        """One server for all cases: each has names of its own."""
        try:
            with standin.running() as url:
                yield url
        except StandinMissingError as error:
            pytest.skip(f"platform: {error}")

    @pytest.fixture
    def service(self, standin: str) -> Iterator[BigQuerySwitch]:
        """A proxy of its own for each case."""
        dialect = BigQueryDialect(JobBook(holds=True))
        dialect.checks_tokens = True
        with FaultProxy(standin, dialect) as proxy:
            # The whole file, and the part of it that must not be told even alone.
            type(self).secrets = {SECRET: credentials_file(proxy.url), "a part of it": CLIENT_SECRET}
            yield BigQuerySwitch(proxy, dialect.book)

    def task_type(self) -> TaskType:
        """The only one."""
        [declared] = plugin.task_types()
        return declared

    def request(self, service: BigQuerySwitch, token: str) -> CreateRequest:
        """A query that gives back its inputs, as scalars and as a table."""
        return _request(service, token)

    def impatient_request(self, service: BigQuerySwitch, token: str) -> CreateRequest:
        """The same, with a short wait."""
        return _request(service, token, http_timeout_s=SHORT_S)

    def status_of(self, state: str) -> Status:
        """Of a job in that state, without an error."""
        return status_of({"status": {"state": state}})


def _request(service: BigQuerySwitch, token: str, **config: Any) -> CreateRequest:
    sql = {"text": "SELECT @n AS total, @word AS word"}
    settings = {"project": standin.PROJECT, "sql": sql, "endpoint": service.url, "credentials_secret": SECRET}
    spec = TaskSpec("flow.py:double", "bigquery", "v1", INTERFACE, {**settings, **config})
    return fake_request(spec, {"n": 21, "word": "it's"}, token=token)
