"""What an attempt may change or use, and how it is put back afterwards."""

from __future__ import annotations

import fcntl
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# RLIMIT_DATA, not RLIMIT_AS: the address space also counts what is only reserved or mapped from files
# (measured: `import numpy` reserves 143 MiB of it, of which 95 MiB are data and 32 MiB are in memory), so
# a limit on it would refuse memory-mapped Parquet files and model weights that cost nothing.
_LIMIT = resource.RLIMIT_DATA
_PAGE_BYTES = resource.getpagesize()
_DATA_FIELD = 5


@contextmanager
def memory_limit(limit_bytes: int | None) -> Iterator[None]:
    """Hold the process to `limit_bytes` more than it has now, and lift that afterwards.

    What the interpreter and imported modules hold already is not the attempt's, so it is not counted.
    """
    if limit_bytes is None:
        yield
        return
    soft, hard = resource.getrlimit(_LIMIT)
    wanted = _data_bytes() + limit_bytes
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(_LIMIT, (min([wanted, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(_LIMIT, (soft, hard))


def _data_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[_DATA_FIELD]) * _PAGE_BYTES
    except OSError:
        # Not Linux: there the limit only guards against `brk`, whose start is not known either.
        return 0


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables around an attempt."""
    if not variables:
        yield
        return
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Surroundings:
    """Working directory, environment and `sys.path` as an attempt finds them.

    Comparing costs about a microsecond, so it is done after every attempt; only what changed is put back.

    Args:
        folder: The working directory.
    """

    __slots__ = ("_environ", "_folder", "_live_copy", "_live_environ", "_path")

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.realpath(folder)
        os.chdir(self._folder)
        # The dict behind `os.environ` compares in 0.3 µs; through the mapping it would decode each name.
        self._live_environ: Any = getattr(os.environ, "_data", os.environ)
        self.keep()

    def keep(self) -> None:
        """Let environment and `sys.path` as they are now be what attempts find."""
        self._environ = dict(os.environ)
        self._live_copy: dict[Any, Any] = dict(self._live_environ)
        self._path = list(sys.path)

    def restore(self) -> None:
        """Undo what user code did to them."""
        if self._live_environ != self._live_copy:
            self._restore_environ()
        if sys.path != self._path:
            sys.path[:] = self._path
        try:
            moved = os.getcwd() != self._folder  # noqa: PTH109 - compared as text
        except FileNotFoundError:
            moved = True
        if moved:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            os.chdir(self._folder)

    def _restore_environ(self) -> None:
        for name in os.environ.keys() - self._environ.keys():
            del os.environ[name]
        for name, value in self._environ.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


def mark_in_use(folder: Path) -> int:
    """Mark a worker's folder as its own: no pool sweeps it away while this process lives."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor
