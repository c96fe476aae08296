"""Observers as sinks, and what plugins find about themselves: failures are data, and told again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hardpoint.plugin_api import EventSink, Finding, JournaledEvent, Severity, hookimpl
from hardpoint.plugin_api.hookspecs import FAILURES_MAX
from hardpoint.registry import Registry

CONTEXT: Any = "the context"
EVENTS = [JournaledEvent("e1", seq, kind, 0.0, {}) for seq, kind in ((1, "Submitted"), (2, "Ended"))]


class Sinks:
    """A plugin that watches everything, and has sinks."""

    def __init__(self, *sinks: EventSink) -> None:
        self.sinks = sinks
        self.seen: list[str] = []

    @hookimpl
    def event_sinks(self) -> Sequence[EventSink]:
        return self.sinks

    @hookimpl
    def events_journaled(self, events: Sequence[JournaledEvent]) -> None:
        self.seen += [event.id for event in events]


def broken(events: Sequence[JournaledEvent]) -> None:
    raise ConnectionError("the warehouse is away")


def test_hook_event_sinks_are_observers_of_their_own_and_get_their_kinds_alone() -> None:
    got: dict[str, list[str]] = {"all": [], "ends": []}
    sinks = Sinks(
        EventSink("all", lambda events: got["all"].extend(each.kind for each in events)),
        EventSink("ends", lambda events: got["ends"].extend(each.kind for each in events), kinds=("Ended",)),
    )
    registry = Registry([], {"acme": sinks})
    assert registry.observers() == ("acme", "acme#all", "acme#ends")
    assert registry.events_journaled(EVENTS) == {}
    assert got == {"all": ["Submitted", "Ended"], "ends": ["Ended"]}
    assert registry.notify("acme#ends", EVENTS[:1]) is None
    assert got["ends"] == ["Ended"]


def test_a_sink_that_fails_degrades_itself_alone() -> None:
    sinks = Sinks(EventSink("rows", broken))
    registry = Registry([], {"acme": sinks})
    for _ in range(FAILURES_MAX + 1):
        failures = registry.events_journaled(EVENTS)
        assert list(failures) == ["acme#rows"]
    assert failures["acme#rows"].retry_after_s
    assert sinks.seen == ["e1/1", "e1/2"] * (FAILURES_MAX + 1)
    [trouble] = registry.troubles()
    assert (trouble.plugin, trouble.hook, trouble.message, trouble.failures) == (
        "acme",
        "event_sinks#rows",
        "ConnectionError: the warehouse is away",
        FAILURES_MAX,
    )


class Doctor:
    def __init__(self, find: Callable[[Any], Any]) -> None:
        self.find = find

    @hookimpl
    def diagnose(self, context: Any) -> Any:
        return self.find(context)


def test_hook_diagnose() -> None:
    def find(context: Any) -> list[Finding]:
        return [Finding(Severity.OK, "credentials", f"signed in with {context}")]

    registry = Registry([], {"acme": Doctor(find), "quiet": Sinks()})
    assert registry.diagnosers() == ("acme",)
    assert registry.diagnose("acme", CONTEXT) == (
        Finding(Severity.OK, "credentials", "signed in with the context"),
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (["fine"], "`diagnose` returned a `str`, not a `Finding`"),
        ([Finding(Severity.OK, "quota", None)], "that is none: Expected `str`, got `null` - at `$.message`"),  # type: ignore[arg-type]
        (7, "'int' object is not iterable"),
    ],
)
def test_what_a_plugin_finds_wrongly_is_a_finding_about_it(answer: object, message: str) -> None:
    registry = Registry([], {"acme": Doctor(lambda context: answer)})
    [finding] = registry.diagnose("acme", CONTEXT)
    assert (finding.severity, finding.subject) == (Severity.ERROR, "diagnose")
    assert message in finding.message
    assert finding.hint
