"""The worker's end of the pipe: a thread that reads, and a queue of calls that can be taken back."""

from __future__ import annotations

import os
import queue
import signal
import socket
import struct
import threading

import msgspec

from hardpoint.executor.pool.messages import (
    FrameBuffer,
    FromWorker,
    FunctionCall,
    Hello,
    Recall,
    RegisterSpec,
    Returned,
    Stop,
    frame,
    to_worker_decoder,
)
from hardpoint.plugin_api import TaskSpec

_READ_BYTES = 1 << 18
_PARENT_CHECK_S = 5


class EngineConnection:
    """Reads what the engine sends while user code runs, so that a queued call can still be recalled.

    When the engine is gone this process and all its children are killed: nobody would hear of what they do.

    Args:
        sock: Connected to the engine.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._frames = FrameBuffer()
        # Calls are taken out of the dict by whoever comes first, the main thread to run them or the
        # reader to give them back: one `pop` decides, without a lock.
        self._unstarted: dict[int, FunctionCall] = {}
        self._arrived: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._specs: dict[str, TaskSpec] = {}
        self._early: list[bytes] = []

    def hello(self) -> Hello:
        """Wait for the first message."""
        while not self._early:
            data = self._sock.recv(_READ_BYTES)
            if not data:
                raise SystemExit("The engine closed the connection before it said hello")
            self._early += self._frames.feed(data)
        return msgspec.json.decode(self._early.pop(0), type=Hello)

    def start_reading(self, engine_pid: int) -> None:
        """Read from now on, in a thread of its own."""
        # Not `settimeout`, which would cost a `poll` before each call and limit sends as well.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _PARENT_CHECK_S, 0))
        threading.Thread(target=self._read, args=(engine_pid,), name="hardpoint-reader", daemon=True).start()

    def next_call(self) -> FunctionCall | None:
        """Wait for a call; None: the engine wants this worker to end."""
        while True:
            ticket = self._arrived.get()
            if ticket is None:
                return None
            call = self._unstarted.pop(ticket, None)
            if call is not None:
                return call

    def spec(self, key: str) -> TaskSpec:
        """What was registered under a key."""
        return self._specs[key]

    def send(self, message: FromWorker) -> None:
        """Tell the engine; from any thread."""
        self.send_frame(frame(message))

    def send_frame(self, data: bytes) -> None:
        """Tell the engine something already encoded; from any thread."""
        with self._sending:
            try:
                self._sock.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                kill_own_group()
            except OSError as error:
                # User code closed descriptors that are not its own. The engine sees this exit, says so,
                # and ends what the attempt left behind.
                os.write(2, f"hardpoint: the connection to the engine is closed: {error}\n".encode())
                os._exit(1)

    def _read(self, engine_pid: int) -> None:
        for body in self._early:
            self._take(body)
        while True:
            try:
                data = self._sock.recv(_READ_BYTES)
            except BlockingIOError:
                # A process forked from the engine may hold the other end open after its death.
                if os.getppid() == engine_pid:
                    continue
                data = b""
            except OSError:
                data = b""
            if not data:
                kill_own_group()
            for body in self._frames.feed(data):
                self._take(body)

    def _take(self, body: bytes) -> None:
        match to_worker_decoder.decode(body):
            case FunctionCall() as call:
                self._unstarted[call.ticket] = call
                self._arrived.put(call.ticket)
            case RegisterSpec(key, spec):
                self._specs[key] = spec
            case Recall(tickets):
                taken = tuple(ticket for ticket in tickets if self._unstarted.pop(ticket, None) is not None)
                self.send(Returned(taken))
            case Stop():
                self._unstarted.clear()
                self._arrived.put(None)
            case Hello():
                pass


def kill_own_group() -> None:
    """End this process and everything it started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
