"""Asking plugins to decide: each alone, in the order of their names, and each about values of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import msgspec

from hardpoint.plugin_api import (
    AdmissionRequest,
    Candidate,
    ContractViolation,
    ErrorInfo,
    Refusal,
    TaskSpec,
)
from hardpoint.plugin_api.hookspecs import BUDGET_S
from hardpoint.registry.calling import Calls, Place
from hardpoint.registry.declared_checks import misfit
from hardpoint.registry.plugin import LoadedPlugin

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Refused:
    """A plugin is against it.

    Args:
        plugin: Its name.
        refusal: Why.
        task: Name of the task that it is about; empty for a whole run.
    """

    plugin: str
    refusal: Refusal
    task: str = ""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Tasks as plugins want them to be run.

    Args:
        specs: All of them, by the keys they came with.
        plugins: Names of the plugins that changed something, in their order, by key.
    """

    specs: dict[str, TaskSpec]
    plugins: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Panel:
    """The plugins that are asked about one thing.

    Args:
        calls: Calls them.
        plugins: Those that may have a say; the ones that do not implement a hook are not asked.
    """

    calls: Calls
    plugins: Iterable[LoadedPlugin]

    def admit(self, request: AdmissionRequest) -> Refused | None:
        """The first refusal of a run; None if nobody has anything against it."""
        for plugin in self._asked("admit_execution"):
            answer = self._call(plugin, "admit_execution", partial(_admit, plugin, request))
            if isinstance(answer, Refusal):
                return Refused(plugin.name, answer)
        return None

    def rewrite(
        self,
        specs: Mapping[str, TaskSpec],
        request: AdmissionRequest,
        misfit_of: Callable[[TaskSpec], str],
    ) -> Rewritten | Refused:
        """What plugins make of the tasks of a run, each of what the one before made; or the first refusal.

        What a plugin makes of a run counts as a whole or not at all: one that raises at the tenth task has
        changed none.

        Args:
            specs: By any key.
            request: The run.
            misfit_of: Why a task could not be run as it was rewritten; empty if it could.
        """
        current = dict(specs)
        changed: dict[str, tuple[str, ...]] = {}
        for plugin in self._asked("rewrite_task"):
            rewrite = partial(_rewrite, plugin, current, request, misfit_of)
            answer = self._call(plugin, "rewrite_task", rewrite)
            if isinstance(answer, Refused):
                return answer
            if isinstance(answer, dict):
                current = {**current, **answer}
                changed |= {key: (*changed.get(key, ()), plugin.name) for key in answer}
        return Rewritten(current, changed)

    def choose(self, task_type: str, candidates: Sequence[Candidate]) -> str | None:
        """The distribution that is to run a task type; None if nobody says."""
        for plugin in self._asked("choose_plugin"):
            answer = self._call(plugin, "choose_plugin", partial(_choose, plugin, task_type, candidates))
            if isinstance(answer, str):
                return answer
        return None

    def _asked(self, hook: str) -> list[LoadedPlugin]:
        unique = {id(each.plugin): each for each in self.plugins if hook in each.implemented}
        return sorted(unique.values(), key=lambda each: each.name)

    def _call(self, plugin: LoadedPlugin, hook: str, function: Callable[[], Any]) -> Any | ErrorInfo:
        return self.calls.call(Place(plugin.name, hook), function, budget_s=BUDGET_S)


def _admit(plugin: LoadedPlugin, request: AdmissionRequest) -> Refusal | None:
    answer = _only(plugin.hooks.admit_execution(request=_own(request)))
    return None if answer is None else _refusal("admit_execution", answer)


def _rewrite(
    plugin: LoadedPlugin,
    specs: Mapping[str, TaskSpec],
    request: AdmissionRequest,
    misfit_of: Callable[[TaskSpec], str],
) -> dict[str, TaskSpec] | Refused:
    rewritten: dict[str, TaskSpec] = {}
    for key, spec in specs.items():
        answer = _only(plugin.hooks.rewrite_task(spec=_own(spec), request=_own(request)))
        if answer is None:
            continue
        if not isinstance(answer, TaskSpec):
            return Refused(plugin.name, _refusal("rewrite_task", answer), spec.name)
        problem = misfit("rewrite_task", answer, TaskSpec) or _changed_face(spec, answer) or misfit_of(answer)
        if problem:
            raise ContractViolation(problem)
        if _canonical(answer) != _canonical(spec):
            rewritten[key] = _own(answer)
    return rewritten


def _changed_face(spec: TaskSpec, answer: TaskSpec) -> str:
    for name in ("name", "type", "interface"):
        if getattr(answer, name) != getattr(spec, name):
            return f"`rewrite_task` changed the {name} of task `{spec.name}`, which is not for it to change"
    return ""


def _choose(plugin: LoadedPlugin, task_type: str, candidates: Sequence[Candidate]) -> str | None:
    answer = _only(plugin.hooks.choose_plugin(task_type=task_type, candidates=tuple(candidates)))
    known = [each.distribution for each in candidates]
    if answer is None or (isinstance(answer, str) and known.count(answer) == 1):
        return answer
    shown = "`, `".join(known)
    raise ContractViolation(f"`choose_plugin` returned `{answer!r}` for `{task_type}`, not one of `{shown}`")


def _refusal(hook: str, answer: object) -> Refusal:
    if not isinstance(answer, Refusal):
        raise ContractViolation(f"`{hook}` returned a `{type(answer).__name__}`, not a `Refusal`")
    problem = misfit(hook, answer, Refusal)
    # Badly put, but meant: whoever says no must not be overheard for that.
    return Refusal(problem) if problem else answer


def _only(answers: object) -> object:
    """The answer of the one plugin behind a hook; None if it has none."""
    match answers:
        case []:
            return None
        case [answer]:
            return answer
        case _:
            raise ContractViolation(f"a wrapper returned a `{type(answers).__name__}`, not what it was given")


def _own(value: S) -> S:
    """A copy: what a plugin does to it, nobody else sees."""
    return msgspec.json.decode(msgspec.json.encode(value), type=type(value))


def _canonical(spec: TaskSpec) -> bytes:
    return msgspec.json.encode(spec, order="deterministic")
