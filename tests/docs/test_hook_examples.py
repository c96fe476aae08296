"""Examples of `docs/reference/hooks.md` fit the specs of their hooks, and do what their words say.

What an example takes from a plugin of its own, such as `client`, is given to it here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pluggy
import pytest
from tests.docs.code_blocks import blocks_of
from tools.reference_pages.hooks import hooks_page

from hardpoint import plugin_api
from hardpoint.executor.journal.events import Ended
from hardpoint.plugin_api import (
    PROJECT_NAME,
    AdmissionRequest,
    Candidate,
    CliCommand,
    EventSink,
    Finding,
    Importer,
    Interface,
    JobRef,
    JournaledEvent,
    LiteralCodec,
    LogLink,
    NoConfig,
    Phase,
    RateLimit,
    Refusal,
    ResourcePool,
    Resources,
    Severity,
    Shape,
    SimpleKind,
    SimpleType,
    Status,
    TaskSpec,
    TaskType,
    UserError,
    hookspecs,
)

HOOKS = [name for name, each in vars(hookspecs).items() if hasattr(each, f"{PROJECT_NAME}_spec")]
REQUEST = AdmissionRequest("flow.py:etl", "d1", "ads", "production", {}, ("spark",), 3)
SPEC = TaskSpec("flow.py:train", "spark", "v1", Interface((), ()))
JOB = JobRef("j-1", "primary")
CANDIDATES = (Candidate("acme-spark", "1.0", "acme:plugin"), Candidate("other-spark", "2.0", "other:plugin"))


def note(*anything: object) -> None:
    """Stands for a function of the plugin that only has to be called."""


@dataclass(slots=True)
class Told:
    """Stands for a function or object of the plugin that is told something, and keeps it."""

    words: list[tuple[object, ...]] = field(default_factory=list)

    def __call__(self, *words: object) -> Any:
        self.words.append(words)
        return nullcontext()

    info = record = start_span = __call__


CONTEXT = SimpleNamespace(
    calls=SimpleNamespace(read=nullcontext), secret=lambda name: f"secret of {name}", node="train"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A call of one example.

    Args:
        expected: What the host gets.
        arguments: What the host gives.
        own: Names that the example's plugin has.
    """

    expected: object
    arguments: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)


CASES: dict[str, list[Case]] = {
    "task_types": [
        Case(
            [[TaskType("notebook", Shape.FUNCTION, note, config=NoConfig)]],  # type: ignore[arg-type]
            own={"NotebookHandler": note, "NotebookConfig": NoConfig},
        )
    ],
    "resource_pools": [Case([[ResourcePool("athena:*", 20)]])],
    "rate_limits": [Case([[RateLimit("athena:*", 10, 5)]])],
    "literal_types": [
        Case(
            [[LiteralCodec("shapely:Point", SimpleType(SimpleKind.STR), note, note)]],
            own={"to_wkt": note, "from_wkt": note},
        )
    ],
    "event_sinks": [Case([[EventSink("audit", note, ("Submitted", "Ended"))]], own={"write_rows": note})],
    "log_links": [Case([[LogLink("Logs", "https://logs.example/?job={job}")]])],
    "cli_commands": [Case([[CliCommand("athena", "Look at workgroups", note)]], own={"main": note})],  # type: ignore[arg-type]
    "importers": [
        Case([[Importer("argo", (".argo.yaml",), "Argo Workflows", note)]], own={"load": note})  # type: ignore[arg-type]
    ],
    "diagnose": [
        Case(
            [[Finding(Severity.OK, "credentials", "signed in as secret of athena")]],
            {"context": CONTEXT},
            {"client": lambda secret: SimpleNamespace(whoami=lambda: secret)},
        )
    ],
    "choose_plugin": [
        Case(["acme-spark"], {"task_type": "spark", "candidates": CANDIDATES}),
        Case([], {"task_type": "flink", "candidates": CANDIDATES}),
    ],
    "admit_execution": [
        Case([], {"request": REQUEST}, {"is_release": lambda digest: digest == "d1"}),
        Case(
            [Refusal("`flow.py:etl` is no release", "Run `make release` first")],
            {"request": REQUEST},
            {"is_release": lambda digest: False},
        ),
    ],
    "rewrite_task": [
        Case(
            [msgspec.structs.replace(SPEC, config={"workgroup": "ads"})], {"spec": SPEC, "request": REQUEST}
        ),
        Case(
            [Refusal("`flow.py:train` wants a GPU", "Ask for project `research`")],
            {"spec": msgspec.structs.replace(SPEC, resources=Resources(gpu=1)), "request": REQUEST},
        ),
    ],
    "run_function": [
        Case({"result": 1}, {"handler": None, "context": CONTEXT, "inputs": {}}, {"tracer": Told()})
    ],
    "create_job": [
        Case(JOB, {"handler": None, "context": CONTEXT, "request": SimpleNamespace(spec=SPEC)}, {"LIMIT": 10})
    ],
    "poll_jobs": [
        Case(
            {"j-1": Status(Phase.RUNNING)},
            {"handler": None, "context": CONTEXT, "jobs": [JOB]},
            {"POLL_SECONDS": Told()},
        )
    ],
    "cancel_job": [
        Case(True, {"handler": None, "context": CONTEXT, "job": JOB, "reason": "aborted"}, {"audit": Told()})
    ],
}
HOST = {
    "run_function": {"result": 1},
    "create_job": JOB,
    "poll_jobs": {"j-1": Status(Phase.RUNNING)},
    "cancel_job": True,
}
"""What the host's own implementation answers."""


