"""`@task` and `@workflow`: what they accept, what they refuse, and how they run as plain Python."""

from __future__ import annotations

import enum
import inspect
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, TypedDict

import msgspec
import pytest

from hardpoint.core import Cache, Resources, Retry, Secret, Task, compile_workflow, task, workflow
from hardpoint.core.compile_errors import CompileErrors, DefinitionError
from hardpoint.core.face import NOTHING_STORED, face_of
from hardpoint.core.loading import load_module
from hardpoint.core.workflow_inputs import InputError
from hardpoint.plugin_api import Interface, Parameter, TaskDefinition, UsageError

HERE = Path(__file__).resolve()


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Metrics:
    accuracy: float
    rows: list[int]


class Row(TypedDict):
    items: int


class Parts(NamedTuple):
    small: int
    large: list[int]


@task
def double(x: int) -> int:
    """Double a number.

    More about it.

    Args:
        x: The number,
            any one.
    """
    return 2 * x


@task(
    retry=Retry(3),
    timeout=timedelta(minutes=2),
    queue_timeout=30,
    deadline=timedelta(hours=1),
    cache=True,
    interruptible=True,
)
def total(xs: Annotated[list[int], "What to add"], start: int = 0, *, sign: int = 1) -> int:
    return start + sign * sum(xs)


@task
def measure(n: int) -> Metrics:
    return Metrics(n / 10, list(range(n)))


@task
def split(n: int) -> Parts:
    return Parts(n, [n, n + 1])


@task
def rows(n: int) -> dict[str, Row]:
    return {"first": {"items": n}}


@task
def by_colour(n: int) -> dict[Colour, int]:
    return {Colour.RED: n, Colour.BLUE: -n}


@task
def wider(x: float | None) -> float | None:
    return x


log: list[str] = []


@task
def note(text: str) -> None:
    log.append(text)


@task
def fail(x: int) -> int:
    raise KeyError(x)


@task
def same(value: list[int]) -> list[int]:
    return value


class TestTask:
    def test_outside_a_workflow_it_is_the_function(self) -> None:
        assert double(4) == 8
        assert total([1, 2], sign=-1) == -3
        assert double.__name__ == "double"
        assert double.__doc__ is not None and double.__doc__.startswith("Double")
        assert str(inspect.signature(double)) == "(x: 'int') -> 'int'"
        assert repr(double) == "<task `double` of test_authoring.py>"

    def test_interface_comes_from_the_signature(self) -> None:
        face = face_of(total).interface
        assert str(face) == "(xs: list[int], start: int = 0, sign: int = 1) -> int"
        assert [each.doc for each in face.inputs] == ["What to add", "", ""]
        assert double.doc == "Double a number."
        assert face_of(double).interface.inputs[0].doc == "The number, any one."

    def test_outputs(self) -> None:
        assert str(face_of(split).interface) == "(n: int) -> (small: int, large: list[int])"
        assert str(face_of(note).interface) == "(text: str) -> None"
        assert str(face_of(pair).interface) == "() -> tuple[int, str]"

    def test_options(self) -> None:
        options = total.options
        assert options.retry == Retry(3)
        assert options.timeout_s == 120.0
        assert options.queue_timeout_s == 30.0
        assert options.deadline_s == 3600.0
        assert options.cache == Cache()
        assert options.interruptible

    def test_overrides_are_a_copy(self) -> None:
        changed = total.with_overrides(
            cache=False,
            resources=Resources(cpu=2),
            secrets=["key", Secret("token", env="TOKEN")],
            timeout=None,
            deadline=90,
        )
        assert changed.options.deadline_s == 90.0
        assert changed.options.cache is None
        assert changed.options.timeout_s is None
        assert changed.options.retry == Retry(3)
        assert changed.options.secrets == (Secret("key"), Secret("token", env="TOKEN"))
        assert total.options.cache == Cache()
        assert changed([1, 2]) == 3

    def test_other_task_types_run_the_same_function(self) -> None:
        assert in_pod.task_type == "pod"
        assert in_pod.config == {
            "file": "tests/core/test_authoring.py",
            "qualname": "in_pod",
            "image": "python:3.12",
            "gpus": 2,
        }
        assert in_pod(1) == 1


@task
def pair() -> tuple[int, str]:
    return 1, "a"


class Pod(msgspec.Struct, frozen=True):
    task_type: ClassVar[str] = "pod"
    image: str
    gpus: int = 0


