"""What user code prints: two files per worker, and which bytes of them belong to which attempt."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import TextIO

from hardpoint.executor.pool.log_cut import cut
from hardpoint.executor.pool.messages import LogSpan

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_OUT, _ERR = 1, 2


class WorkerLogs:
    """Redirects descriptors 1 and 2, so that C code and child processes are captured too.

    Args:
        folder: `<home>/logs`; made if it is missing.
        worker: Stem of the two files.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._worker = worker
        self._paths = tuple(folder / f"{worker}.{end}" for end in ("out", "err"))
        # Append mode: a child process writes at the end too, not over what came after its start.
        self._files = tuple(os.open(path, _FLAGS, 0o600) for path in self._paths)
        self._inodes = tuple(os.fstat(file).st_ino for file in self._files)
        # C code has a buffer of its own, which would reach the file in the middle of a later attempt.
        self._flush_libc = ctypes.CDLL(None).fflush
        self._redirect()
        self._ends = self._sizes()

    def span(self) -> LogSpan | None:
        """What was written since the last call; None if nothing was."""
        self._flush()
        begins, ends = self._ends, self._sizes()
        if begins == ends:
            return None
        out, err = (cut(path, begins[i], ends[i]) for i, path in enumerate(self._paths))
        self._ends = (out, err)
        return LogSpan(self._worker, (begins[0], self._ends[0]), (begins[1], self._ends[1]))

    def _sizes(self) -> tuple[int, int]:
        try:
            out, err = os.fstat(_OUT), os.fstat(_ERR)
            if (out.st_ino, err.st_ino) == self._inodes:
                return out.st_size, err.st_size
        except OSError:
            pass
        # User code closed a descriptor, or opened something else in its place.
        self._redirect()
        return os.fstat(_OUT).st_size, os.fstat(_ERR).st_size

    def _redirect(self) -> None:
        for target, file in zip((_OUT, _ERR), self._files, strict=True):
            os.dup2(file, target)
        self._streams = (_stream(_OUT), _stream(_ERR))
        self._install()

    def _install(self) -> None:
        sys.stdout, sys.stderr = self._streams

    def _flush(self) -> None:
        out, err = self._streams
        if sys.stdout is not out or sys.stderr is not err:
            _flush_whatever(sys.stdout, sys.stderr)
            self._install()
        try:
            out.flush()
            err.flush()
        except (OSError, ValueError):
            # User code closed a stream; the next attempt shall have its output.
            self._redirect()
        self._flush_libc(None)


def _stream(descriptor: int) -> TextIO:
    # By line: what a killed attempt printed must be in the file, and somebody may be following it.
    return open(
        descriptor,
        "w",
        buffering=1,
        encoding="utf-8",
        errors="backslashreplace",
        closefd=False,
    )


def _flush_whatever(*streams: TextIO) -> None:
    for stream in streams:
        try:
            stream.flush()
        except Exception:  # noqa: S112 - what user code put there may be anything
            continue
