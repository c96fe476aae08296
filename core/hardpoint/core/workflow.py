"""`@workflow`: a function whose body says which tasks run on what."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar, cast

import msgspec

from hardpoint.core.compile import Compilation, compile_traced
from hardpoint.core.compile_errors import CompileErrors, CycleError, Place
from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.face import Face
from hardpoint.core.frames import author_frame
from hardpoint.core.interpret import interpret
from hardpoint.core.project import real_path
from hardpoint.core.signature import function_position, read_signature, refusal, require_function
from hardpoint.core.trace import WorkflowTrace, trace
from hardpoint.core.traced import Authored, TracedWorkflow
from hardpoint.core.workflow_inputs import decode_outputs, encode_inputs, plain_inputs
from hardpoint.plugin_api import Interface, Store, TaskDefinition, Wire, current_tracer

P = ParamSpec("P")
R = TypeVar("R")

# One trace at a time in a process: a workflow that is being traced and met again calls itself.
_tracing = threading.RLock()


class Workflow(Generic[P, R]):
    """A workflow. Called outside another one, it runs in this process with real values.

    Args:
        fn: The body.
        authored: What its signature says.
    """

    def __init__(self, fn: Callable[P, R], authored: Authored) -> None:
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self.name = authored.name
        self.file: Path = authored.file
        self.doc = authored.doc
        self._authored = authored
        # What was traced is as large as what is compiled from it, so only plain calls keep it.
        self._traced: weakref.ref[TracedWorkflow] | None = None
        self._kept: TracedWorkflow | None = None
        self._compilation: Compilation | None = None
        self._in_trace = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Inside a workflow: record a sub-workflow. Outside: run it here, task by task, as plain Python.

        Raises:
            CompileErrors: The workflow does not compile.
            TypeError: The call does not fit the signature.
        """
        tracer = current_tracer.get()
        if tracer is None:
            inputs = plain_inputs(self.fn, args, kwargs)
            if self._kept is None:
                self._kept = self.traced()
            return cast(R, interpret(self._kept, inputs))
        assert isinstance(tracer, WorkflowTrace)
        return cast(R, tracer.record(self._for_caller(tracer), self._authored.face, args, kwargs))

    def _for_caller(self, tracer: WorkflowTrace) -> TracedWorkflow | None:
        if self._in_trace:
            text = f"Workflow `{self._authored.face.name}` calls itself"
            if tracer.name != self._authored.face.name:
                text += f", through `{tracer.name}`"
            hint = "A graph cannot repeat itself: put the repetition into a task"
            place = tracer.place()
            tracer.report(CycleError(text, Place(tracer.name, position=place.position), hint=hint))
            return None
        try:
            return self.traced()
        except CompileErrors as errors:
            tracer.adopt(errors)
            return None

    def traced(self) -> TracedWorkflow:
        """The body's nodes, found by running it once over promises.

        Raises:
            CompileErrors: Everything that is wrong with it.
        """
        with _tracing:
            known = self._traced() if self._traced else None
            if known is not None:
                return known
            self._in_trace = True
            try:
                traced = trace(self._authored)
            finally:
                self._in_trace = False
            self._traced = weakref.ref(traced)
            return traced

    def compile(self) -> CompiledWorkflow:
        """Check it and freeze it; done once.

        Raises:
            CompileErrors: Everything that is wrong with it.
        """
        return self._compiled().compiled

    def _compiled(self) -> Compilation:
        with _tracing:
            if self._compilation is None:
                self._compilation = compile_traced(self.traced())
            return self._compilation

    @property
    def definitions(self) -> dict[str, TaskDefinition]:
        """What its tasks were made from, by key in `CompiledWorkflow.tasks`; of sub-workflows too."""
        return self._compiled().definitions

    @property
    def interface(self) -> Interface:
        """Its typed inputs and outputs."""
        return self._authored.face.interface

    def encode_inputs(self, values: Mapping[str, Any], store: Store) -> dict[str, Wire]:
        """Encode real values for a run, defaults filled in.

        Args:
            values: By name of the input.
            store: Where files, tables and arrays are put.

        Raises:
            InputError: All that is wrong with them.
        """
        return encode_inputs(self._authored.face, values, store)

    def decode_outputs(self, wires: Mapping[str, Wire], store: Store) -> R:
        """The result of a run as the body's annotation says: a value, a NamedTuple, or None.

        Args:
            wires: By name of the output.
            store: Where files, tables and arrays are.
        """
        return cast(R, decode_outputs(self._authored, wires, store))

    def __repr__(self) -> str:
        return f"<workflow `{self.name}` of {self.file.name}>"


def workflow(fn: Callable[P, R], /) -> Workflow[P, R]:
    """Make a function a workflow: its body is run over promises, to see which tasks it calls on what.

    Args:
        fn: Its parameters are the inputs; what it returns are the outputs. All need type hints.

    Raises:
        DefinitionError: The function cannot be a workflow; the message says why.

    Example:
        ```python
        @workflow
        def pipeline(n: int = 10) -> float:
            data = load(n)
            return train(data)
        ```
    """
    function = require_function(fn, "Workflow")
    position = function_position(function)
    if not Path(position.file).is_file():
        raise refusal(
            function,
            f"Workflow `{function.__qualname__}` was typed at a prompt or made from text, "
            "so no worker can load its tasks",
            "Write it into a `.py` file and import it from there",
        )
    return Workflow(fn, _read(function))


def _read(function: FunctionType) -> Authored:
    # A workflow made inside a function may have hints that only exist there.
    around = author_frame().f_locals if "<locals>" in function.__qualname__ else {}
    signature = read_signature(function, "Workflow", around)
    short = function.__name__
    face = Face(short, "workflow", signature.inputs, signature.outputs, signature.positional)
    defaults = {
        key: each.default for key, each in signature.inputs.items() if each.default is not msgspec.UNSET
    }
    position = function_position(function)
    return Authored(
        name=function.__qualname__,
        file=real_path(position.file),
        fn=function,
        face=face,
        defaults=defaults,
        position=position,
        output_class=signature.output_class,
        doc=signature.doc,
    )


def compile_workflow(workflow: Workflow[..., Any]) -> CompiledWorkflow:
    """Check a workflow and freeze it, with its tasks and sub-workflows.

    Args:
        workflow: Made with `@workflow`.

    Returns:
        What can be stored, sent and run; equal for equal sources on every machine.

    Raises:
        CompileErrors: Everything that is wrong with it, each with the author's line and a hint.
    """
    return workflow.compile()
