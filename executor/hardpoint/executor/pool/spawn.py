"""Starts a worker process, with two sockets to it, and sends on them without waiting."""

from __future__ import annotations

import os
import socket
import subprocess
from collections import deque
from pathlib import Path

_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class Outbox:
    """What is still to be sent on a socket, in order.

    Args:
        sock: Does not block.
    """

    __slots__ = ("_parts", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._parts: deque[memoryview] = deque()

    def send(self, data: bytes) -> bool:
        """Send without waiting; return whether all of it went. The rest goes with `flush`."""
        self._parts.append(memoryview(data))
        return self.flush()

    def flush(self) -> bool:
        """Send what is left; return whether all of it went."""
        parts = self._parts
        try:
            while parts:
                sent = self._sock.send(parts[0])
                if sent == len(parts[0]):
                    parts.popleft()
                else:
                    parts[0] = parts[0][sent:]
        except BlockingIOError:
            return False
        except OSError:
            # The worker is dead or dying, which its exit will tell.
            parts.clear()
        return True


def spawn(name: str, home: Path, python: str) -> tuple[socket.socket, socket.socket, subprocess.Popen[bytes]]:
    """Start a worker; return our ends of its sockets, the one for calls and the one for control."""
    logs, folder = home / "logs", home / "tmp" / name
    logs.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair()
    control, their_control = socket.socketpair()
    given = (theirs.fileno(), their_control.fileno())
    # What goes wrong before the worker has set up its logs, such as a broken installation, is kept too.
    out, err = (os.open(logs / f"{name}.{end}", _LOG_FLAGS, 0o600) for end in ("out", "err"))
    try:
        process = subprocess.Popen(
            # -P: the temporary folder it starts in is no place to import from.
            [python, "-P", "-m", "hardpoint.executor.worker", *map(str, given)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            pass_fds=given,
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        control.close()
        raise
    finally:
        theirs.close()
        their_control.close()
        os.close(out)
        os.close(err)
    ours.setblocking(False)
    control.setblocking(False)
    return ours, control, process


def pidfd_of(pid: int) -> int | None:
    """A descriptor that is readable when a process has exited; None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        # Not Linux, or a sandbox without it: the pool asks now and then instead.
        return None
