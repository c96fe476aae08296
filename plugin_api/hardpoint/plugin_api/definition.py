"""The base that makes `AthenaQuery(...)` or a decorated function callable inside a workflow."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hardpoint.plugin_api.errors import UsageError
from hardpoint.plugin_api.task import Cache, Resources, Retry, Secret


class Options(msgspec.Struct, frozen=True):
    """What an author may set on a task and override at each use; fields as in `TaskSpec`."""

    resources: Resources = Resources()
    retry: Retry = Retry()
    cache: Cache | None = None
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    deadline_s: float | None = None
    interruptible: bool = False
    secrets: tuple[Secret, ...] = ()

    @classmethod
    def given(
        cls,
        *,
        resources: Resources | None = None,
        retry: Retry | None = None,
        cache: Cache | bool | None = None,
        timeout: timedelta | float | None = None,
        queue_timeout: timedelta | float | None = None,
        deadline: timedelta | float | None = None,
        interruptible: bool = False,
        secrets: Iterable[Secret | str] = (),
    ) -> Options:
        """The options in the forms that authors write them in, as for `@task`.

        Args:
            resources, retry: None for the defaults.
            cache: True for one with its defaults.
            timeout, queue_timeout, deadline: A `timedelta`, or seconds.
            interruptible: As it is.
            secrets: A plain text is the name of one.

        >>> options = Options.given(cache=True, timeout=timedelta(minutes=1), secrets=["token"])
        >>> options.cache == Cache(), options.timeout_s, options.secrets[0].name
        (True, 60.0, 'token')
        """
        return cls(
            resources=resources or Resources(),
            retry=retry or Retry(),
            cache=(Cache() if cache else None) if isinstance(cache, bool) else cache,
            timeout_s=_seconds(timeout),
            queue_timeout_s=_seconds(queue_timeout),
            deadline_s=_seconds(deadline),
            interruptible=interruptible,
            secrets=tuple(Secret(each) if isinstance(each, str) else each for each in secrets),
        )


def _seconds(limit: timedelta | float | None) -> float | None:
    return limit.total_seconds() if isinstance(limit, timedelta) else limit


class Parameter(msgspec.Struct, frozen=True):
    """One input as the author wrote it: a Python type hint, perhaps a default and a word of help."""

    hint: Any
    default: Any = msgspec.UNSET
    doc: str = ""

    @classmethod
    def given(cls, value: Any) -> Parameter:
        """A type hint as a parameter; a parameter as it is.

        >>> Parameter.given(int)
        Parameter(hint=<class 'int'>, default=UNSET, doc='')
        """
        return value if isinstance(value, Parameter) else cls(value)


class Position(msgspec.Struct, frozen=True):
    """A place in the author's source; shown in errors, never part of a digest."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Tracer(Protocol):
    """The workflow that is being built; core implements it."""

    def call(self, definition: TaskDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record one use of a task; return promises of its outputs."""


current_tracer: ContextVar[Tracer | None] = ContextVar("hardpoint_tracer", default=None)
"""Set by core while the body of a workflow runs, so that a call records a node instead of running."""


def caller_position(depth: int = 2) -> Position:
    """The line that called the function that calls this one, `depth` frames up."""
    frame = inspect.currentframe()
    for _ in range(depth):
        frame = frame.f_back if frame is not None else None
    if frame is None:
        return Position("<unknown>", 0)
    return Position(frame.f_code.co_filename, frame.f_lineno)


def defining_file(position: Position) -> Path:
    """The file that defines a task.

    Raises:
        UsageError: It was typed into an interpreter, where there is no project to take along.
    """
    file = Path(position.file)
    if not file.is_file():
        raise UsageError(
            f"A task was defined in `{position.file}`, which is not a file",
            hint="Define it in a Python file, so that the project it belongs to can be taken along",
        )
    return file.resolve()


class TaskDefinition:
    """One thing that a workflow can call; plugins subclass it, `@task` makes one.

    Args:
        name: Qualified name within `file`, such as `load` or `Report.render`.
        task_type: Which handler runs it.
        file: The source file that defines it, so that its project can be archived.
        inputs: By name, in order.
        outputs: Type hints by name, in order; empty for none.
        config: What the task type's schema describes; plain JSON.
        options: Resources, retries, cache and so on.
        version: Digest of what defines it, or what the author set by hand.
        files: Further project files it needs when it runs, such as a notebook.
        doc: First paragraph for help texts.
        position: Where it was defined.

    Example: `plugins/notebook` defines `NotebookTask` in about twenty lines.
    """

    def __init__(
        self,
        *,
        name: str,
        task_type: str,
        file: Path,
        inputs: Mapping[str, Parameter],
        outputs: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        options: Options | None = None,
        version: str = "",
        files: tuple[Path, ...] = (),
        doc: str = "",
        position: Position | None = None,
    ) -> None:
        self.name = name
        self.task_type = task_type
        self.file = file
        self.inputs = dict(inputs)
        self.outputs = dict(outputs)
        self.config = dict(config or {})
        self.options = options or Options()
        self.version = version
        self.files = files
        self.doc = doc
        self.position = position or caller_position(3)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside a workflow: record a node. Outside: run as plain Python, if that is possible."""
        tracer = current_tracer.get()
        if tracer is not None:
            return tracer.call(self, args, kwargs)
        return self.call_plain(*args, **kwargs)

    def call_plain(self, *args: Any, **kwargs: Any) -> Any:
        """Run in this process with real values; only Python functions can."""
        raise UsageError(
            f"Task `{self.name}` of type `{self.task_type}` runs through its plugin, not as a plain function",
            hint="Call it inside a @workflow and run that with `hardpoint run FILE WORKFLOW` "
            "or `hardpoint.executor.engine.run(workflow)`",
        )
