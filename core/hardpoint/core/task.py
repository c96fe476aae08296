"""`@task`: a Python function as a node of workflows."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

import msgspec

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.core.face import face_of
from hardpoint.core.options import Overrides, with_overrides
from hardpoint.core.project import place_in_project, project_root, real_path
from hardpoint.core.signature import Signature, function_position, read_signature, refusal, require_function
from hardpoint.plugin_api import Cache, Options, Resources, Retry, Secret, TaskDefinition, current_tracer

P = ParamSpec("P")
R = TypeVar("R")

PYTHON = "python"
"""Task type of functions that run in worker processes of the executor."""

_IDENTITY_FIELDS = {"file", "module", "qualname"}


class Task(TaskDefinition, Generic[P, R]):
    """A function that runs as a node. Called outside a workflow, it is that function.

    Args:
        fn: What the author decorated.
        signature: Its inputs and outputs.
        options: Resources, retries, cache and so on.
        task_type: Which handler runs it.
        version: Set by hand; empty: the source decides.
        fields: Of the config object of another task type, as plain JSON.
    """

    fn: Callable[P, R]
    __name__: str
    __qualname__: str

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        signature: Signature,
        options: Options,
        task_type: str = PYTHON,
        version: str = "",
        fields: dict[str, Any] | None = None,
    ) -> None:
        position = function_position(fn)
        file = real_path(position.file)
        place = place_in_project(file, project_root(file))
        qualname: str = fn.__qualname__
        super().__init__(
            name=qualname,
            task_type=task_type,
            file=file,
            inputs=signature.inputs,
            outputs=signature.outputs,
            config={"file": place, "qualname": qualname, **(fields or {})},
            options=options,
            version=version,
            doc=signature.doc,
            position=position,
        )
        # `updated=()`: attributes of the function must not replace the task's own.
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self.positional = signature.positional
        self.output_class = signature.output_class
        self.node_name: str | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Inside a workflow: record a node and return promises. Outside: call the function."""
        tracer = current_tracer.get()
        if tracer is not None:
            return cast(R, tracer.call(self, args, kwargs))
        return self.fn(*args, **kwargs)

    def call_plain(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.fn(*args, **kwargs)

    def with_overrides(
        self,
        *,
        name: str | None = None,
        retry: Retry | msgspec.UnsetType = msgspec.UNSET,
        cache: Cache | bool | None | msgspec.UnsetType = msgspec.UNSET,
        timeout: timedelta | float | None | msgspec.UnsetType = msgspec.UNSET,
        queue_timeout: timedelta | float | None | msgspec.UnsetType = msgspec.UNSET,
        deadline: timedelta | float | None | msgspec.UnsetType = msgspec.UNSET,
        resources: Resources | msgspec.UnsetType = msgspec.UNSET,
        secrets: Iterable[Secret | str] | msgspec.UnsetType = msgspec.UNSET,
        interruptible: bool | msgspec.UnsetType = msgspec.UNSET,
    ) -> Task[P, R]:
        """Return a copy with other options, to be called in a workflow.

        Args:
            name: Id of the node that a call makes.
            retry, cache, timeout, queue_timeout, deadline, resources, secrets, interruptible: As in
                `@task`; what is left out stays as it is.

        Example:
            `train.with_overrides(retry=Retry(3))(x=1)`
        """
        given = {
            "retry": retry,
            "cache": cache,
            "timeout": timeout,
            "queue_timeout": queue_timeout,
            "deadline": deadline,
            "resources": resources,
            "secrets": secrets,
            "interruptible": interruptible,
        }
        overrides = {key: value for key, value in given.items() if value is not msgspec.UNSET}
        face_of(self)  # made before the copy, so that copies share it
        changed = copy.copy(self)
        changed.options = with_overrides(self.options, cast(Overrides, overrides), f"Task `{self.name}`")
        changed.node_name = name or self.node_name
        return changed

    def __repr__(self) -> str:
        return f"<task `{self.name}` of {self.file.name}>"


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    *,
    retry: Retry = ...,
    cache: Cache | bool | None = ...,
    timeout: timedelta | float | None = ...,
    queue_timeout: timedelta | float | None = ...,
    deadline: timedelta | float | None = ...,
    resources: Resources = ...,
    secrets: Iterable[Secret | str] = ...,
    interruptible: bool = ...,
    version: str = ...,
    config: msgspec.Struct | None = ...,
    type: str = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    version: str = "",
    config: msgspec.Struct | None = None,
    type: str = "",
    **options: Any,
) -> Any:
    """Make a function a task: a node of workflows, run in a worker process of its own.

    Every parameter and the result need a type hint. A NamedTuple as result names several outputs.

    Args:
        fn: The function, when the decorator is written without brackets.
        retry: Budget of the function's own errors, `Retry(3)`. Default: one attempt.
        cache: `True` or `Cache(...)`: reuse outputs of equal inputs. Default: every attempt runs.
        timeout: Longest one attempt may run: seconds, or a `timedelta`.
        queue_timeout: Longest the node may wait for its first start: seconds, or a `timedelta`.
        deadline: Longest from when the node could first start to its end, with all attempts and waits.
        resources: What one attempt needs, `Resources(cpu=2, memory_bytes=4 << 30)`.
        secrets: What the attempt may read: `Secret("name", env="NAME")`, or just names.
        interruptible: May run on capacity that is taken away.
        version: Set by hand, it replaces the digest of the source.
        config: Runs the same function elsewhere: a config object of the plugin that does.
        type: The same for task types without a config.

    Returns:
        A `Task`; outside workflows it is called like the function.

    Raises:
        DefinitionError: The function cannot be a task; the message says why.
        UsageError: An option does not exist or does not fit.

    Example:
        ```python
        @task(retry=Retry(3), timeout=60)
        def train(data: pd.DataFrame, epochs: int = 10) -> float: ...
        ```
    """

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        return _make_task(function, version=version, config=config, type=type, options=options)

    return decorate if fn is None else decorate(fn)


