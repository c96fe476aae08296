"""The face for asyncio programs: the same executor, awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Unpack

from hardpoint.core.workflow import Workflow
from hardpoint.executor.adoption import MAX_RUNS
from hardpoint.executor.api import Executor
from hardpoint.executor.engine.run import Journaled, Outcome, Progress
from hardpoint.executor.execution import Execution, described
from hardpoint.executor.submission import Terms
from hardpoint.plugin_api import JournaledEvent, Wire


class AsyncExecution:
    """One submitted run; see `Execution`."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self.id = execution.id

    async def result(self) -> Any:
        """Wait for the end; return what the workflow returns, or raise `ExecutionFailedError`."""
        await self.outcome()
        return await asyncio.to_thread(self._execution.result)

    async def outcome(self) -> Outcome:
        """Wait for the end; say how it ended, as wire values."""
        return await asyncio.wrap_future(self._execution.future)

    async def events(self) -> AsyncIterator[JournaledEvent]:
        """Facts as they are journaled, from the first on, until the run ends.

        A stream that waits holds no thread, so any number may be open.
        """
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[Journaled | Progress | None] = asyncio.Queue()

        def listener(item: Journaled | Progress | None) -> None:
            with suppress(RuntimeError):  # the loop was closed while its stream was open
                loop.call_soon_threadsafe(news.put_nowait, item)

        live = await asyncio.to_thread(self._execution.listen, listener)
        try:
            past = await asyncio.to_thread(self._execution.history)
            seen = len(past.events)
            for event in described(self.id, past):
                yield event
            while live and (item := await news.get()) is not None:
                fresh = item.after(seen) if isinstance(item, Journaled) else None
                if fresh is not None:
                    seen = fresh.last_seq
                    for event in described(self.id, fresh):
                        yield event
        finally:
            self._execution.forget(listener)

    async def abort(self, reason: str = "aborted by its caller") -> None:
        """Ask for its end."""
        self._execution.abort(reason)


class AsyncExecutor:
    """See `Executor`: the same arguments, and nothing that blocks the event loop.

    Example:
        ```python
        async with AsyncExecutor() as executor:
            execution = await executor.submit(flow, n=3)
            print(await execution.result())
        ```
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._arguments = (args, kwargs)
        self._executor: Executor | None = None

    @property
    def executor(self) -> Executor:
        """The executor behind it; only inside `async with`."""
        assert self._executor is not None, "use `async with AsyncExecutor() as executor:`"
        return self._executor

    async def submit(self, workflow: Workflow[..., Any], /, **inputs: Any) -> AsyncExecution:
        """Start a run with Python values as inputs."""
        return await self.submit_with(workflow, inputs)

    async def submit_with(
        self, workflow: Workflow[..., Any], inputs: Mapping[str, Any], **terms: Unpack[Terms]
    ) -> AsyncExecution:
        """Start a run on terms of the caller's choice, such as a tenant or a priority."""
        submit = functools.partial(self.executor.submit_with, workflow, inputs, **terms)
        return AsyncExecution(await asyncio.to_thread(submit))

    async def enqueue(
        self, workflow: Workflow[..., Any], wires: dict[str, Wire], **terms: Unpack[Terms]
    ) -> str:
        """Journal a run with encoded inputs, for any executor of this store that adopts; return its id."""
        enqueue = functools.partial(self.executor.enqueue, workflow, wires, **terms)
        return await asyncio.to_thread(enqueue)

    async def recover(self) -> list[AsyncExecution]:
        """Take up every unfinished run of this store that no live executor drives."""
        return [AsyncExecution(each) for each in await asyncio.to_thread(self.executor.recover)]

    async def adopt_abandoned(self, *, max_runs: int = MAX_RUNS) -> None:
        """From now on take up queued runs and those that other executors left."""
        await asyncio.to_thread(self.executor.adopt_abandoned, max_runs=max_runs)

    async def abort(self, execution: str, reason: str = "aborted by its caller") -> None:
        """Ask for the end of a run, whichever executor drives it."""
        await asyncio.to_thread(self.executor.abort, execution, reason)

    async def drain(self, grace_s: float = 30.0) -> None:
        """Start nothing more, let attempts in flight end, then close."""
        await asyncio.to_thread(self.executor.drain, grace_s)

    async def __aenter__(self) -> AsyncExecutor:
        args, kwargs = self._arguments
        self._executor = await asyncio.to_thread(lambda: Executor(*args, **kwargs))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await asyncio.to_thread(self.executor.close)
        else:
            await self.drain(grace_s=0.0)
