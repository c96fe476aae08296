"""What a call is told when its worker was killed or died under it."""

from __future__ import annotations

import signal
from pathlib import Path

from hardpoint.executor.pool.messages import FunctionCall, LogSpan
from hardpoint.executor.pool.process import WorkerProcess
from hardpoint.executor.secrets import SecretValues
from hardpoint.plugin_api import ErrorInfo, ErrorKind, HardpointError, TaskSpec

_TAIL_LINES = 15
_TAIL_BYTES = 4_000
_OWN_FOLDER = str(Path(__file__).parent)


def timed_out(call: FunctionCall, timeout_s: float) -> ErrorInfo:
    """The error of a call that ran longer than its author allowed."""
    return ErrorInfo(
        code="TimeoutExpired",
        message=f"Node `{call.node}` ran longer than its timeout of {timeout_s:g} s and was killed",
        kind=ErrorKind.USER,
        hint=f"Raise `timeout=` of its task above {timeout_s:g} seconds, or let it do less",
    )


def cancelled(call: FunctionCall, reason: str) -> ErrorInfo:
    """The error of a call that was running when it was cancelled."""
    return ErrorInfo(
        code="Cancelled",
        message=f"Node `{call.node}` was killed: {reason}",
        kind=ErrorKind.USER,
    )


def verdict(worker: WorkerProcess, head: FunctionCall, spec: TaskSpec, exit_code: int) -> ErrorInfo | None:
    """What the first call in line of a dead worker is told.

    Returns:
        None: it was not its fault, and it may not have started.
    """
    reason = worker.kill_reason
    if reason is not None:
        return reason.error if reason.ticket == head.ticket else None
    if worker.stopping and exit_code == 0:
        return None
    stderr = stderr_tail(worker.home, worker.log_since_last_reply(), spec)
    return worker_died(head, spec, exit_code, was_ready=worker.ready, stderr=stderr)


def worker_died(
    call: FunctionCall, spec: TaskSpec, exit_code: int, *, was_ready: bool, stderr: str
) -> ErrorInfo:
    """The error of a call whose worker process ended before it answered.

    Args:
        call: The one that ran.
        spec: Its task.
        exit_code: As `subprocess` tells it: negative for a signal.
        was_ready: Whether the worker ever came up; if not, no user code ran.
        stderr: The last lines it wrote, or nothing.
    """
    how = _how(exit_code)
    if was_ready:
        message = f"Node `{call.node}` took its worker process with it, which {how}"
    else:
        message = f"The worker process for node `{call.node}` {how} before it was ready"
    if stderr:
        message += f"; its last lines on stderr:\n{stderr}"
    kind, hint = _kind_and_hint(exit_code, spec, was_ready=was_ready)
    return ErrorInfo(code="WorkerDied", message=message, kind=kind, hint=hint)


def stderr_tail(home: Path, span: LogSpan | None, spec: TaskSpec) -> str:
    """The last lines a dead worker wrote to stderr for one call, without the task's secrets."""
    if span is None or span.err[0] == span.err[1]:
        return ""
    begin, end = max(span.err[0], span.err[1] - _TAIL_BYTES), span.err[1]
    try:
        with (home / "logs" / f"{span.worker}.err").open("rb") as file:
            file.seek(begin)
            text = file.read(end - begin).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [
        line for line in text.rstrip().splitlines() if _OWN_FOLDER not in line and "<frozen " not in line
    ]
    return _masked("\n".join(lines[-_TAIL_LINES:]), spec)


def _masked(text: str, spec: TaskSpec) -> str:
    secrets = SecretValues()
    for secret in spec.secrets:
        try:
            secrets.get(secret.name)
        except HardpointError:
            # A plugin may know it, but asking would hold up every other call of this engine.
            return f"(not shown: they may hold secret `{secret.name}`, which is in no variable and no file)"
    return secrets.mask(text)


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exited with code {exit_code}"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"


def _kind_and_hint(exit_code: int, spec: TaskSpec, *, was_ready: bool) -> tuple[ErrorKind, str]:
    if exit_code == -signal.SIGKILL:
        return ErrorKind.TRANSIENT, (
            "Nobody but the system kills with SIGKILL, mostly for want of memory: "
            "run fewer attempts at once, or let the task hold less"
        )
    if not was_ready:
        return (
            ErrorKind.SYSTEM,
            "Run `python -P -m hardpoint.executor.worker` by hand to see what is wrong",
        )
    if spec.resources.memory_bytes is not None:
        return ErrorKind.USER, (
            "Libraries written in C often crash at a memory limit: "
            "raise `memory_bytes` in the task's `resources=Resources(...)`"
        )
    if exit_code >= 0:
        return ErrorKind.USER, "Return from the task, or raise an exception, instead of ending the process"
    return (
        ErrorKind.USER,
        "A library written in C crashed: run the task's function alone, with the same inputs",
    )
