"""Trying a plugin in a process of its own, before it is imported into the host's.

A thread cannot catch what ends or stops its whole process: a crash in C code, `os._exit`, a loop that never
lets go of the interpreter, memory without end. A process can.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

import msgspec

from hardpoint.registry.quarantine import Quarantine, Stage, plugin_lines

logger = logging.getLogger(__name__)

CHILD = "hardpoint.registry.probe_child"
BEGAN = b"began\n"
"""What the process says before it imports the plugin: what happens later is the plugin's doing."""
CLOSED = 71
"""Its exit code if it cannot tell the result, since the descriptor for that is gone."""
LIMIT_S = 10.0
KILL_AFTER_S = 1.0
"""So much longer than its limit the process has to tell at which line it hangs."""
TAIL_BYTES = 8192
TAIL_LINES = 20
RESULT_BYTES = 1 << 20
PRINTED_BYTES = 1 << 16
"""A plugin that prints more when it is imported would flood its host's output."""
_LOOK_EVERY_S = 0.05
_CHUNK = 1 << 16
PIPE_BYTES = 1 << 20


def try_apart(target: str, task_types: Iterable[str], *, limit_s: float = LIMIT_S) -> Quarantine | None:
    """Import a plugin in a process of its own, and ask there what it declares.

    Args:
        target: Where the plugin object is, `module:attribute`.
        task_types: Names of its entry points.
        limit_s: Seconds after which the process is ended.

    Returns:
        Why the plugin cannot be used; None if nothing is against it.

    Raises:
        OSError: No process can be started.
    """
    reading, result = os.pipe()
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", CHILD),
                *(str(result), str(limit_s), target, *sorted(task_types)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            pass_fds=(result,),
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(result)
    assert process.stdout is not None
    with os.fdopen(reading, "rb", buffering=0) as told, process.stdout as output:
        heard = _Heard(told, output)
        try:
            heard.listen(process, time.monotonic() + limit_s + KILL_AFTER_S)
        finally:
            # It may have children, which a plugin that was only tried shall not leave behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    return heard.outcome(code, limit_s)


@dataclass(slots=True)
class _Heard:
    """What the process told, and the end of what it printed."""

    told: IO[bytes]
    output: IO[bytes]
    result: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    printed_bytes: int = 0
    in_time: bool = True

    def listen(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        """Read until the process has ended or it is too late."""
        with selectors.DefaultSelector() as selector:
            for file in (self.told, self.output):
                os.set_blocking(file.fileno(), False)
                selector.register(file, selectors.EVENT_READ)
            while process.poll() is None and selector.get_map():
                if time.monotonic() >= deadline:
                    break
                for key, _ in selector.select(_LOOK_EVERY_S):
                    if not self._take(key.fd):
                        selector.unregister(key.fileobj)
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.in_time = False
            for key in list(selector.get_map().values()):
                # No more than a pipe holds: a child of its own may go on writing for ever.
                self._take(key.fd, PIPE_BYTES)

    def _take(self, descriptor: int, size: int = _CHUNK) -> bool:
        try:
            found = os.read(descriptor, size)
        except BlockingIOError:
            return False
        if descriptor == self.told.fileno():
            if len(self.result) < RESULT_BYTES:
                self.result += found
        else:
            self.printed_bytes += len(found)
            self.tail += found
            del self.tail[:-TAIL_BYTES]
        return bool(found)

    def outcome(self, code: int, limit_s: float) -> Quarantine | None:
        """What all that means."""
        if not self.result.startswith(BEGAN):
            logger.warning("a plugin cannot be tried apart (exit code %d): %s", code, self._lines())
            return None
        answer = bytes(self.result[len(BEGAN) :])
        if answer.endswith(b"\n"):
            with suppress(msgspec.DecodeError):
                return msgspec.json.decode(answer, type=Quarantine | None) or self._flooded()
        return Quarantine(Stage.PROBE, self._summary(code, limit_s), self._lines())

    def _flooded(self) -> Quarantine | None:
        if self.printed_bytes <= PRINTED_BYTES:
            return None
        return Quarantine(Stage.CONTRACT, f"it prints {self.printed_bytes} bytes when it is imported")

    def _summary(self, code: int, limit_s: float) -> str:
        if not self.in_time or b"Timeout (" in self.tail or code == -signal.SIGXCPU:
            return f"not finished after {limit_s:g} s"
        if code < 0:
            return f"killed by {signal_name(-code)}"
        if code == CLOSED:
            return "it closed files of its host"
        return f"it ended its host with exit code {code}"

    def _lines(self) -> str:
        return plugin_lines(self.tail.decode(errors="replace"), TAIL_LINES)


def signal_name(number: int) -> str:
    """The usual name of a signal.

    >>> signal_name(11), signal_name(63)
    ('SIGSEGV', 'signal 63')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
