"""Whether a worker is importing user code right now: then that code must not start runs of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hardpoint.plugin_api import UsageError

_importing: list[str] = []


class RunAtImportError(UsageError):
    """A file starts a run when it is imported, and workers import it to find its tasks."""


@contextmanager
def importing(name: str) -> Iterator[None]:
    """Mark the time in which a worker imports a file of the author's."""
    _importing.append(name)
    try:
        yield
    finally:
        _importing.pop()


def refuse_at_import() -> None:
    """Raise if this process is a worker that imports the caller's file.

    Raises:
        RunAtImportError: Without it every worker would start the run again, and workers for it.
    """
    if _importing:
        raise RunAtImportError(
            f"`{_importing[-1]}` starts a run when it is imported; workers import it to find its tasks",
            hint='Put the call under `if __name__ == "__main__":`',
        )
