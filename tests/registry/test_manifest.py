"""What a manifest says of a plugin, and that the same declarations make the same bytes everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api import (
    Capability,
    CliCommand,
    EventSink,
    Idempotency,
    Importer,
    LiteralCodec,
    LogLink,
    Manifest,
    ManifestCommand,
    ManifestImporter,
    PollPolicy,
    RateLimit,
    ResourceClaim,
    ResourcePool,
    SecretSource,
    Shape,
    SimpleKind,
    SimpleType,
    TaskType,
    hookimpl,
)
from hardpoint.registry.config_schema import ConfigField, fields_of, schema_of
from hardpoint.registry.manifest import capabilities_of, describe, to_json
from hardpoint.registry.plugin import LoadedPlugin, admit


class Scan(msgspec.Struct, forbid_unknown_fields=True):
    """What is scanned.

    Args:
        table: Its name, as the catalogue
            spells it.
        limit, offset: Rows.
        mode: How.

    Raises:
        limit: This is no field.
    """

    table: str
    mode: Literal["fast", "whole"] = "fast"
    limit: int | None = None
    offset: Annotated[int, msgspec.Meta(description="Rows passed over.")] = 0
    columns: list[str] = msgspec.field(default_factory=lambda: ["id"])


class Handler:
    def prepare(self, context: Any, request: Any) -> Any: ...
    def create(self, context: Any, request: Any) -> Any: ...
    def find(self, context: Any, request: Any) -> Any: ...
    def poll_many(self, context: Any, jobs: Any) -> Any: ...
    def outputs(self, context: Any, request: Any, job: Any) -> Any: ...
    def cancel(self, context: Any, job: Any, reason: Any) -> Any: ...


class Pushing(Handler):
    def watch(self, context: Any, job: Any, sink: Any) -> Any: ...


class Sweeping(Handler):
    def duplicates(self, context: Any, kept: Any) -> Any: ...


class Everything:
    """Declares one of each, and its task types in an order of its own."""

    def __init__(self, order: Callable[[Iterable[Any]], Iterable[Any]] = list) -> None:
        self._order = order

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        scan = TaskType(
            "scan",
            Shape.JOB,
            Pushing,
            config=Scan,
            idempotency=Idempotency.TOKEN,
            settling_delay_s=2.0,
            poll=PollPolicy(max_s=5.0),
            secrets=("SCAN_TOKEN",),
            doc="Scans a table",
            claims=(ResourceClaim("scan:all", 2),),
            call_timeout_s=20.0,
            capabilities=(Capability.USAGE,),
        )
        return self._order([scan, TaskType("ask", Shape.JOB, Handler)])

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        return self._order([ResourcePool("scan:all", 4), ResourcePool("ask:*", 1)])

    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        return [RateLimit("scan:*", reads_per_s=2.0)]

    @hookimpl
    def literal_types(self) -> Iterable[LiteralCodec]:
        kept = SimpleType(SimpleKind.STR)
        return [LiteralCodec("fractions:Fraction", kept, lambda value, store: "", lambda wire, store: "")]

    @hookimpl
    def event_sinks(self) -> Iterable[EventSink]:
        return [EventSink("audit", print)]

    @hookimpl
    def secret_sources(self) -> Iterable[SecretSource]:
        return [SecretSource("vault", lambda name: None)]

    @hookimpl
    def log_links(self) -> Iterable[LogLink]:
        return [LogLink("Logs", "https://logs.example/{job}", ("scan",))]

    @hookimpl
    def cli_commands(self) -> Iterable[CliCommand]:
        return [CliCommand("scan", "Look at tables", lambda arguments: 0)]

    @hookimpl
    def importers(self) -> Iterable[Importer]:
        return [Importer("argo", (".argo.yaml",), "Argo Workflows", lambda path: b"")]


def manifest_of(plugin: object) -> Manifest:
    loaded = admit(plugin, "everything", target="", entry_points=None)
    assert isinstance(loaded, LoadedPlugin), loaded
    return describe(loaded, (), {name: each.handler() for name, each in loaded.task_types.items()})


def test_a_manifest_says_everything_that_a_plugin_declares() -> None:
    told = manifest_of(Everything())
    assert told.hooks == (
        *("cli_commands", "event_sinks", "importers", "literal_types", "log_links", "rate_limits"),
        *("resource_pools", "secret_sources", "task_types"),
    )
    assert told.pools == (ResourcePool("ask:*", 1), ResourcePool("scan:all", 4))
    assert told.rates == (RateLimit("scan:*", reads_per_s=2.0),)
    assert (told.literal_types, told.event_sinks) == (("fractions:Fraction",), ("audit",))
    assert told.secret_sources == ("vault",)
    assert told.log_links == (LogLink("Logs", "https://logs.example/{job}", ("scan",)),)
    assert told.commands == (ManifestCommand("scan", "Look at tables"),)
    assert told.importers == (ManifestImporter("argo", (".argo.yaml",), "Argo Workflows"),)
    assert [each.name for each in told.task_types] == ["ask", "scan"]


def test_a_manifest_says_everything_of_a_task_type() -> None:
    declared = next(each for each in Everything().task_types() if each.name == "scan")
    told = manifest_of(Everything()).task_type("scan")
    assert told is not None
    same = set(told.__struct_fields__) - {"config", "capabilities"}
    assert {each: getattr(told, each) for each in same} == {each: getattr(declared, each) for each in same}
    # What a task type declares and no manifest shows would be an oversight, but for code.
    assert set(declared.__struct_fields__) - set(told.__struct_fields__) == {"handler", "claims_of"}
    assert told.capabilities == ("batch_poll", "cancel", "idempotent", "logs", "push", "usage")


def test_the_order_of_declarations_does_not_matter() -> None:
    assert to_json(manifest_of(Everything())) == to_json(manifest_of(Everything(order=reversed_list)))


def reversed_list(items: Iterable[Any]) -> list[Any]:
    return list(reversed(list(items)))


def test_the_file_reads_back_as_what_was_written() -> None:
    told = manifest_of(Everything())
    assert msgspec.json.decode(to_json(told), type=Manifest) == told
    assert to_json(told).endswith(b"}\n")


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_config_with_a_set_has_the_same_schema_in_every_process(seed: str) -> None:
    code = textwrap.dedent(
        """
        import msgspec
        from hardpoint.registry.config_schema import schema_of
        class Config(msgspec.Struct):
            regions: frozenset[str] = frozenset({"eu", "us", "ap", "sa"})
        print(schema_of(Config)["$defs"]["Config"]["properties"]["regions"]["default"])
        """
    )
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['ap', 'eu', 'sa', 'us']\n"


def job(**changes: Any) -> TaskType:
    return msgspec.structs.replace(TaskType("t", Shape.JOB, Handler), **changes)


@pytest.mark.parametrize(
    ("declared", "handler", "expected"),
    [
        (job(), Handler(), {"cancel", "batch_poll"}),
        (job(poll=PollPolicy(batch_max=1)), Handler(), {"cancel"}),
        (job(idempotency=Idempotency.NAME), Handler(), {"cancel", "batch_poll", "idempotent"}),
        (job(), Pushing(), {"cancel", "batch_poll", "push"}),
        (job(), Sweeping(), {"cancel", "batch_poll"}),
        (job(idempotency=Idempotency.SEARCH), Sweeping(), {"cancel", "batch_poll", "idempotent", "sweep"}),
        (job(shape=Shape.ARRAY), Handler(), {"cancel", "batch_poll", "array"}),
        (job(shape=Shape.FUNCTION), Handler(), set()),
        (job(capabilities=(Capability.LOGS,)), Handler(), {"cancel", "batch_poll", "logs"}),
    ],
)
def test_capabilities_follow_from_what_is_declared(
    declared: TaskType, handler: object, expected: set[str]
) -> None:
    assert capabilities_of(declared, handler) == tuple(sorted(expected))


@pytest.mark.parametrize(("of", "has"), [((), True), (("t",), True), (("other",), False)])
def test_a_log_link_leads_to_the_logs_of_the_types_it_is_for(of: tuple[str, ...], has: bool) -> None:
    link = LogLink("Logs", "https://logs.example/{job}", of)
    assert ("logs" in capabilities_of(job(), Handler(), [link])) is has


def test_docstrings_describe_the_fields_of_a_config() -> None:
    assert fields_of(schema_of(Scan)) == (
        ConfigField("table", "string", True, "", "Its name, as the catalogue spells it."),
        ConfigField("mode", '"fast" | "whole"', False, '"fast"', "How."),
        ConfigField("limit", "integer | null", False, "null", "Rows."),
        ConfigField("offset", "integer", False, "0", "Rows passed over."),
        ConfigField("columns", "array of string", False, "", ""),
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "$defs", "properties", "required", "type", "items", "anyOf", "x"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["$ref", "$defs", "properties", "required"]), values))
def test_no_schema_that_somebody_wrote_breaks_the_table(schema: dict[str, Any]) -> None:
    for field in fields_of(schema):
        assert all(isinstance(each, str) for each in (field.name, field.kind, field.default, field.doc))


def test_the_schema_refuses_what_the_class_refuses() -> None:
    own = schema_of(Scan)["$defs"]["Scan"]
    assert own["additionalProperties"] is False
    assert own["required"] == ["table"]
    assert set(own["properties"]) == set(Scan.__struct_fields__)