@task(config=Pod("python:3.12", gpus=2))
def in_pod(x: int) -> int:
    return x


def refused(make: Any) -> str:
    with pytest.raises(UsageError) as caught:
        make()
    return str(caught.value)


def line_of(fn: Any) -> int:
    return int(fn.__code__.co_firstlineno)


class TestRefusals:
    def test_async(self) -> None:
        async def load(x: int) -> int:
            return x

        assert refused(lambda: task(load)) == (
            "Task `TestRefusals.test_async.<locals>.load` is an async function\n"
            f"  --> {HERE}:{line_of(load)}\n\n"
            "hint: Write `def`, and `asyncio.run(...)` inside it"
        )

    def test_generator(self) -> None:
        def load(x: int) -> Any:
            yield x

        assert refused(lambda: task(load)) == (
            "Task `TestRefusals.test_generator.<locals>.load` is a generator\n"
            f"  --> {HERE}:{line_of(load)}\n\n"
            "hint: Return a list instead of using `yield`"
        )

    def test_lambda(self) -> None:
        fn = lambda: 1  # noqa: E731
        assert refused(lambda: task(fn)) == (
            "A lambda cannot be a task: no worker can find it by name\n"
            f"  --> {HERE}:{line_of(fn)}\n\n"
            "hint: Write it with `def`"
        )

    def test_closure(self) -> None:
        factor = 3

        def scale(x: int) -> int:
            return factor * x

        assert refused(lambda: task(scale)) == (
            "Task `TestRefusals.test_closure.<locals>.scale` uses `factor` of the function around it, "
            "which no worker has\n"
            f"  --> {HERE}:{line_of(scale)}\n\n"
            "hint: Move it to the top level of its file and pass them as inputs"
        )

    def test_nested(self) -> None:
        def load(x: int) -> int:
            return x

        assert refused(lambda: task(load)) == (
            "Task `TestRefusals.test_nested.<locals>.load` is defined inside a function, "
            "where no worker can find it\n"
            f"  --> {HERE}:{line_of(load)}\n\n"
            "hint: Move it to the top level of its file"
        )

    def test_prompt(self) -> None:
        names: dict[str, Any] = {}
        exec("def load(x: int) -> int:\n    return x\n", names)
        assert refused(lambda: task(names["load"])) == (
            "Task `load` was typed at a prompt or made from text, so no worker can load it\n"
            "  --> <string>:1\n\n"
            "hint: Write it into a `.py` file and import it from there"
        )
        assert refused(lambda: workflow(names["load"])) == (
            "Workflow `load` was typed at a prompt or made from text, so no worker can load its tasks\n"
            "  --> <string>:1\n\n"
            "hint: Write it into a `.py` file and import it from there"
        )

    def test_versioned_by_hand_it_must_still_be_importable(self) -> None:
        def load(x: int) -> int:
            return x

        versioned = task(version="1")(load)

        @workflow
        def flow(x: int) -> int:
            return versioned(x)

        assert flow(3) == 3
        name = "TestRefusals.test_versioned_by_hand_it_must_still_be_importable.<locals>.load"
        assert refused(flow.compile) == (
            f"Task `{name}` cannot be imported as `{__name__}.{name}`, so no worker can find it\n"
            f"  --> {HERE}:{line_of(load)}\n\n"
            "hint: Write it at the top level of a module that workers can import, under its own name"
        )

    def test_star_parameters(self) -> None:
        assert refused(lambda: task(_stars)) == (
            "Parameter `*xs` of task `_stars` takes any number of values\n"
            f"  --> {HERE}:{line_of(_stars)}\n\n"
            "hint: Inputs are fixed: write `xs: list[...]` and pass one value"
        )

    def test_positional_only(self) -> None:
        assert refused(lambda: task(_positional)) == (
            "Parameter `x` of task `_positional` has no name for callers\n"
            f"  --> {HERE}:{line_of(_positional)}\n\n"
            "hint: Remove the `/` from its signature"
        )

    def test_missing_annotations(self) -> None:
        assert refused(lambda: task(_untyped)) == (
            "Parameter `x` of task `_untyped` has no type\n"
            f"  --> {HERE}:{line_of(_untyped)}\n\n"
            "hint: Annotate it, such as `x: int`"
        )
        assert refused(lambda: task(_no_return)) == (
            "Task `_no_return` does not say what it returns\n"
            f"  --> {HERE}:{line_of(_no_return)}\n\n"
            "hint: Annotate it, such as `-> float`; write `-> None` if it returns nothing"
        )

    def test_unknown_hint(self) -> None:
        assert refused(lambda: task(_undefined)) == (
            "A hint of task `_undefined` uses `DataFrame`, which is not defined there\n"
            f"  --> {HERE}:{line_of(_undefined)}\n\n"
            "hint: Import `DataFrame` at the top of the file, not under `if TYPE_CHECKING`, "
            "or define it above the function"
        )

    def test_no_function(self) -> None:
        assert refused(lambda: task(Metrics)) == (
            "`@task` stands on a `type`, not on a function\n\n"
            "hint: Decorate a function made with `def`; call other objects inside it"
        )

    def test_output_named_result(self) -> None:
        assert refused(lambda: task(_result)) == (
            "Task `_result` names its only output `result`, as an unnamed one is\n"
            f"  --> {HERE}:{line_of(_result)}\n\n"
            "hint: Rename the field of `Result`, or return its value alone"
        )

    def test_options(self) -> None:
        assert refused(lambda: task(retries=3)(_fine)) == (  # type: ignore[call-overload]
            "Task `_fine` has no option `retries`\n\nhint: Did you mean `retry`?"
        )
        assert refused(lambda: task(retry=3)(_fine)) == (  # type: ignore[call-overload]
            "Option `retry` of task `_fine` is `3`, not a `Retry`\n\nhint: Write `retry=Retry(3)`"
        )
        assert refused(lambda: task(timeout=-1)(_fine)) == (
            "Option `timeout` of task `_fine` is `-1`, which is no duration\n\n"
            "hint: Give seconds above 0, or a `datetime.timedelta`"
        )
        assert refused(lambda: task(cache=Cache(ignore=("verbos",)))(_fine)) == (
            "The cache of task `_fine` ignores `verbos`, which is no input\n"
            f"  --> {HERE}:{line_of(_fine)}\n\n"
            "hint: Did you mean `verbose`?"
        )

    def test_config(self) -> None:
        assert refused(lambda: task(config=Retry())(_fine)) == (
            "`config` of task `_fine` is a `Retry`, not a plugin's task config\n"
            f"  --> {HERE}:{line_of(_fine)}\n\n"
            "hint: Pass a config object of an installed plugin; it names its task type in `task_type`"
        )


