"""A clock, a context and values without an executor, to call a handler's verbs by hand.

context = FakeContext(secrets={"WAREHOUSE_TOKEN": "s3cret"})
job = handler.create(context, fake_request(spec, {"value": 7}))
assert context.calls.writes == 1
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hardpoint.plugin_api.errors import HardpointError, SecretMissingError, UserError
from hardpoint.plugin_api.handler import CreateRequest
from hardpoint.plugin_api.identity import attempt_token
from hardpoint.plugin_api.literal_rules import problem
from hardpoint.plugin_api.literals import AnyType, DirectoryType, FileType, Reference, Wire
from hardpoint.plugin_api.task import Resources, TaskSpec
from hardpoint.plugin_api.testing.memory_store import MemoryStore

__all__ = [
    "FakeCalls",
    "FakeClock",
    "FakeContext",
    "MemoryStore",
    "PlainValues",
    "SuddenDeath",
    "fake_request",
]


class FakeClock:
    """Time that moves only when told; `sleep` moves it.

    >>> clock = FakeClock(start_s=100.0)
    >>> clock.advance(2.5)
    >>> clock.sleep(1.0)
    >>> clock.now(), clock.monotonic(), clock.slept_s
    (103.5, 3.5, 1.0)
    """

    def __init__(self, start_s: float = 1_700_000_000.0) -> None:
        self._start_s = start_s
        self._elapsed_s = 0.0
        self._lock = threading.Lock()
        self.slept_s = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._start_s + self._elapsed_s

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        """Let that much time pass, at once."""
        self.advance(seconds)
        with self._lock:
            self.slept_s += max(0.0, seconds)

    def advance(self, seconds: float) -> None:
        """Let that much time pass."""
        with self._lock:
            self._elapsed_s += max(0.0, seconds)


class SuddenDeath(BaseException):
    """What stands for the end of a process; no handler may catch it."""


class FakeCalls:
    """The gate for calls to the service: lets everything through and counts it.

    >>> calls = FakeCalls()
    >>> with calls.read():
    ...     pass
    >>> calls.reads, calls.writes
    (1, 0)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refusal: HardpointError | None = None
        self._dies_before = self._dies_after = 0
        self.reads = 0
        self.writes = 0

    @property
    def total(self) -> int:
        """Reads and writes."""
        return self.reads + self.writes

    def refuse_writes(self, error: HardpointError) -> None:
        """Raise `error` for every write from now on, as an engine does that lost its execution."""
        self._refusal = error

    def die_before_write(self, number: int) -> None:
        """Raise `SuddenDeath` in place of that write, counted from 1: the call is never made."""
        self._dies_before = number

    def die_after_write(self, number: int) -> None:
        """Raise `SuddenDeath` once that write, counted from 1, was made: nobody keeps its answer."""
        self._dies_after = number

    @contextmanager
    def read(self) -> Iterator[None]:
        """Around a call that changes nothing."""
        with self._lock:
            self.reads += 1
        yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """Around a call that changes something."""
        if self._refusal is not None:
            raise self._refusal
        with self._lock:
            self.writes += 1
            number = self.writes
        if number == self._dies_before:
            raise SuddenDeath
        yield
        if number == self._dies_after:
            raise SuddenDeath


class PlainValues:
    """Implements `Values` for types whose values are plain JSON, and for files and folders.

    >>> from hardpoint.plugin_api import ListType, SimpleKind, SimpleType
    >>> PlainValues(MemoryStore()).encode(ListType(SimpleType(SimpleKind.INT)), [1, 2])
    [1, 2]
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def encode(self, type: AnyType, value: Any) -> Wire:
        """The value itself if it fits; the reference of a file or folder."""
        match type:
            case FileType():
                return _fields(self._store.put_file(value))
            case DirectoryType():
                return _fields(self._store.put_directory(value))
            case _:
                misfit = problem(type, value)
                if misfit is not None:
                    raise UserError(misfit)
                return value

    def decode(self, type: AnyType, wire: Wire) -> Any:
        """The wire value itself; the local path of a file or folder."""
        if isinstance(type, FileType | DirectoryType):
            return self._store.fetch(Reference(**wire))
        return wire


def _fields(reference: Reference) -> dict[str, Any]:
    return {name: getattr(reference, name) for name in Reference.__struct_fields__}


class FakeContext:
    """Implements `Context`: counting calls, a virtual clock, secrets from a dict, logs kept in `logged`.

    Args:
        secrets: Values by name; what is not in there is missing.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._secrets = dict(secrets or {})
        self.calls = FakeCalls()
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.values = PlainValues(self.store)
        self.logged: list[str] = []
        # Not from `getLogger`: its lines must reach this context only.
        self.logger = logging.Logger("hardpoint.testing")
        self.logger.addHandler(_Keep(self.logged))

    def secret(self, name: str) -> str:
        """Resolve a secret now; raises `SecretMissingError`."""
        try:
            return self._secrets[name]
        except KeyError:
            raise SecretMissingError(
                f"No secret `{name}`", hint=f"Set the environment variable `HARDPOINT_SECRET_{name.upper()}`"
            ) from None


class _Keep(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


def fake_request(
    spec: TaskSpec,
    inputs: Mapping[str, Wire] | None = None,
    *,
    token: str = "",
    attempt: int = 1,
    outputs_uri: str = "",
) -> CreateRequest:
    """One attempt of a task, as the executor would ask for it.

    Args:
        spec: The task.
        inputs: Wire values by name.
        token: Empty: the token of node `node` in execution `execution`.
        attempt: From 1.
        outputs_uri: For handlers whose jobs write their own outputs.

    >>> from hardpoint.plugin_api import Interface
    >>> fake_request(TaskSpec("flow.py:load", "athena", "v1", Interface())).token[:6]
    'hp-7pd'
    """
    return CreateRequest(
        execution="execution",
        node="node",
        attempt=attempt,
        token=token or attempt_token("execution", "node", attempt, spec.version),
        spec=spec,
        inputs=dict(inputs or {}),
        outputs_uri=outputs_uri,
        resources=Resources(),
        project="project",
        domain="domain",
    )