def example_of(hook: str) -> str:
    """The example below the heading of a hook."""
    section = hooks_page().partition(f"\n### `{hook}`\n")[2].partition("\n### ")[0]
    (block,) = blocks_of(section)
    return block.text


def caller(hook: str, own: Mapping[str, Any]) -> Callable[..., Any]:
    """What the host calls, with the example as the only plugin."""
    public = {name: getattr(plugin_api, name) for name in plugin_api.__all__}
    namespace: dict[str, Any] = {**public, "msgspec": msgspec, "time": time, **own}
    exec(compile(example_of(hook), hook, "exec"), namespace)
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    if hook in HOST:
        manager.register(
            type("Host", (), {hook: staticmethod(plugin_api.hookimpl(_answering(hook)))})(), "host"
        )
    manager.register(type("Example", (), {hook: namespace[hook]})(), "example")
    manager.check_pending()
    call: Callable[..., Any] = getattr(manager.hook, hook)
    return call


def _answering(hook: str) -> Callable[[Any], object]:
    def answer(handler: Any) -> object:
        return HOST[hook]

    return answer


def test_every_hook_has_a_case_here() -> None:
    own_tests = {"secret_sources", "events_journaled"}
    assert set(CASES) | own_tests == set(HOOKS)


@pytest.mark.parametrize(("hook", "case"), [(hook, case) for hook, cases in CASES.items() for case in cases])
def test_an_example_does_what_its_words_say(hook: str, case: Case) -> None:
    assert caller(hook, case.own)(**case.arguments) == case.expected
    assert all(each.words for each in case.own.values() if isinstance(each, Told))


def test_the_example_of_create_job_refuses_what_is_too_large() -> None:
    spec = msgspec.structs.replace(SPEC, config={"bytes": 11})
    with pytest.raises(UserError, match="too large"):
        caller("create_job", {"LIMIT": 10})(handler=None, context=CONTEXT, request=SimpleNamespace(spec=spec))


def test_the_example_of_secret_sources_reads_from_its_client() -> None:
    client = SimpleNamespace(read=lambda path: f"read {path}")
    ((source,),) = caller("secret_sources", {"client": client})()
    assert (source.name, source.lookup("db")) == ("vault", "read secret/db")


def test_the_example_of_events_journaled_sees_the_end_of_a_run() -> None:
    told = Told()
    event = JournaledEvent("e1", 9, Ended.__name__, 0.0, {"phase": "SUCCEEDED"})
    caller("events_journaled", {"notify": told})(events=[event])
    assert told.words == [("e1", "SUCCEEDED")]