def _fine(verbose: bool) -> None: ...


def _stars(*xs: int) -> int:
    return 1


def _positional(x: int, /) -> int:
    return x


def _untyped(x) -> int:  # type: ignore[no-untyped-def]
    return 1


def _no_return(x: int):  # type: ignore[no-untyped-def]
    return x


def _undefined(x: DataFrame) -> int:  # type: ignore[name-defined]  # noqa: F821
    return 1


class Result(NamedTuple):
    result: int


def _result() -> Result:
    return Result(1)


@workflow
def chain(n: int = 2) -> int:
    """Do much."""
    a, b = split(n)
    m = measure(a)
    some = rows(m.rows[-1])
    return total([a, b[1], some["first"]["items"], 100], start=double(n))


@workflow
def parts(n: int) -> Parts:
    inner = chain(n=n)
    return Parts(small=inner, large=[n, inner])


@workflow
def whole(n: int) -> Parts:
    return split(n)


@workflow
def nothing(text: str) -> None:
    note(text)


@workflow
def ordered() -> int:
    first, second = note("second"), note("first")
    second >> first  # type: ignore[operator]
    result = double(1)
    [first, second] >> result  # type: ignore[operator]
    return result


@workflow
def colours(n: int) -> int:
    return double(by_colour(n)[Colour.BLUE])


@workflow
def failing(n: int) -> int:
    return fail(n)


@workflow
def passed(values: list[int]) -> list[int]:
    return same(values)


