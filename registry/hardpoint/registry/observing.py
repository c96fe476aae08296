"""Telling plugins what happened: those that watch everything, and their sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hardpoint.plugin_api import Context, ContractViolation, ErrorInfo, Finding, JournaledEvent, Severity
from hardpoint.registry.calling import OBSERVING_BUDGET_S, Calls, Place
from hardpoint.registry.declared_checks import misfit
from hardpoint.registry.plugin import LoadedPlugin


@dataclass(frozen=True, slots=True)
class Observer:
    """Somebody who is told of events.

    Args:
        name: The same in every process: the plugin's, or `<plugin>#<sink>`.
        place: How its failures are counted.
        deliver: Tells it.
        kinds: Of event that it wants; empty for all.
    """

    name: str
    place: Place
    deliver: Callable[[Sequence[JournaledEvent]], object]
    kinds: frozenset[str] = frozenset()


def observers_of(plugins: Iterable[LoadedPlugin]) -> Iterator[Observer]:
    """Those among these plugins."""
    for plugin in plugins:
        if "events_journaled" in plugin.implemented:
            yield Observer(plugin.name, Place(plugin.name, "events_journaled"), _telling(plugin))
        for sink in plugin.declared.event_sinks:
            place = Place(plugin.name, f"event_sinks#{sink.name}")
            yield Observer(f"{plugin.name}#{sink.name}", place, sink.deliver, frozenset(sink.kinds))


def tell(calls: Calls, observer: Observer, events: Sequence[JournaledEvent]) -> ErrorInfo | None:
    """Tell an observer those of the events that it wants; return what went wrong."""
    wanted = [event for event in events if not observer.kinds or event.kind in observer.kinds]
    if not wanted:
        return None

    def deliver() -> None:
        observer.deliver(wanted)  # what it returns is ignored

    return calls.call(observer.place, deliver, budget_s=OBSERVING_BUDGET_S)


def diagnose(calls: Calls, plugin: LoadedPlugin, context: Context, *, budget_s: float) -> tuple[Finding, ...]:
    """What a plugin finds about itself; its own failure is a finding too."""

    def findings() -> tuple[Finding, ...]:
        found = tuple(each for result in plugin.hooks.diagnose(context=context) for each in result)
        for each in found:
            problem = misfit("diagnose", each, Finding)
            if problem:
                raise ContractViolation(problem)
        return found

    answer = calls.call(Place(plugin.name, "diagnose"), findings, budget_s=budget_s)
    if isinstance(answer, ErrorInfo):
        hint = "Tell its author, with the traceback that the log has"
        return (Finding(Severity.ERROR, "diagnose", f"`diagnose` failed: {answer.message}", hint),)
    return answer


def _telling(plugin: LoadedPlugin) -> Callable[[Sequence[JournaledEvent]], object]:
    return lambda events: plugin.hooks.events_journaled(events=events)
