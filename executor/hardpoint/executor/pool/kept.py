"""Results that outlive an engine which was killed before it journaled them.

A worker keeps its latest results in a file of its own, besides sending them. The engine that goes on with the
run finds there what attempts came to that were over by then, and need not run them again: what may run twice
is what was running, not what was waiting in a pipe.

The file is a ring of slots in shared memory. It survives the death of both processes, not a power loss.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

from hardpoint.executor.pool.load import WINDOW_MAX
from hardpoint.executor.pool.messages import HEADER_BYTES, CallDone, CallFailed, FunctionCall

FOLDER = "kept"
STALE_S = 7 * 86_400.0
"""Nobody asks after so long: a run that is resumed later runs again what was in flight."""

# An engine has taken in one window of a worker's results, not committed them, and sent it a second one.
SLOTS = 3 * WINDOW_MAX
SLOT_BYTES = 1024
_SIZE_BYTES = SLOTS * SLOT_BYTES
_READ_AGAIN_S = 1.0
# Checksum over what follows the header; length of the attempt's name; length of the message.
_HEADER = struct.Struct("!III")

Result: TypeAlias = CallDone | CallFailed
_decoder: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Result)


def attempt_name(execution: str, node: str, attempt: int) -> str:
    """Under which a result is kept; tickets mean nothing to another engine.

    >>> attempt_name("e1", "train", 2)
    'e1 2 train'
    """
    return f"{execution} {attempt} {node}"


class ResultKeeper:
    """The worker's end: the latest results of this process.

    Args:
        file: Made here; without room for it nothing is kept.
    """

    def __init__(self, file: Path) -> None:
        self._next = 0
        self._ring: mmap.mmap | None = None
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                # Without real space behind it, writing on a full disk would be a bus error.
                os.posix_fallocate(descriptor, 0, _SIZE_BYTES)
                self._ring = mmap.mmap(descriptor, _SIZE_BYTES)
            finally:
                os.close(descriptor)

    def keep(self, call: FunctionCall, reply: bytes) -> None:
        """Remember the framed reply to a call, unless it is too long for a slot."""
        ring = self._ring
        if ring is None or len(reply) > SLOT_BYTES:
            return
        name = f"{call.execution} {call.attempt} {call.node}".encode()
        body = name + reply
        size = _HEADER.size + len(body)
        if size > SLOT_BYTES:
            return
        start = self._next * SLOT_BYTES
        self._next = (self._next + 1) % SLOTS
        ring[start : start + size] = _HEADER.pack(zlib.crc32(body), len(name), len(reply)) + body


class KeptResults:
    """The engine's end: what workers of engines that are gone have left in a home.

    Args:
        home: The executor's folder.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._found: dict[str, bytes] = {}
        self._read_at_s = float("-inf")

    def find(self, execution: str, node: str, attempt: int) -> Result | None:
        """What an attempt came to; None if nobody knows.

        The ticket in it is another engine's.
        """
        now_s = time.monotonic()
        if now_s - self._read_at_s > _READ_AGAIN_S:
            self._read_at_s = now_s
            self._found = dict(self._read())
        message = self._found.get(attempt_name(execution, node, attempt))
        return None if message is None else _decoder.decode(message)

    def _read(self) -> Iterator[tuple[str, bytes]]:
        if not self._folder.is_dir():
            return
        for file in self._folder.iterdir():
            with suppress(OSError):
                yield from _slots(file.read_bytes())

    def forget(self, worker: str) -> None:
        """All that a worker sent is journaled."""
        (self._folder / worker).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what nobody will ask for any more."""
        if not self._folder.is_dir():
            return
        for file in self._folder.iterdir():
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > STALE_S:
                    file.unlink()


def _slots(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Attempts and messages of a ring; a slot that was being written is left out."""
    for start in range(0, len(data) - SLOT_BYTES + 1, SLOT_BYTES):
        checksum, name_bytes, reply_bytes = _HEADER.unpack_from(data, start)
        first = start + _HEADER.size
        end = first + name_bytes + reply_bytes
        if reply_bytes and end <= start + SLOT_BYTES and zlib.crc32(data[first:end]) == checksum:
            name = data[first : first + name_bytes].decode()
            yield name, data[first + name_bytes + HEADER_BYTES : end]
