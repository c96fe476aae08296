"""A handler in front of a running stand-in, for tests over the wire through the vendor's client.

PYTEST_DONT_REWRITE: it may be imported, for its doctests, before a test module names it as a plugin.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
import pytest

from hardpoint.core.types.frames import flavour_of, frame_codec, read_frame
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import (
    AnyType,
    CreateRequest,
    FrameType,
    Interface,
    JobRef,
    Phase,
    Status,
    TaskSpec,
    Variable,
)
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint.plugin_api.testing.fakes import FakeContext, PlainValues, fake_request
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint_athena.config import AthenaConfig, Connection
from hardpoint_athena.handler import AthenaHandler
from hardpoint_athena.testing.http_dialect import AthenaDialect
from hardpoint_athena.testing.standin import Standin


class Bench:
    """A handler in front of a running stand-in."""

    def __init__(self, standin: Standin, proxy: FaultProxy) -> None:
        self.standin, self.proxy = standin, proxy
        self.handler = AthenaHandler()
        self.context = FakeContext({"KEY": "AKIAEXAMPLE", "SECRET": "s"})
        # The fake ones know plain JSON only.
        self.context.values = cast(PlainValues, LiteralValues(self.context.store))
        standin.reset()
        proxy.reset()

    def request(
        self,
        sql: str,
        inputs: Mapping[str, tuple[AnyType, Any]] | None = None,
        outputs: Mapping[str, AnyType] | None = None,
        token: str = "",
        **settings: Any,
    ) -> CreateRequest:
        given, wanted = inputs or {}, outputs or {}
        face = Interface(
            tuple(Variable(name, type) for name, (type, _) in given.items()),
            tuple(Variable(name, type) for name, type in wanted.items()),
        )
        connection = Connection(
            region="us-east-1", endpoint_url=self.proxy.url, access_key="KEY", secret_key="SECRET"
        )
        config = AthenaConfig(SqlText(sql), **{"connection": connection, **settings})
        wires = {
            name: value if isinstance(type, FrameType) else self.context.values.encode(type, value)
            for name, (type, value) in given.items()
        }
        spec = TaskSpec("flow.py:q", "athena", "v1", face, msgspec.to_builtins(config))
        return fake_request(spec, wires, token=token or f"hp-{uuid.uuid4().hex}")

    def stored(self, frame: Any) -> Any:
        """The wire value of a table of pandas, pyarrow or polars."""
        cls = type(frame)
        return frame_codec(cls, flavour_of(cls) or "").encode(frame, self.context.store)

    def ended(self, request: CreateRequest) -> tuple[JobRef, Status]:
        job = self.handler.create(self.context, request)
        while True:
            status = self.handler.poll_many(self.context, [job])[job.id]
            if status.phase.terminal:
                return job, status

    def outputs(self, *args: Any, **more: Any) -> dict[str, Any]:
        request = self.request(*args, **more)
        job, status = self.ended(request)
        assert status.phase is Phase.SUCCEEDED, status
        wires = self.handler.outputs(self.context, request, job)
        types = {each.name: each.type for each in request.spec.interface.outputs}
        return {name: self.natural(types[name], wire) for name, wire in wires.items()}

    def natural(self, type: AnyType, wire: Any) -> Any:
        if isinstance(type, FrameType):
            return read_frame(type, "pyarrow", wire, self.context.store)
        return self.context.values.decode(type, wire)


@pytest.fixture(scope="session")
def running() -> Iterator[tuple[Standin, FaultProxy]]:
    with Standin() as standin, FaultProxy(standin.url, AthenaDialect()) as proxy:
        yield standin, proxy


@pytest.fixture
def bench(running: tuple[Standin, FaultProxy]) -> Iterator[Bench]:
    bench = Bench(*running)
    yield bench
    bench.context.store.close()
