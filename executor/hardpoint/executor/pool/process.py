"""The engine's end of one worker process: its pipe, its life and its death."""

from __future__ import annotations

import math
import os
import signal
import socket
from pathlib import Path

import msgspec

from hardpoint.executor.pool.load import TARGET_S, WINDOW_MAX
from hardpoint.executor.pool.log_cut import cut
from hardpoint.executor.pool.messages import (
    FrameBuffer,
    FromWorker,
    FunctionCall,
    Hello,
    LogSpan,
    Recall,
    Stop,
    frame,
    from_worker_decoder,
)
from hardpoint.executor.pool.spawn import Outbox, pidfd_of, spawn
from hardpoint.plugin_api import ErrorInfo

RECALL_AFTER_S = 0.05
"""A call that waits behind another for so long goes to a worker that is free."""

LOAD_ALLOWANCE_S = 60.0
"""Importing a task's code is not its run: so much longer than its timeout the first call may take."""

_READ_BYTES = 1 << 18


class Kill(msgspec.Struct, frozen=True):
    """Why the pool ends a worker: the call it is about, and what that call is told."""

    ticket: int
    error: ErrorInfo


class WorkerProcess:
    """One process, its calls in the order they were sent, and when the first of them started.

    Args:
        hello: What it is told first.
        python: The interpreter to run.
        now_s: Monotonic time.
    """

    __slots__ = (
        "_beside",
        "_control",
        "_frames",
        "_outbox",
        "busy_since_s",
        "calls",
        "code",
        "expected_s",
        "head_started_s",
        "home",
        "idle_since_s",
        "kill_reason",
        "loaded",
        "log_ends",
        "name",
        "pidfd",
        "pipe_closed",
        "process",
        "queued_s",
        "ready",
        "recalling",
        "sent",
        "sock",
        "specs",
        "started_s",
        "stopping",
    )

    def __init__(self, hello: Hello, python: str, now_s: float) -> None:
        self.name = hello.worker
        self.code = hello.code
        self.home = Path(hello.home)
        self.calls: dict[int, FunctionCall] = {}
        self.expected_s: dict[int, float] = {}
        self.queued_s = 0.0
        self.started_s = self.busy_since_s = self.idle_since_s = self.head_started_s = now_s
        self.specs: set[str] = set()
        self.loaded: set[str] = set()
        self.log_ends = (0, 0)
        self.kill_reason: Kill | None = None
        self.ready = self.recalling = self.stopping = self.pipe_closed = False
        self._frames = FrameBuffer()
        self.sent = 0
        self.sock, self._control, self.process = spawn(self.name, self.home, python)
        self._outbox, self._beside = Outbox(self.sock), Outbox(self._control)
        self.pidfd = pidfd_of(self.process.pid)
        self.send(frame(hello))

    # --- calls -----------------------------------------------------------------------------------------

    @property
    def head(self) -> FunctionCall | None:
        """The call that runs, or will when the worker is up; results come in the order of calls."""
        for call in self.calls.values():
            return call
        return None

    def load_s(self, now_s: float) -> float:
        """Seconds of work it has: a call that runs longer than expected will go on as long again."""
        if self.ready and self.calls:
            return max(self.queued_s, now_s - self.head_started_s)
        return self.queued_s

    def accepts(self, now_s: float) -> bool:
        """Whether another call may wait here."""
        if self.stopping or self.kill_reason is not None:
            return False
        return not self.calls or (len(self.calls) < WINDOW_MAX and self.load_s(now_s) < TARGET_S)

    def add(self, call: FunctionCall, expected_s: float, now_s: float) -> None:
        """A call was sent."""
        if not self.calls:
            self.head_started_s = self.busy_since_s = now_s
        self.sent += 1
        self.calls[call.ticket] = call
        self.expected_s[call.ticket] = expected_s
        self.queued_s += expected_s

    def remove(self, ticket: int, now_s: float) -> FunctionCall | None:
        """A call ended or was given back; if it was the first in line, the next one starts."""
        is_first = ticket == next(iter(self.calls), None)
        call = self.calls.pop(ticket, None)
        if call is not None:
            self.queued_s -= self.expected_s.pop(ticket)
            if is_first:
                self.head_started_s = now_s
            if not self.calls:
                self.queued_s = 0.0
                self.idle_since_s = now_s
        return call

    def timeout_at_s(self, head: FunctionCall, timeout_s: float | None) -> float:
        """When the call that runs is out of time; importing its code is not counted."""
        if timeout_s is None:
            return math.inf
        allowance_s = 0.0 if head.spec in self.loaded else LOAD_ALLOWANCE_S
        return self.head_started_s + timeout_s + allowance_s

    def stuck_at_s(self) -> float:
        """When the calls behind the one that runs have waited long enough to go elsewhere."""
        stuck = len(self.calls) > 1 and self.ready and not self.recalling and not self.stopping
        return self.head_started_s + RECALL_AFTER_S if stuck else math.inf

    # --- pipe ------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """Send without waiting; return whether all of it went. The rest goes with `flush`."""
        return self._outbox.send(data)

    def flush(self) -> bool:
        """Send what is left; return whether all of it went."""
        return self._outbox.flush()

    def recall(self, tickets: tuple[int, ...]) -> None:
        """Ask for calls back that have not started; the answer is a `Returned`."""
        self._beside.send(frame(Recall(tickets, self.sent)))

    def stop(self) -> bool:
        """Let it finish the call that runs, and exit; as `send`."""
        self.stopping = True
        self._beside.send(frame(Stop()))
        return self.send(frame(Stop()))

    def receive(self) -> tuple[list[FromWorker], bool]:
        """Messages that arrived, and whether the pipe is still open and makes sense."""
        messages: list[FromWorker] = []
        self._beside.flush()
        try:
            data = self.sock.recv(_READ_BYTES)
            for body in self._frames.feed(data):
                messages.append(from_worker_decoder.decode(body))
        except BlockingIOError:
            return messages, True
        except msgspec.MsgspecError:
            # User code wrote into the pipe: nothing that follows can be understood.
            self._frames = FrameBuffer()
            self.kill()
            return messages, False
        except OSError:
            return messages, False
        return messages, bool(data)

    def drain(self) -> list[FromWorker]:
        """Everything a dead worker still had in the pipe."""
        messages: list[FromWorker] = []
        while True:
            # Not only until the end of the pipe: a process forked from the worker may hold it open.
            try:
                if not self.sock.recv(1, socket.MSG_PEEK):
                    return messages
            except OSError:
                return messages
            arrived, is_open = self.receive()
            messages += arrived
            if not is_open:
                return messages

    # --- life ------------------------------------------------------------------------------------------

    def has_exited(self) -> bool:
        """Whether it is dead. It stays unreaped, so that its process group's number is not given away."""
        if self.process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):
            return self.process.poll() is not None
        found = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def kill(self) -> None:
        """End it and everything it started."""
        if self.process.returncode is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self.process.kill()

    def kill_for(self, head: FunctionCall, error: ErrorInfo) -> None:
        """End it because of the call that runs, which is told this error."""
        self.kill_reason = Kill(head.ticket, error)
        self.kill()

    def bury(self) -> int:
        """After `has_exited`: end what it left behind, close the pipe; return its exit code."""
        self.kill()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        self.sock.close()
        self._control.close()
        return self.process.wait()

    def log_since_last_reply(self) -> LogSpan | None:
        """What a call that never answered wrote."""
        paths = [self.home / "logs" / f"{self.name}.{end}" for end in ("out", "err")]
        out, err = (cut(path, begin, _size(path)) for path, begin in zip(paths, self.log_ends, strict=True))
        if (out, err) == self.log_ends:
            return None
        return LogSpan(self.name, (self.log_ends[0], out), (self.log_ends[1], err))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
