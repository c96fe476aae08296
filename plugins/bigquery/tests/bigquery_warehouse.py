"""A stand-in for all tests of a run, a proxy of its own for each, and a handler as an executor has it.

PYTEST_DONT_REWRITE: it may be imported, for its doctests, before a test module names it as a plugin.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import msgspec
import pyarrow.parquet as pq
import pytest

from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import (
    AnyType,
    CreateRequest,
    Interface,
    JobRef,
    Phase,
    Reference,
    Status,
    TaskSpec,
    Variable,
)
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint.plugin_api.testing.standins import StandinMissingError
from hardpoint_bigquery.handler import BigQueryHandler
from hardpoint_bigquery.testing import standin
from hardpoint_bigquery.testing.http_dialect import BigQueryDialect
from hardpoint_bigquery.testing.job_book import JobBook
from hardpoint_bigquery.testing.switch import credentials_file

Inputs = Mapping[str, tuple[AnyType, Any]]

SECRET = "BIGQUERY_CREDENTIALS"


@pytest.fixture(scope="session")
def bigquery_server() -> Iterator[str]:
    """One stand-in for all tests."""
    try:
        with standin.running() as url:
            yield url
    except StandinMissingError as error:
        pytest.skip(f"platform: {error}")


class Warehouse:
    """A handler as an executor has it, with natural values in and out."""

    def __init__(self, proxy: FaultProxy, dialect: BigQueryDialect, folder: Path) -> None:
        self.proxy, self.dialect, self.handler = proxy, dialect, BigQueryHandler()
        self.context = FakeContext({SECRET: credentials_file(proxy.url)})
        store: Any = BlobStore(str(folder))
        self.context.store = store
        self.context.values = LiteralValues(store)  # type: ignore[assignment]

    def request(
        self,
        sql: str,
        inputs: Inputs | None = None,
        outputs: Mapping[str, AnyType] | None = None,
        *,
        token: str = "",
        slots: Sequence[str] = (),
        **config: Any,
    ) -> CreateRequest:
        given = inputs or {}
        interface = Interface(
            tuple(Variable(name, type) for name, (type, _) in given.items()),
            tuple(Variable(name, type) for name, type in (outputs or {}).items()),
        )
        place = {"project": standin.PROJECT, "endpoint": self.proxy.url}
        text = {"sql": {"text": sql, "inputs": list(slots)}} if sql else {}
        spec = TaskSpec("flow.py:q", "bigquery", "v1", interface, {**place, **text, **config})
        wires = {name: self.context.values.encode(type, value) for name, (type, value) in given.items()}
        return fake_request(spec, wires, token=token or f"hp-{uuid4().hex}")

    def create(self, request: CreateRequest) -> JobRef:
        return self.handler.create(self.context, request)

    def ended(self, job: JobRef) -> Status:
        deadline = time.monotonic() + 20
        while True:
            status = self.handler.poll_many(self.context, [job])[job.id]
            if status.phase.terminal or time.monotonic() > deadline:
                return status
            time.sleep(0.02)

    def run(self, request: CreateRequest) -> dict[str, Any]:
        job = self.create(request)
        status = self.ended(job)
        assert status.phase is Phase.SUCCEEDED, status
        outputs = self.handler.outputs(self.context, request, job)
        types = {each.name: each.type for each in request.spec.interface.outputs}
        assert set(outputs) == set(types)
        return {name: self.context.values.decode(types[name], wire) for name, wire in outputs.items()}

    def table(self, request: CreateRequest) -> Any:
        """The only output, as the Parquet file has it."""
        job = self.create(request)
        status = self.ended(job)
        assert status.phase is Phase.SUCCEEDED, status
        [wire] = self.handler.outputs(self.context, request, job).values()
        data = self.context.store.read_bytes(msgspec.convert(wire, Reference))
        return pq.read_table(io.BytesIO(data))

    def shown(self, job: JobRef) -> dict[str, Any]:
        """The job as the stand-in itself describes it."""
        path = f"/bigquery/v2/projects/{standin.PROJECT}/jobs/{job.id}?location=US"
        with urlopen(self.proxy.upstream + path, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def dataset(self) -> str:
        """The name of a new one."""
        name = f"d_{uuid4().hex[:8]}"
        self.run(self.request(f"CREATE SCHEMA {name}"))
        return name

    def fails(self, sql: str, **config: Any) -> Status:
        status = self.ended(self.create(self.request(sql, **config)))
        assert status.phase is Phase.FAILED and status.error is not None
        return status


@pytest.fixture
def book() -> JobBook:
    return JobBook(holds=False)


@pytest.fixture
def warehouse(bigquery_server: str, book: JobBook, tmp_path: Path) -> Iterator[Warehouse]:
    dialect = BigQueryDialect(book)
    with FaultProxy(bigquery_server, dialect) as proxy:
        yield Warehouse(proxy, dialect, tmp_path)
