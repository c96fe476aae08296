"""The typed face of everything installed: nobody else talks to stevedore or pluggy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution
from typing import TypeVar, cast

from hardpoint.plugin_api import (
    AdmissionRequest,
    AnyHandler,
    Candidate,
    CliCommand,
    Context,
    CreateRequest,
    ErrorInfo,
    EventSink,
    Finding,
    FunctionContext,
    Importer,
    Inputs,
    JobRef,
    JournaledEvent,
    LiteralCodec,
    LogLink,
    Manifest,
    Outputs,
    RateLimit,
    ResourcePool,
    SecretSource,
    Status,
    TaskSpec,
    TaskType,
)
from hardpoint.registry.calling import OBSERVING_BUDGET_S, Calls, Place
from hardpoint.registry.deciding import Panel, Refused, Rewritten
from hardpoint.registry.declared import Declared
from hardpoint.registry.described import described
from hardpoint.registry.discovery import FoundEntryPoint, scan
from hardpoint.registry.dispatch import Dispatcher
from hardpoint.registry.examiner import TRUSTING, ApartExaminer, Examiner
from hardpoint.registry.listing import InstalledPlugin, rows
from hardpoint.registry.making import make_handler
from hardpoint.registry.observing import Observer, diagnose, observers_of, tell
from hardpoint.registry.offers import offered_command, offered_importer
from hardpoint.registry.once import Once
from hardpoint.registry.permits import EVERYTHING, Denied, Permits, sorted_out
from hardpoint.registry.plugin import LoadedPlugin, declared_by
from hardpoint.registry.quarantine import Quarantine
from hardpoint.registry.resolve import Resolver
from hardpoint.registry.troubles import Notice, Trouble
from hardpoint.registry.verdicts import Verdicts, cache_folder

T = TypeVar("T")


def load_registry(
    builtin: Mapping[str, object] | None = None,
    *,
    permits: Permits = EVERYTHING,
    examiner: Examiner | None = None,
) -> Registry:
    """Find what is installed.

    Args:
        builtin: Plugin objects that need no entry point, by name: the host's own, or an embedder's.
            A task type of theirs comes before an installed one of the same name.
        permits: What may be imported of what is installed.
        examiner: Says of each plugin whether it may be imported here; default: it is tried in a process of
            its own, once for what is installed now.

    Returns:
        A registry that has imported no plugin yet.

    Raises:
        ContractViolation: A built-in plugin breaks the contract.
    """
    found, denied = sorted_out(scan(), permits)
    apart = examiner or ApartExaminer(Verdicts(cache_folder()), time.time)
    return Registry(found, builtin or {}, denied, apart)


class Registry:
    """Task types, handlers and hooks of everything installed.

    A plugin is imported when one of its task types is first asked for. What it does wrong puts it, or
    that task type, into quarantine; `KeyboardInterrupt` alone passes. Safe to use from many threads: one
    that waits for a slow plugin keeps no other from theirs.

    A plugin's hook wrappers see the calls of its own task types. Those of a plugin that has no task
    types see the calls of all. So what a run does never depends on which other plugins happen to be loaded.

    Args:
        found: What the scan of the metadata found.
        builtin: Plugin objects that need no entry point, by name.
        denied: What else was found, and is kept out.
        examiner: Says of each plugin whether it may be imported here.
        now: Seconds since the epoch, for breakers.
        verdicts: Where a breaker that opened is written down; default: in the user's cache.
    """

    def __init__(
        self,
        found: Sequence[FoundEntryPoint],
        builtin: Mapping[str, object],
        denied: Sequence[Denied] = (),
        examiner: Examiner = TRUSTING,
        *,
        now: Callable[[], float] = time.time,
        verdicts: Verdicts | None = None,
    ) -> None:
        self._calls = Calls(now, Notice(verdicts or Verdicts(cache_folder()), self._distribution))
        self._resolver = Resolver(found, builtin, denied, examiner, self.choose_plugin)
        self._dispatchers: dict[str, Once[Dispatcher | Quarantine]] = {}

    # --- task types ------------------------------------------------------------------------------------

    def task_type(self, name: str) -> TaskType:
        """What the plugin for that task type declares about it.

        Raises:
            NoPluginError: Nothing installed runs it.
            DuplicateTaskTypeError: Two distributions claim it.
            IncompatiblePluginError: Its plugin is written for another plugin API.
            PluginQuarantinedError: Its plugin failed.
        """
        return self._resolver.plugin(name).task_types[name]

    def require(self, names: Iterable[str]) -> None:
        """Resolve every task type that a workflow uses, and report all problems together.

        Raises:
            HardpointError: The one problem, as `task_type` raises it; `UnresolvedTaskTypesError` for several.
        """
        self._resolver.require(names)

    def handler(self, name: str) -> AnyHandler:
        """The handler of that task type, made on first use.

        Raises:
            HardpointError: As `task_type`; `PluginQuarantinedError` also when the factory fails.
        """
        return self._dispatcher(name).handler

    # --- dispatching hooks -----------------------------------------------------------------------------

    def run_function(self, task_type: str, context: FunctionContext, inputs: Inputs) -> Outputs:
        """Run one attempt of a function-shaped task here; what the handler raises passes through."""
        return self._dispatcher(task_type).run_function(context, inputs)

    def create_job(self, task_type: str, context: Context, request: CreateRequest) -> JobRef:
        """Start, or find, the external job of one attempt; what the handler raises passes through."""
        return self._dispatcher(task_type).create_job(context, request)

    def poll_jobs(self, task_type: str, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        """Statuses by job id, for jobs of one account."""
        return self._dispatcher(task_type).poll_jobs(context, jobs)

    def cancel_job(self, task_type: str, context: Context, job: JobRef, reason: str) -> None:
        """Ask for the end of a job."""
        self._dispatcher(task_type).cancel_job(context, job, reason)

    # --- declarations ----------------------------------------------------------------------------------

    def pools(self) -> tuple[ResourcePool, ...]:
        """What the plugins loaded so far declare; call it after `require`."""
        return tuple(pool for plugin in self._resolver.loaded() for pool in plugin.pools)

    def rates(self) -> tuple[RateLimit, ...]:
        """What the plugins loaded so far declare; call it after `require`."""
        return tuple(rate for plugin in self._resolver.loaded() for rate in plugin.rates)

    def literal_types(self) -> tuple[Declared[LiteralCodec], ...]:
        """What the plugins loaded so far can carry across a boundary."""
        return declared_by(self._resolver.loaded(), lambda declared: declared.literal_types)

    def event_sinks(self) -> tuple[Declared[EventSink], ...]:
        """Where events go; each is also one of `observers`."""
        return declared_by(self._resolver.loaded(), lambda declared: declared.event_sinks)

    def secret_sources(self) -> tuple[Declared[SecretSource], ...]:
        """Where else secrets come from, in the order in which they are asked."""
        return declared_by(self._resolver.loaded(), lambda declared: declared.secret_sources)

    def log_links(self) -> tuple[Declared[LogLink], ...]:
        """Links beside attempts, each with its task types; one without any is for all."""
        return tuple(link for plugin in self._resolver.loaded() for link in plugin.links())

    def cli_commands(self) -> tuple[Declared[CliCommand], ...]:
        """Commands that `hardpoint` gets."""
        return declared_by(self._resolver.loaded(), lambda declared: declared.cli_commands)

    def importers(self) -> tuple[Declared[Importer], ...]:
        """Formats of other systems' files."""
        return declared_by(self._resolver.loaded(), lambda declared: declared.importers)

    def cli_command(self, name: str) -> Declared[CliCommand] | None:
        """The command of that name, its plugin imported now; None if no plugin has it.

        Raises:
            HardpointError: Several have it, or the one that has it cannot be used.
        """
        return offered_command(self._resolver, name)

    def importer(self, file: str) -> Declared[Importer] | None:
        """Who reads files of that name, imported now; None if no plugin does.

        Raises:
            HardpointError: Several do, or the one that does cannot be used.
        """
        return offered_importer(self._resolver, file)

    # --- deciding hooks --------------------------------------------------------------------------------

    def choose_plugin(self, task_type: str, candidates: Sequence[Candidate]) -> str | None:
        """Which of several distributions is to run a task type, as extensions say; None if none does."""
        return Panel(self._calls, self._resolver.global_plugins()).choose(task_type, candidates)

    def admit_execution(self, request: AdmissionRequest) -> Refused | None:
        """Whether extensions and plugins of its task types let a run in; one that fails is passed over."""
        return self._panel(request).admit(request)

    def rewrite_task(
        self, specs: Mapping[str, TaskSpec], request: AdmissionRequest, misfit_of: Callable[[TaskSpec], str]
    ) -> Rewritten | Refused:
        """What they make of its tasks, see `Panel.rewrite`; one that fails is passed over."""
        return self._panel(request).rewrite(specs, request, misfit_of)

    def _panel(self, request: AdmissionRequest) -> Panel:
        return Panel(self._calls, self._resolver.deciders(request.task_types))

    # --- observing hooks -------------------------------------------------------------------------------

    def observers(self) -> tuple[str, ...]:
        """Names, the same in every process, of loaded plugins that want the journal's events, and of their
        sinks: `<plugin>#<sink>`."""
        return tuple(each.name for each in self._observers())

    def events_journaled(self, events: Sequence[JournaledEvent]) -> dict[str, ErrorInfo]:
        """Tell every observer; return what went wrong, by observer."""
        told = {name: self.notify(name, events) for name in self.observers()}
        return {name: failure for name, failure in told.items() if failure is not None}

    def notify(self, observer: str, events: Sequence[JournaledEvent]) -> ErrorInfo | None:
        """Tell one observer what it wants of them; return what went wrong: then it must be told again.

        Nothing but a `KeyboardInterrupt` leaves it.
        """
        return tell(self._calls, next(each for each in self._observers() if each.name == observer), events)

    def _observers(self) -> Iterator[Observer]:
        return observers_of(self._resolver.loaded())

    def diagnosers(self) -> tuple[str, ...]:
        """Names of loaded plugins that can say whether they could work."""
        return tuple(each.name for each in self._resolver.loaded() if "diagnose" in each.implemented)

    def diagnose(
        self, plugin: str, context: Context, *, budget_s: float = OBSERVING_BUDGET_S
    ) -> tuple[Finding, ...]:
        """What one of the `diagnosers` finds within `budget_s` seconds; that it fails is a finding, too."""
        found = next(each for each in self._resolver.loaded() if each.name == plugin)
        return diagnose(self._calls, found, context, budget_s=budget_s)

    def _distribution(self, plugin: str) -> Distribution | None:
        return self._resolver.distribution(plugin)

    # --- plugins that misbehave ------------------------------------------------------------------------

    def guarded(self, plugin: str, hook: str, function: Callable[[], T], *, budget_s: float) -> T | ErrorInfo:
        """Call something that a plugin declared, as its hooks are called: within a budget, through a breaker.

        Args:
            plugin, hook: Who is to blame, as `Declared` and `troubles` name it.
            function: The call.
            budget_s: Seconds it may take.

        Returns:
            What it returned, or why there is no answer. Nothing but a `KeyboardInterrupt` leaves it.
        """
        return self._calls.call(Place(plugin, hook), function, budget_s=budget_s)

    def troubles(self) -> tuple[Trouble, ...]:
        """Hooks of plugins that failed when they were called last."""
        return self._calls.troubles()

    # --- listing ---------------------------------------------------------------------------------------

    def installed(self) -> list[InstalledPlugin]:
        """Everything found, with what became of it so far; imports nothing."""
        outcomes = {name: once.made for name, once in list(self._dispatchers.items())}
        broken = {name: made for name, made in outcomes.items() if isinstance(made, Quarantine)}
        return rows(self._resolver, broken, {each.plugin: each for each in self.troubles()})

    def describe(self, row: InstalledPlugin) -> Manifest:
        """What the plugin behind one of these rows declares; loads it, and makes its handlers.

        Raises:
            HardpointError: The plugin is written for another plugin API, or failed.
        """
        return described(self._resolver, row.name, row.entry)

    # --- handlers --------------------------------------------------------------------------------------

    def _dispatcher(self, name: str) -> Dispatcher:
        once = self._dispatchers.get(name)
        if once is None:
            plugin = self._resolver.plugin(name)
            once = self._dispatchers.setdefault(name, Once(lambda: self._make_dispatcher(name, plugin)))
        outcome = once.get()
        if not isinstance(outcome, Quarantine):
            return outcome
        raise self._resolver.quarantined(name, outcome)

    def _make_dispatcher(self, name: str, plugin: LoadedPlugin) -> Dispatcher | Quarantine:
        declared = plugin.task_types[name]
        handler = make_handler(declared)
        if isinstance(handler, Quarantine):
            return handler
        return Dispatcher(declared, cast(AnyHandler, handler), [plugin, *self._resolver.global_plugins()])
