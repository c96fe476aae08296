"""A worker process: runs function tasks one after the other, for the engine that started it."""

from __future__ import annotations

import atexit
import faulthandler
import os
import socket
import sys
import time
from pathlib import Path

import msgspec

from hardpoint.core.store import BlobStore
from hardpoint.executor.archive.unpack import read_manifest, unpack
from hardpoint.executor.pool.kept import FOLDER as KEPT_FOLDER
from hardpoint.executor.pool.kept import ResultKeeper
from hardpoint.executor.pool.messages import CallDone, CallFailed, FunctionCall, Hello, Loaded, Ready, frame
from hardpoint.executor.secret_sources import ask_sources
from hardpoint.executor.secrets import Asked
from hardpoint.executor.worker.code import CodeSpace
from hardpoint.executor.worker.connection import EngineConnection
from hardpoint.executor.worker.context import WorkerContext
from hardpoint.executor.worker.errors import error_info, memory_exceeded
from hardpoint.executor.worker.functions import Installed, LoadedTask, load_task
from hardpoint.executor.worker.limits import Surroundings, environment, mark_in_use, memory_limit
from hardpoint.executor.worker.logs import WorkerLogs
from hardpoint.plugin_api import ContractViolation, ErrorInfo, Outputs, TaskSpec


class Worker:
    """Runs calls until the engine has no more, and survives whatever user code raises.

    Args:
        connection: To the engine.
        hello: What it said first.
    """

    def __init__(self, connection: EngineConnection, hello: Hello) -> None:
        home = Path(hello.home)
        self._pid = os.getpid()
        self._engine = connection
        self._logs = WorkerLogs(home / "logs", hello.worker)
        self._folder = home / "tmp" / hello.worker
        self._in_use = mark_in_use(self._folder)
        self._kept = ResultKeeper(home / KEPT_FOLDER / hello.worker)
        self._store = BlobStore(hello.store_url)
        self._home = home
        self._digest = hello.code
        self._code_dir = home / "code" / hello.code if hello.code else self._folder
        self._code: CodeSpace | None = None
        self._tasks: dict[str, LoadedTask] = {}
        self._surroundings = Surroundings(self._folder)
        self._installed = Installed(hello.allow, hello.deny)

    def run(self) -> None:
        """Run calls until the engine says stop."""
        self._engine.send(Ready())
        while (call := self._engine.next_call()) is not None:
            reply = self._attempt(call)
            if os.getpid() != self._pid:
                # User code forked, and the child came back here: it must not answer in its parent's name.
                os._exit(0)
            self._kept.keep(call, reply)
            self._engine.send_frame(reply)

    def _attempt(self, call: FunctionCall) -> bytes:
        began_s = time.monotonic()
        context: WorkerContext | None = None
        try:
            task = self._tasks.get(call.spec) or self._load(call.spec)
            spec = self._engine.spec(call.spec)
            context = WorkerContext(
                spec, call, self._store, self._code_dir, self._folder, self._engine.send, self._ask
            )
            began_s = time.monotonic()
            outputs = self._run(task, context, call)
            done = CallDone(
                call.ticket,
                dict(outputs),
                time.monotonic() - began_s,
                self._logs.span(),
                tuple(context.artifacts),
            )
            return self._encoded(done, spec)
        except BaseException as error:
            info = self._describe(error, context, call)
            artifacts = tuple(context.artifacts) if context is not None else ()
            took_s = time.monotonic() - began_s
            return frame(CallFailed(call.ticket, info, took_s, self._logs.span(), artifacts))
        finally:
            if context is not None:
                context.close()
            self._surroundings.restore()

    def _ask(self, secret: str) -> Asked:
        return ask_sources(self._installed.registry, secret)

    def _run(self, task: LoadedTask, context: WorkerContext, call: FunctionCall) -> Outputs:
        spec = context.spec
        if not spec.secrets and spec.resources.memory_bytes is None:
            return task.run(context, call.inputs)
        with environment(context.variables()), memory_limit(spec.resources.memory_bytes):
            return task.run(context, call.inputs)

    def _load(self, key: str) -> LoadedTask:
        if self._code is None:
            manifest = None
            if self._digest:
                manifest = read_manifest(unpack(self._digest, self._home))
            self._code = CodeSpace(self._code_dir, manifest)
            self._surroundings.keep()
        task = load_task(self._engine.spec(key), self._code, self._installed)
        self._tasks[key] = task
        # What a module sets when it is imported holds for every attempt, not only for the first.
        self._surroundings.keep()
        self._engine.send(Loaded(key))
        return task

    def _encoded(self, done: CallDone, spec: TaskSpec) -> bytes:
        try:
            return frame(done)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise ContractViolation(
                f"Task `{spec.name}` of type `{spec.type}` returned outputs that are not plain JSON: {error}",
                hint="A handler returns wire values: encode others with `context.values.encode(type, value)`",
            ) from None

    def _describe(self, error: BaseException, context: WorkerContext | None, call: FunctionCall) -> ErrorInfo:
        mask = context.secrets.mask if context is not None else str
        info = error_info(error, code_dir=self._code_dir if self._digest else None, mask=mask)
        if isinstance(error, MemoryError) and context is not None:
            limit_bytes = context.spec.resources.memory_bytes
            if limit_bytes is not None:
                return memory_exceeded(info, limit_bytes, call.node)
        return info


def main(descriptor: int, control: int) -> None:
    """Serve the engine at the other end of two sockets, then exit."""
    # User code's child programs must not hold the connection open after this process is gone.
    os.set_inheritable(descriptor, False)
    os.set_inheritable(control, False)
    # A crash in C code then tells the Python line it happened in; on stderr, which the pool quotes.
    faulthandler.enable(all_threads=False)
    connection = EngineConnection(socket.socket(fileno=descriptor), socket.socket(fileno=control))
    hello = connection.hello()
    connection.start_reading(hello.engine_pid)
    worker = Worker(connection, hello)
    worker.run()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the interpreter's own ending, which waits for threads that user code left running.
    os._exit(0)
