"""Waits for many workers at once: for what they send, for their deaths, and for a wake-up."""

from __future__ import annotations

import selectors
import socket

import msgspec

from hardpoint.executor.pool.process import WorkerProcess

# Where the system cannot tell of a death by itself, how often to ask.
_ASK_S = 0.2

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Happened(msgspec.Struct):
    """What one wait found."""

    readable: list[WorkerProcess]
    dead: list[WorkerProcess]
    woken: bool = False


class _Death(msgspec.Struct, frozen=True):
    worker: WorkerProcess


class Watch:
    """One selector over the pipes of workers, their process descriptors and a wake-up line."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        # A socket pair and not a pipe: `wake` after `close` must not write to a reused descriptor.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, _READ)
        self._asked: list[WorkerProcess] = []

    def add(self, worker: WorkerProcess) -> None:
        """Begin with a worker."""
        self._selector.register(worker.sock, _READ, worker)
        if worker.pidfd is None:
            self._asked.append(worker)
        else:
            self._selector.register(worker.pidfd, _READ, _Death(worker))

    def send(self, worker: WorkerProcess, data: bytes) -> None:
        """Send without waiting; what the pipe does not take now goes when it can."""
        if not worker.send(data) and not worker.pipe_closed:
            self._selector.modify(worker.sock, _READ | _WRITE, worker)

    def stop(self, worker: WorkerProcess) -> None:
        """Let a worker finish the call it runs, and exit."""
        if not worker.stop() and not worker.pipe_closed:
            self._selector.modify(worker.sock, _READ | _WRITE, worker)

    def forget_pipe(self, worker: WorkerProcess) -> None:
        """The other end is closed: it would count as readable for ever."""
        if not worker.pipe_closed:
            worker.pipe_closed = True
            self._selector.unregister(worker.sock)

    def forget(self, worker: WorkerProcess) -> None:
        """The worker is dead."""
        self.forget_pipe(worker)
        if worker.pidfd is None:
            self._asked.remove(worker)
        else:
            self._selector.unregister(worker.pidfd)

    def wake(self) -> None:
        """Let `wait` return. For other threads; never blocks."""
        try:
            self._waker.send(b"x")
        except OSError:
            # Full of wake-ups already, or closed.
            return

    def wait(self, timeout_s: float) -> Happened:
        """Wait until something happens or the time is over; it may be over sooner."""
        happened = Happened([], [])
        if self._asked:
            timeout_s = min(timeout_s, _ASK_S)
        for key, mask in self._selector.select(max(0.0, timeout_s)):
            match key.data:
                case WorkerProcess() as worker:
                    if mask & _WRITE and worker.flush():
                        self._selector.modify(worker.sock, _READ, worker)
                    if mask & _READ:
                        happened.readable.append(worker)
                case _Death(worker):
                    happened.dead.append(worker)
                case _:
                    happened.woken = True
                    self._woken.recv(4096)
        happened.dead += [worker for worker in self._asked if worker.has_exited()]
        return happened

    def close(self) -> None:
        """End; `wake` does nothing from now on."""
        self._selector.close()
        self._woken.close()
        self._waker.close()
