"""The typed face of everything installed: nobody else talks to stevedore or pluggy."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from hardpoint.plugin_api import (
    AnyHandler,
    Context,
    CreateRequest,
    ErrorInfo,
    ErrorKind,
    FunctionContext,
    HardpointError,
    Inputs,
    JobRef,
    JournaledEvent,
    Outputs,
    RateLimit,
    ResourcePool,
    Status,
    TaskType,
)
from hardpoint.registry.checks import HANDLER_CHECKS, HandlerSubject, first_violation
from hardpoint.registry.discovery import FoundEntryPoint, scan
from hardpoint.registry.dispatch import Dispatcher
from hardpoint.registry.errors import UnresolvedTaskTypesError
from hardpoint.registry.listing import InstalledPlugin, rows
from hardpoint.registry.once import Once
from hardpoint.registry.plugin import LoadedPlugin
from hardpoint.registry.quarantine import Quarantine, Stage, from_exception
from hardpoint.registry.resolve import Resolver

logger = logging.getLogger(__name__)


def load_registry(builtin: Mapping[str, object] | None = None) -> Registry:
    """Find what is installed.

    Args:
        builtin: Plugin objects that need no entry point, by name: the host's own, or an embedder's.
            A task type of theirs comes before an installed one of the same name.

    Returns:
        A registry that has imported no plugin yet.

    Raises:
        ContractViolation: A built-in plugin breaks the contract.
    """
    return Registry(scan(), builtin or {})


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
    """

    def __init__(self, found: Sequence[FoundEntryPoint], builtin: Mapping[str, object]) -> None:
        self._resolver = Resolver(found, builtin)
        self._dispatchers: dict[str, Once[Dispatcher | Quarantine]] = {}
        self._observer_failures: dict[str, ErrorInfo] = {}

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
        problems: list[HardpointError] = []
        for name in sorted(set(names)):
            try:
                self._resolver.plugin(name)
            except HardpointError as problem:
                problems.append(problem)
        match problems:
            case []:
                return
            case [only]:
                raise only
            case several:
                raise UnresolvedTaskTypesError(several)

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

    # --- observing hooks -------------------------------------------------------------------------------

    def observers(self) -> tuple[str, ...]:
        """Names, the same in every process, of loaded plugins that want the journal's events."""
        return tuple(each.name for each in self._resolver.loaded() if "events_journaled" in each.implemented)

    def events_journaled(self, events: Sequence[JournaledEvent]) -> dict[str, ErrorInfo]:
        """Tell every observer; return what went wrong, by observer."""
        told = {name: self.notify(name, events) for name in self.observers()}
        return {name: failure for name, failure in told.items() if failure is not None}

    def notify(self, observer: str, events: Sequence[JournaledEvent]) -> ErrorInfo | None:
        """Tell one observer; return what went wrong. Nothing but a `KeyboardInterrupt` leaves it."""
        plugin = next(each for each in self._resolver.loaded() if each.name == observer)
        try:
            plugin.hooks.events_journaled(events=events)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit and friends must not end the run that is observed
            told = from_exception(Stage.HANDLER, error)
            failure = ErrorInfo(
                type(error).__name__, told.summary, kind=ErrorKind.CONTRACT, traceback=told.traceback
            )
            self._observer_failures[observer] = failure
            logger.warning("observer %s failed: %s\n%s", observer, told.summary, told.traceback)
            return failure
        self._observer_failures.pop(observer, None)
        return None

    # --- listing ---------------------------------------------------------------------------------------

    def installed(self) -> list[InstalledPlugin]:
        """Everything found, with what became of it so far; imports nothing."""
        outcomes = {name: once.made for name, once in list(self._dispatchers.items())}
        broken = {name: made for name, made in outcomes.items() if isinstance(made, Quarantine)}
        return rows(self._resolver, broken, self._observer_failures)

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
        try:
            handler = declared.handler()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a vendor SDK that exits on a missing library must not end the run
            return from_exception(Stage.HANDLER, error)
        problem = first_violation(HANDLER_CHECKS, [HandlerSubject(declared, handler)])
        if problem:
            return Quarantine(Stage.CONTRACT, problem)
        return Dispatcher(declared, handler, [plugin, *self._resolver.global_plugins()])
