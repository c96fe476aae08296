"""One plugin's say in the calls of everybody's task types, which must not cost anybody an answer.

An extension may wrap every call. One that forgets to pass the answer on, or breaks down, is passed over in
that call: what lies inside it counts, and its plugin is named in the log. What it refuses with a
`HardpointError` stays refused.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from hardpoint.plugin_api import HardpointError, hookimpl
from hardpoint.registry.plugin import LoadedPlugin, new_manager
from hardpoint.registry.quarantine import Stage, from_exception

logger = logging.getLogger(__name__)

Call = Callable[..., Any]


class _Inside(threading.local):
    """What became of the call inside, in this thread."""

    called = False
    answer: object = None
    error: BaseException | None = None


class Layer:
    """A call of one hook through one plugin.

    Args:
        plugin: Implements the hook.
        hook: Which.
        inner: The same call without it; takes the hook's arguments by name.
        fits: Whether an answer is of the type that the hook promises.
    """

    def __init__(self, plugin: LoadedPlugin, hook: str, inner: Call, fits: Callable[[object], bool]) -> None:
        self._plugin = plugin.name
        self._hook = hook
        self._inner = inner
        self._fits = fits
        self._inside = _Inside()
        self._said: set[str] = set()
        manager = new_manager()
        manager.register(_Inner(self._enter), "hardpoint")
        manager.register(plugin.plugin, plugin.name)
        self._caller: Call = getattr(manager.hook, hook)

    def __call__(self, **arguments: Any) -> Any:
        """Make the call."""
        inside = self._inside
        inside.called, inside.answer, inside.error = False, None, None
        try:
            answer = self._caller(**arguments)
        except (HardpointError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit and friends must not get further than this plugin
            if error is inside.error:
                raise
            told = from_exception(Stage.HANDLER, error)
            self._passed_over(f"raised `{told.summary}`", told.traceback)
            return self._without(arguments)
        if self._fits(answer) or (inside.called and answer is inside.answer):
            return answer
        self._passed_over(f"returned a `{type(answer).__name__}` instead of passing the answer on")
        return self._without(arguments)

    def _enter(self, **arguments: Any) -> Any:
        inside = self._inside
        inside.called = True
        try:
            inside.answer = self._inner(**arguments)
        except BaseException as error:
            inside.error = error
            raise
        return inside.answer

    def _without(self, arguments: dict[str, Any]) -> Any:
        inside = self._inside
        if inside.error is not None:
            raise inside.error
        return inside.answer if inside.called else self._inner(**arguments)

    def _passed_over(self, what: str, trace: str = "") -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning(
                "plugin %s is passed over in `%s`: it %s\n%s", self._plugin, self._hook, what, trace
            )


class _Inner:
    """Stands for everything inside, below what the plugin implements itself."""

    def __init__(self, enter: Call) -> None:
        self._enter = enter

    @hookimpl(trylast=True)
    def run_function(self, handler: Any, context: Any, inputs: Any) -> Any:
        return self._enter(handler=handler, context=context, inputs=inputs)

    @hookimpl(trylast=True)
    def create_job(self, handler: Any, context: Any, request: Any) -> Any:
        return self._enter(handler=handler, context=context, request=request)

    @hookimpl(trylast=True)
    def poll_jobs(self, handler: Any, context: Any, jobs: Any) -> Any:
        return self._enter(handler=handler, context=context, jobs=jobs)

    @hookimpl(trylast=True)
    def cancel_job(self, handler: Any, context: Any, job: Any, reason: Any) -> Any:
        return self._enter(handler=handler, context=context, job=job, reason=reason)
