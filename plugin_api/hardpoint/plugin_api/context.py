"""What a handler is given to work with, as protocols: the executor and core implement them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from hardpoint.plugin_api.literals import AnyType, Reference, Wire
from hardpoint.plugin_api.task import TaskSpec


class Store(Protocol):
    """Content-addressed blobs behind fsspec: what is put twice is kept once."""

    def put_bytes(self, data: bytes, *, format: str, name: str = "") -> Reference:
        """Keep `data`; return where it lies."""

    def put_file(self, path: Path, *, format: str = "bytes", name: str = "") -> Reference:
        """Keep a copy of a local file; return where it lies."""

    def put_directory(self, path: Path) -> Reference:
        """Keep a copy of a local folder with everything below it; links that leave it are refused."""

    def read_bytes(self, reference: Reference) -> bytes:
        """The content, checked against its digest."""

    def fetch(self, reference: Reference) -> Path:
        """A local, read-only path of the file or folder; fetched once per process."""


class Values(Protocol):
    """Encode and decode literals by their type."""

    def encode(self, type: AnyType, value: Any) -> Wire:
        """The wire form of a natural Python value; raises `UserError` if it does not fit."""

    def decode(self, type: AnyType, wire: Wire) -> Any:
        """The natural Python value: structs become dicts, frames pandas tables, files local paths."""


class Calls(Protocol):
    """The gate each call to a vendor passes: counts it and keeps it within the service's rate."""

    def read(self) -> AbstractContextManager[None]:
        """Around a call that changes nothing. Waits for its turn."""

    def write(self) -> AbstractContextManager[None]:
        """Around a call that changes something. Waits, then checks that this engine still owns the run."""


class Clock(Protocol):
    """Time as an argument, so that a simulation can own it."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Context(Protocol):
    """First argument of every job and array verb; rebuilt after a restart, so keep nothing in it."""

    @property
    def calls(self) -> Calls:
        """The gate for calls to the service."""

    @property
    def store(self) -> Store:
        """Where values that travel by reference lie."""

    @property
    def values(self) -> Values:
        """Encode and decode literals."""

    @property
    def clock(self) -> Clock:
        """Use it instead of `time`."""

    @property
    def logger(self) -> logging.Logger:
        """Lines appear in `hardpoint executions logs`."""

    def secret(self, name: str) -> str:
        """Resolve a secret now; raises `SecretMissingError`. Never keep, log or return it."""


class FunctionContext(Protocol):
    """First argument of `FunctionHandler.run`, inside a worker process."""

    @property
    def spec(self) -> TaskSpec:
        """The task that runs."""

    @property
    def execution(self) -> str:
        """The run."""

    @property
    def node(self) -> str:
        """The node in it."""

    @property
    def attempt(self) -> int:
        """This try, from 1."""

    @property
    def code_dir(self) -> Path:
        """The unpacked project archive: look up project files here, never in the working directory."""

    @property
    def scratch_dir(self) -> Path:
        """An empty folder of this attempt's own, removed afterwards."""

    @property
    def store(self) -> Store:
        """Where values that travel by reference lie."""

    @property
    def values(self) -> Values:
        """Encode and decode literals."""

    @property
    def logger(self) -> logging.Logger:
        """Lines are kept with the attempt's output."""

    def secret(self, name: str) -> str:
        """Resolve a secret now; raises `SecretMissingError`. Never keep, log or return it."""

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Tell the live view how far this attempt is."""

    def artifact(self, title: str, reference: Reference) -> None:
        """Attach something readable (an HTML report, an executed notebook) to the attempt."""


Inputs = Mapping[str, Wire]
Outputs = Mapping[str, Wire]