def _make_task(
    fn: Callable[..., Any], *, version: str, config: msgspec.Struct | None, type: str, options: dict[str, Any]
) -> Task[..., Any]:
    function = require_function(fn, "Task")
    if not version:
        _check_source(function)
    signature = read_signature(function, "Task")
    made = with_overrides(Options(), cast(Overrides, options), f"Task `{function.__qualname__}`")
    for name in made.cache.ignore if made.cache else ():
        if name not in signature.inputs:
            raise refusal(
                function,
                f"The cache of task `{function.__qualname__}` ignores `{name}`, which is no input",
                did_you_mean(name, signature.inputs, f"Its inputs are {listed(signature.inputs)}"),
            )
    task_type, fields = _config(function, config, type)
    return Task(
        function, signature=signature, options=made, task_type=task_type, version=version, fields=fields
    )


def _check_source(fn: FunctionType) -> None:
    """Refuse functions that another process could not load, or whose source cannot be versioned."""
    inner = inspect.unwrap(fn)
    name = fn.__qualname__
    if not Path(inner.__code__.co_filename).is_file():
        raise refusal(
            fn,
            f"Task `{name}` was typed at a prompt or made from text, so no worker can load it",
            "Write it into a `.py` file and import it from there",
        )
    if inner.__name__ == "<lambda>":
        raise refusal(fn, "A lambda cannot be a task: no worker can find it by name", "Write it with `def`")
    if inner.__code__.co_freevars:
        captured = listed(inner.__code__.co_freevars)
        raise refusal(
            fn,
            f"Task `{name}` uses {captured} of the function around it, which no worker has",
            "Move it to the top level of its file and pass them as inputs",
        )
    if "<locals>" in name:
        raise refusal(
            fn,
            f"Task `{name}` is defined inside a function, where no worker can find it",
            "Move it to the top level of its file",
        )


def _config(fn: FunctionType, config: msgspec.Struct | None, type: str) -> tuple[str, dict[str, Any]]:
    if config is None:
        return type or PYTHON, {}
    task_type = getattr(config, "task_type", None)
    if not isinstance(config, msgspec.Struct) or not isinstance(task_type, str):
        raise refusal(
            fn,
            f"`config` of task `{fn.__qualname__}` is a `{config.__class__.__name__}`, "
            "not a plugin's task config",
            "Pass a config object of an installed plugin; it names its task type in `task_type`",
        )
    if type and type != task_type:
        raise refusal(
            fn,
            f"Task `{fn.__qualname__}` has type `{type}`, but a config of type `{task_type}`",
            "Leave out `type`",
        )
    fields: dict[str, Any] = msgspec.to_builtins(config)
    reserved = _IDENTITY_FIELDS & fields.keys()
    if reserved:
        raise refusal(
            fn,
            f"The config `{config.__class__.__name__}` of task `{fn.__qualname__}` has a field "
            f"{listed(sorted(reserved))}, which says where the function is",
            "The plugin's author must rename that field",
        )
    return task_type, fields
