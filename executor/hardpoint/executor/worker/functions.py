"""How a worker runs each kind of function task: a Python function by its hints, others by their handler."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from hardpoint.core.map_call import MapTask
from hardpoint.core.types import Codec, codec_for
from hardpoint.executor.worker.code import CodeSpace
from hardpoint.plugin_api import (
    SINGLE_OUTPUT,
    FunctionContext,
    HardpointError,
    Inputs,
    Outputs,
    TaskDefinition,
    TaskSpec,
    UserError,
    Variable,
)
from hardpoint.plugin_api.literal_rules import convert

if TYPE_CHECKING:
    from hardpoint.registry import Registry

PYTHON = "python"
"""The task type of `@task` functions; every other one belongs to a plugin."""


class LoadedTask(Protocol):
    """A spec whose code is imported, ready for any number of attempts."""

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """One attempt."""


class Installed:
    """The plugins that are installed, found when the first task needs one.

    Args:
        allow, deny: See `Permits`.
    """

    def __init__(self, allow: tuple[str, ...], deny: tuple[str, ...]) -> None:
        self._allow, self._deny = allow, deny

    @functools.cached_property
    def registry(self) -> Registry:
        """Where their handlers are found."""
        # Imported here: workers that run Python functions only, which is most of them, do without plugins.
        from hardpoint.registry import Permits, Remembering, is_safe_mode, load_registry
        from hardpoint.registry.verdicts import Verdicts, cache_folder

        permits = Permits(self._allow, self._deny, is_safe_mode(os.environ))
        return load_registry(permits=permits, examiner=Remembering(Verdicts(cache_folder())))


def load_task(spec: TaskSpec, code: CodeSpace, installed: Installed) -> LoadedTask:
    """Import what a spec names.

    Raises:
        HardpointError: There is no such function or handler.
        BaseException: Whatever the author's module raises when it is imported.
    """
    if spec.type == PYTHON:
        return PythonTask(spec, code.find(spec.config))
    return HandlerTask(spec.type, installed.registry)


class PythonTask:
    """Decodes inputs, calls the function, encodes what it returns; codecs come from its hints.

    Args:
        spec: The task.
        found: The function, or the task object around it.
    """

    def __init__(self, spec: TaskSpec, found: Any) -> None:
        if isinstance(found, MapTask):
            found = found.definition
        if isinstance(found, TaskDefinition):
            inputs = {name: parameter.hint for name, parameter in found.inputs.items()}
            outputs: Mapping[str, Any] = found.outputs
            self._fn: Callable[..., Any] = found.fn  # type: ignore[attr-defined]
        else:
            self._fn, inputs, outputs = _plain(spec, found)
        self._name = spec.name
        face = spec.interface
        self._inputs = {name: aligned(codec_for(hint), face.input(name)) for name, hint in inputs.items()}
        self._outputs = {name: aligned(codec_for(hint), face.output(name)) for name, hint in outputs.items()}
        self._single = self._outputs.get(SINGLE_OUTPUT) if len(self._outputs) == 1 else None

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """See `LoadedTask`."""
        store = context.store
        codecs = self._inputs
        value = self._fn(**{name: codecs[name].decode(wire, store) for name, wire in inputs.items()})
        if self._single is not None:
            return {SINGLE_OUTPUT: self._encoded(SINGLE_OUTPUT, self._single, value, context)}
        if not self._outputs:
            return {}
        return self._several(value, context)

    def _several(self, value: Any, context: FunctionContext) -> Outputs:
        if not isinstance(value, tuple) or len(value) != len(self._outputs):
            names = ", ".join(f"`{name}`" for name in self._outputs)
            raise UserError(
                f"Task `{self._name}` returned `{_brief(value)}`, not a tuple of {names}",
                hint="Return the NamedTuple of its return annotation",
            )
        pairs = zip(self._outputs.items(), value, strict=True)
        return {name: self._encoded(name, codec, each, context) for (name, codec), each in pairs}

    def _encoded(self, name: str, codec: Codec, value: Any, context: FunctionContext) -> Any:
        try:
            return codec.encode(value, context.store)
        except HardpointError as error:
            which = "Its result" if name == SINGLE_OUTPUT else f"Its output `{name}`"
            error.message = f"{which} does not fit `{codec.type}`: {error.message}"
            raise


def aligned(codec: Codec, variable: Variable | None) -> Codec:
    """A codec that speaks the type which the workflow was compiled with.

    The same hint need not give the same type in two processes: `typing` may hand out an earlier
    `List[Union[str, int]]` for `List[Union[int, str]]`, and then the index of a variant means another one.

    >>> from typing import Union
    >>> from hardpoint.core.store import BlobStore
    >>> compiled = codec_for(Union[bool, int]).type
    >>> here = aligned(codec_for(Union[int, bool]), Variable("x", compiled))
    >>> store = BlobStore("unused")
    >>> wire = here.encode(7, store)
    >>> wire == codec_for(Union[bool, int]).encode(7, store), here.decode(wire, store)
    (True, 7)
    """
    if variable is None or variable.type == codec.type:
        return codec
    mine, theirs = codec.type, variable.type
    return replace(
        codec,
        type=theirs,
        encode=lambda value, store: convert(codec.encode(value, store), mine, theirs),
        decode=lambda wire, store: codec.decode(convert(wire, theirs, mine), store),
    )


class HandlerTask:
    """Hands an attempt to a plugin's function handler.

    Args:
        type: The task type.
        registry: Where its handler is found.
    """

    def __init__(self, type: str, registry: Registry) -> None:
        self._type = type
        self._registry = registry
        registry.handler(type)

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """See `LoadedTask`."""
        return self._registry.run_function(self._type, context, inputs)


def _plain(spec: TaskSpec, found: Any) -> tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]:
    from hardpoint.core.signature import read_signature

    if not isinstance(found, FunctionType):
        raise UserError(
            f"Task `{spec.name}` is a `{type(found).__name__}` in a worker, not a function",
            hint="Define it with `def` and `@task`, and do not assign something else to its name",
        )
    signature = read_signature(found, "Task")
    return found, {name: each.hint for name, each in signature.inputs.items()}, signature.outputs


def _brief(value: Any, max_chars: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= max_chars else f"{text[:max_chars]}…"
