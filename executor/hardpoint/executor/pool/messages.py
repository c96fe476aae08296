"""What the engine and its worker processes say to each other, and how it is framed.

Every message is a msgspec Struct, encoded as a JSON array that begins with its tag and preceded by its
length in four bytes. JSON rather than msgpack because integers of any size cross this pipe.

    engine → worker             Hello, RegisterSpec, FunctionCall, Stop
    engine → worker, beside it  Recall, Stop
    worker → engine             Ready, Loaded, Returned, CallDone, CallFailed, CallProgress

What is sent beside the calls is read at once, also while user code runs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from hardpoint.plugin_api import ErrorInfo, Reference, TaskSpec, Wire

_HEADER = struct.Struct("!I")
HEADER_BYTES = _HEADER.size


class LogSpan(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The bytes an attempt wrote, in `<home>/logs/<worker>.out` and `.err`.

    Args:
        worker: Stem of the two files.
        out: Begin and end offset in the first.
        err: Begin and end offset in the second.
    """

    worker: str
    out: tuple[int, int]
    err: tuple[int, int]


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of everything that crosses the pipe; plain data, so without cycles for a collector to find."""


class Hello(Message, frozen=True, tag="hello"):
    """First message: what a worker needs to know about itself.

    Args:
        worker: Its name; stem of its log files and of its temporary folder.
        home: The executor's folder.
        store_url: Where values that travel by reference lie.
        code: Digest of the archive it serves; empty: none.
        engine_pid: When this is no longer its parent, nobody is left to work for.
        allow, deny: Patterns of distributions whose plugins it may, or may not, import.
    """

    worker: str
    home: str
    store_url: str
    code: str
    engine_pid: int
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()


class RegisterSpec(Message, frozen=True, tag="spec"):
    """Comes once, before the first call that names `key`."""

    key: str
    spec: TaskSpec


class FunctionCall(Message, frozen=True, tag="call"):
    """One attempt to run.

    Args:
        ticket: The engine's number for it, unique in a pool.
        execution, node, attempt: Which try of what.
        spec: Key under which the spec was registered.
        inputs: Wire values by input name.
    """

    ticket: int
    execution: str
    node: str
    attempt: int
    spec: str
    inputs: dict[str, Wire]


class Recall(Message, frozen=True, tag="recall"):
    """Give back those of these calls that have not started.

    Args:
        tickets: Of the calls.
        after: How many calls were sent before: read so many first, these are among them.
    """

    tickets: tuple[int, ...]
    after: int


class Stop(Message, frozen=True, tag="stop"):
    """Finish the call that runs, drop the others, exit."""


class Ready(Message, frozen=True, tag="ready"):
    """The worker is up: its first call starts now."""


class Loaded(Message, frozen=True, tag="loaded"):
    """The code of a spec is imported: the call that wanted it starts now."""

    key: str


class Returned(Message, frozen=True, tag="returned"):
    """Answer to `Recall`: these will not start here. May be none of them."""

    tickets: tuple[int, ...]


class CallDone(Message, frozen=True, tag="done"):
    """A call that succeeded.

    Args:
        ticket: Of the call.
        outputs: Wire values by output name.
        duration_s: From its start in the worker to its encoded result.
        log: Where its output lies; None: it wrote nothing.
        artifacts: Title and place of what the attempt attached.
    """

    ticket: int
    outputs: dict[str, Wire]
    duration_s: float
    log: LogSpan | None = None
    artifacts: tuple[tuple[str, Reference], ...] = ()


class CallFailed(Message, frozen=True, tag="failed"):
    """A call that did not succeed: it raised, was killed, or took its worker with it."""

    ticket: int
    error: ErrorInfo
    duration_s: float
    log: LogSpan | None = None
    artifacts: tuple[tuple[str, Reference], ...] = ()


class CallProgress(Message, frozen=True, tag="progress"):
    """A running call told how far it is."""

    ticket: int
    done: float
    total: float
    note: str = ""


class CallReturned(msgspec.Struct, frozen=True, gc=False):
    """Calls given back unstarted: their worker died, or they were cancelled while they waited."""

    tickets: tuple[int, ...]


PoolEvent: TypeAlias = CallDone | CallFailed | CallProgress | CallReturned
"""What `WorkerPool.wait` returns; `match` over it ends in `assert_never`."""

ToWorker: TypeAlias = Hello | RegisterSpec | FunctionCall | Recall | Stop
FromWorker: TypeAlias = Ready | Loaded | Returned | CallDone | CallFailed | CallProgress

to_worker_decoder: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
from_worker_decoder: msgspec.json.Decoder[FromWorker] = msgspec.json.Decoder(FromWorker)
_encoder = msgspec.json.Encoder()


def frame(message: ToWorker | FromWorker) -> bytes:
    """Encode a message with its length before it.

    >>> frame(Recall((7,), 9))
    b'\\x00\\x00\\x00\\x10["recall",[7],9]'
    """
    body = _encoder.encode(message)
    return _HEADER.pack(len(body)) + body


class FrameBuffer:
    """Cuts a stream of bytes into the frames it holds, however they arrive.

    >>> buffer = FrameBuffer()
    >>> data = frame(Stop()) + frame(Ready())
    >>> list(buffer.feed(data[:9])), list(buffer.feed(data[9:]))
    ([], [b'["stop"]', b'["ready"]'])
    """

    __slots__ = ("_chunks", "_held", "_wanted")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._held = 0
        self._wanted = _HEADER.size

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what arrived; yield the bodies of the frames it completes."""
        self._chunks.append(data)
        self._held += len(data)
        # A frame of many megabytes comes in hundreds of pieces: joining them before all are here
        # would copy it once for each piece.
        if self._held < self._wanted:
            return
        whole = b"".join(self._chunks)
        start = 0
        self._wanted = _HEADER.size
        while len(whole) - start >= _HEADER.size:
            (length,) = _HEADER.unpack_from(whole, start)
            end = start + _HEADER.size + length
            if end > len(whole):
                self._wanted = _HEADER.size + length
                break
            yield whole[start + _HEADER.size : end]
            start = end
        self._chunks = [whole[start:]]
        self._held = len(whole) - start