class TestPlainCall:
    def test_it_runs_the_functions(self) -> None:
        assert chain() == 2 + 3 + 1 + 100 + 4
        assert chain(3) == chain(n=3) == 3 + 4 + 2 + 100 + 6

    def test_named_outputs_are_the_class(self) -> None:
        assert parts(2) == Parts(small=110, large=[2, 110])
        assert whole(2) == Parts(2, [2, 3])

    def test_no_outputs_and_order(self) -> None:
        log.clear()
        nothing("hello")
        assert ordered() == 2
        assert log == ["hello", "first", "second"]

    def test_exceptions_are_not_wrapped(self) -> None:
        with pytest.raises(KeyError, match="7"):
            failing(7)

    def test_values_are_passed_as_they_are(self) -> None:
        values = [1, 2]
        assert passed(values) is values

    def test_keys_of_dicts(self) -> None:
        assert colours(4) == -8

    def test_wrong_arguments_are_a_type_error(self) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'm'"):
            chain(m=3)  # type: ignore[call-arg]

    def test_tasks_of_plugins_say_that_they_need_their_plugin(self) -> None:
        with pytest.raises(UsageError, match="runs through its plugin, not as a plain function"):
            with_plugin(2)

    def test_threads_trace_apart(self) -> None:
        @workflow
        def fresh(n: int) -> int:
            return double(n)

        found: list[int] = []
        threads = [threading.Thread(target=lambda n=n: found.append(fresh(n))) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [0, 2, 4, 6, 8, 10, 12, 14]


query = TaskDefinition(
    name="query",
    task_type="sql",
    file=HERE,
    inputs={"n": Parameter(int, default=1)},
    outputs={"rows": int, "table": str},
    config={"sql": "select 1"},
    version="v1",
)


@workflow
def with_plugin(n: int) -> int:
    return double(query(n).rows)


class TestFaces:
    def test_plugin_definitions_compile(self) -> None:
        compiled = compile_workflow(with_plugin)
        spec = compiled.tasks["tests/core/test_authoring.py:query"]
        assert (spec.type, spec.config, spec.version) == ("sql", {"sql": "select 1"}, "v1")
        assert str(spec.interface) == "(n: int = 1) -> (rows: int, table: str)"

    def test_definitions_by_key(self) -> None:
        assert chain.definitions["tests/core/test_authoring.py:double"] is double
        assert set(parts.definitions) == {
            f"tests/core/test_authoring.py:{name}" for name in ("split", "measure", "rows", "total", "double")
        }

    def test_workflow_interface(self) -> None:
        assert chain.interface == Interface(chain.interface.inputs, chain.interface.outputs)
        assert str(chain.interface) == "(n: int = 2) -> int"
        assert chain.doc == "Do much."
        assert chain.file == HERE
        assert repr(chain) == "<workflow `chain` of test_authoring.py>"


class TestInputsAndOutputs:
    def test_encode_fills_defaults(self) -> None:
        assert chain.encode_inputs({}, NOTHING_STORED) == {"n": 2}
        assert chain.encode_inputs({"n": 5}, NOTHING_STORED) == {"n": 5}

    def test_all_problems_at_once(self) -> None:
        @workflow
        def flow(epochs: int, rate: float, data: str = "x") -> float:
            return rate

        with pytest.raises(InputError) as caught:
            flow.encode_inputs({"ephocs": 3, "rate": "fast", "zzz": 1}, NOTHING_STORED)
        assert str(caught.value) == (
            "Workflow `flow` cannot start with these inputs\n"
            "  - `ephocs` is no input of it. Did you mean `epochs`?\n"
            "  - `zzz` is no input of it\n"
            "  - `epochs`, a `int`, is missing\n"
            "  - `rate`: Expected `float`, got str 'fast'\n"
            "\n"
            "hint: It is `flow(epochs: int, rate: float, data: str = 'x') -> float`"
        )

    def test_decode(self) -> None:
        assert chain.decode_outputs({"result": 3}, NOTHING_STORED) == 3
        assert parts.decode_outputs({"small": 1, "large": [2]}, NOTHING_STORED) == Parts(1, [2])
        nothing.decode_outputs({}, NOTHING_STORED)


class TestConstants:
    def test_what_travels_by_reference_cannot_be_written_into_a_workflow(self, tmp_path: Path) -> None:
        file = tmp_path / "flow.py"
        file.write_text(
            "from hardpoint.core import File, task, workflow\n"
            "@task\ndef read(file: File) -> int: ...\n"
            "@workflow\ndef flow() -> int:\n    return read(File(__file__))\n"
        )
        with pytest.raises(CompileErrors) as caught:
            load_module(file).flow.compile()
        assert str(caught.value) == (
            "Input `file` of node `read` in workflow `flow` wants `File`: A file, folder, table, array or "
            "pickled object cannot be written into a workflow\n"
            f"  --> {file}:6\n\n"
            "hint: Make it an input of the workflow, or create it in a task"
        )


def test_task_class_is_generic() -> None:
    assert isinstance(double, Task)
    assert issubclass(DefinitionError, UsageError)
