"""From the name of a task type to the checked plugin that runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import Distribution
from typing import TypeAlias

from hardpoint.plugin_api import Candidate, ContractViolation, HardpointError
from hardpoint.registry import explain
from hardpoint.registry.discovery import FoundEntryPoint, Kind
from hardpoint.registry.errors import UnresolvedTaskTypesError
from hardpoint.registry.examiner import Examiner
from hardpoint.registry.once import Once
from hardpoint.registry.permits import Denied
from hardpoint.registry.plugin import LoadedPlugin, admit
from hardpoint.registry.quarantine import Quarantine
from hardpoint.registry.slot import Slot, slots_of

logger = logging.getLogger(__name__)
_Claim: TypeAlias = tuple[FoundEntryPoint, Slot]


class Resolver:
    """Who claims which task type, and which plugins are loaded.

    Args:
        found: What the scan of the metadata found.
        builtin: Plugin objects that need no entry point, by name; their task types come first.
        denied: What else was found, and is kept out.
        examiner: Says of each plugin whether it may be imported here.
        choose: Which distribution is to run a task type that several offer; None: nobody says.
    """

    def __init__(
        self,
        found: Iterable[FoundEntryPoint],
        builtin: Mapping[str, object],
        denied: Sequence[Denied],
        examiner: Examiner,
        choose: Callable[[str, Sequence[Candidate]], str | None],
    ) -> None:
        self.builtin = [_admit_builtin(name, plugin) for name, plugin in builtin.items()]
        self.builtin_types = {name: plugin for plugin in self.builtin for name in plugin.task_types}
        self.slots = slots_of(found, examiner)
        self.denied = denied
        self._claims: dict[str, list[_Claim]] = {}
        self._choose = choose
        self._chosen: dict[str, _Claim] = {}
        for slot in self.slots:
            for entry in slot.entries:
                if entry.kind is Kind.TASK_TYPE:
                    self._claims.setdefault(entry.name, []).append((entry, slot))
        self._extensions = Once(self._load_extensions)

    def plugin(self, name: str) -> LoadedPlugin:
        """The plugin for task type `name`, loaded now if it was not yet."""
        builtin = self.builtin_types.get(name)
        if builtin is not None:
            return builtin
        entry, slot = self._claim(name)
        if not slot.is_compatible:
            raise explain.incompatible(entry)
        outcome = slot.load()
        if isinstance(outcome, Quarantine):
            raise explain.quarantined(name, str(entry), entry.distribution, outcome)
        return outcome

    def _claim(self, name: str) -> _Claim:
        match self._claims.get(name, []):
            case []:
                for each in self.denied:
                    if each.entry.kind is Kind.TASK_TYPE and each.entry.name == name:
                        raise explain.denied(each)
                raise explain.no_plugin(name, {*self.builtin_types, *self._claims})
            case [only]:
                return only
            case claims:
                return self._chosen.get(name) or self._choice(name, claims)

    def _choice(self, name: str, claims: Sequence[_Claim]) -> _Claim:
        candidates = [Candidate(entry.distribution, entry.version, entry.target) for entry, _ in claims]
        choice = self._choose(name, candidates)
        for claim in claims:
            if claim[0].distribution == choice:
                # Once for all: what runs a task type never changes under a run.
                return self._chosen.setdefault(name, claim)
        raise explain.duplicate(name, [entry for entry, _ in claims])

    def require(self, names: Iterable[str]) -> None:
        """Load the plugins for all these task types, and report all problems together."""
        problems: list[HardpointError] = []
        for name in sorted(set(names)):
            try:
                self.plugin(name)
            except HardpointError as problem:
                problems.append(problem)
        match problems:
            case []:
                return
            case [only]:
                raise only
            case several:
                raise UnresolvedTaskTypesError(several)

    def deciders(self, task_types: Iterable[str]) -> Sequence[LoadedPlugin]:
        """Those who have a say about a run that uses these task types."""
        return [*self.global_plugins(), *(self.plugin(name) for name in sorted(set(task_types)))]

    def distribution(self, plugin: str) -> Distribution | None:
        """Where an installed plugin comes from; None for a built-in one."""
        return next((slot.first.entry_point.dist for slot in self.slots if slot.name == plugin), None)

    def refusal(self, slot: Slot, entry: FoundEntryPoint) -> HardpointError | None:
        """Why this entry point is not even loaded; None if nothing is against it."""
        if entry.kind is Kind.TASK_TYPE:
            if entry.name in self.builtin_types:
                return explain.shadowed(entry)
            claims = self._claims[entry.name]
            if len(claims) > 1 and self._chosen.get(entry.name) != (entry, slot):
                return explain.duplicate(entry.name, [claim for claim, _ in claims])
        return None if slot.is_compatible else explain.incompatible(entry)

    def quarantined(self, name: str, why: Quarantine) -> HardpointError:
        """The error for a task type whose plugin loaded, but whose handler cannot be used."""
        builtin = self.builtin_types.get(name)
        if builtin is not None:
            return explain.quarantined(name, f"`{builtin.name}`", "", why)
        entry, _ = self._claim(name)
        return explain.quarantined(name, str(entry), entry.distribution, why)

    def global_plugins(self) -> Sequence[LoadedPlugin]:
        """Plugins without task types: their wrappers see every call."""
        plugins = (*self.builtin, *self._extensions.get())
        # Two distributions may lead to one object; it must wrap a call once.
        return list({id(each.plugin): each for each in plugins if each.is_global}.values())

    def loaded(self) -> Sequence[LoadedPlugin]:
        """Built-in plugins, extensions, and those for the task types asked for so far."""
        self._extensions.get()
        installed = (slot.outcome for slot in self.slots)
        return [*self.builtin, *(each for each in installed if isinstance(each, LoadedPlugin))]

    def _load_extensions(self) -> tuple[LoadedPlugin, ...]:
        loaded: list[LoadedPlugin] = []
        for slot in self.slots:
            if not slot.is_extension:
                continue
            if not slot.is_compatible:
                logger.warning("%s", explain.incompatible(slot.first).message)
                continue
            outcome = slot.load()
            if isinstance(outcome, LoadedPlugin):
                loaded.append(outcome)
        return tuple(loaded)


def _admit_builtin(name: str, plugin: object) -> LoadedPlugin:
    outcome = admit(plugin, name, target="", entry_points=None)
    if isinstance(outcome, LoadedPlugin):
        return outcome
    raise ContractViolation(
        f"Built-in plugin `{name}` cannot be used: {outcome.summary}",
        hint="Correct the object that is given to `load_registry(builtin=...)`",
    )
