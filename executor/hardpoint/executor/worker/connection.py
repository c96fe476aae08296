"""The worker's end of the pipe: calls that wait, and that can be taken back while another one runs."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from collections import deque

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
    """Two sockets: calls, which the main thread reads when it has none, and control, which a thread reads.

    So a call that comes alone costs no change of threads, and queued ones can be recalled meanwhile.
    When the engine is gone this process and all its children are killed: nobody would hear of what they do.

    Args:
        sock: Calls and replies.
        control: What must not wait until a call has ended.
    """

    def __init__(self, sock: socket.socket, control: socket.socket) -> None:
        self._sock = sock
        self._control = control
        self._sending = threading.Lock()
        # Held by whoever reads `sock`: the main thread, or the other one when it is to give calls back.
        self._reading = threading.Lock()
        self._frames = FrameBuffer()
        # Calls are taken out of the dict by whoever comes first, the main thread to run them or the
        # other one to give them back: one `pop` decides, without a lock.
        self._unstarted: dict[int, FunctionCall] = {}
        self._arrived: deque[int] = deque()
        self._received = 0
        self._stopping = False
        self._specs: dict[str, TaskSpec] = {}

    def hello(self) -> Hello:
        """Wait for the first message."""
        found: list[bytes] = []
        while not found:
            data = self._sock.recv(_READ_BYTES)
            if not data:
                raise SystemExit("The engine closed the connection before it said hello")
            found += self._frames.feed(data)
        for body in found[1:]:
            self._take(body)
        return msgspec.json.decode(found[0], type=Hello)

    def start_reading(self, engine_pid: int) -> None:
        """Heed control messages from now on, in a thread of its own."""
        timeout = struct.pack("@ll", _PARENT_CHECK_S, 0)
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        threading.Thread(target=self._heed, args=(engine_pid,), name="hardpoint-control", daemon=True).start()

    def next_call(self) -> FunctionCall | None:
        """Wait for a call; None: the engine wants this worker to end."""
        while not self._stopping:
            while self._arrived:
                call = self._unstarted.pop(self._arrived.popleft(), None)
                if call is not None:
                    return call
            with self._reading:
                # The other thread may have read calls meanwhile, and nothing more may come.
                if not self._arrived and not self._stopping:
                    self._read()
        return None

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

    def _read(self) -> None:
        """Take in some of what was sent; wait for it."""
        try:
            data = self._sock.recv(_READ_BYTES)
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
                self._arrived.append(call.ticket)
                self._received += 1
            case RegisterSpec(key, spec):
                self._specs[key] = spec
            case Stop():
                self._stopping = True
            case Hello() | Recall():
                pass

    def _heed(self, engine_pid: int) -> None:
        frames = FrameBuffer()
        while True:
            try:
                data = self._control.recv(_READ_BYTES)
            except BlockingIOError:
                # A process forked from the engine may hold the other end open after its death.
                if os.getppid() == engine_pid:
                    continue
                data = b""
            except OSError:
                data = b""
            if not data:
                kill_own_group()
            for body in frames.feed(data):
                match to_worker_decoder.decode(body):
                    case Recall(tickets, after):
                        self._give_back(tickets, after)
                    case Stop():
                        self._stopping = True
                    case _:
                        pass

    def _give_back(self, tickets: tuple[int, ...], after: int) -> None:
        while self._received < after:
            # If the main thread is reading, it gets what was sent, and lets go of the lock.
            with self._reading:
                if self._received < after:
                    self._read()
        taken = tuple(ticket for ticket in tickets if self._unstarted.pop(ticket, None) is not None)
        self.send(Returned(taken))


def kill_own_group() -> None:
    """End this process and everything it started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
