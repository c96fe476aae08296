"""The way of a node to a worker or a service: past cache and governor, into the lane of its shape."""

from __future__ import annotations

from hardpoint.executor.engine.array_feeder import ArrayFeeder
from hardpoint.executor.engine.cache_lookup import CacheLookup
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.function_lane import FunctionLane
from hardpoint.executor.engine.governor import Governor
from hardpoint.executor.engine.job_context import JobContexts
from hardpoint.executor.engine.job_lane import JobLane
from hardpoint.executor.engine.limits import Limits
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.patience import Patience
from hardpoint.executor.engine.pool_policies import PoolPolicies
from hardpoint.executor.engine.possible import Collect, Settle, Start, Stop, Watch
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import StepRunner
from hardpoint.executor.journal.events import CreateUnsettled, RunPhase
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.pool.face import FunctionPool
from hardpoint.executor.pool.messages import PoolEvent
from hardpoint.plugin_api import Shape, TaskType
from hardpoint.registry import Registry


class Lanes:
    """Owned by the engine's thread.

    Args:
        desk: Clock, timers, runs, and where events go.
        journal: Keeps cached outputs, and what is known of shared pools.
        registry: Where task types are found.
        pool: Worker processes for functions.
        steps: Runs calls into plugins.
        contexts: Makes the context of plugins' verbs.
        outputs_uri: Below it, jobs that write their own outputs do so.
        policies: What holds for each pool.
        patience: For a database that is away.
        owner: Name of the engine.
    """

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        registry: Registry,
        pool: FunctionPool,
        steps: StepRunner,
        contexts: JobContexts,
        outputs_uri: str,
        policies: PoolPolicies,
        patience: Patience,
        owner: str,
    ) -> None:
        self._desk = desk
        self._registry = registry
        self._steps = steps
        self._contexts = contexts
        self._outputs_uri = outputs_uri
        self._task_types: dict[str, TaskType] = {}
        self._limits = Limits(desk)
        self.governor = Governor(desk, journal.pools, policies, patience, owner, self._yields, self._begin)
        self._cache = CacheLookup(desk, journal, self._dispatch, patience)
        self._functions = FunctionLane(desk, pool, self._cache, self.governor, self._task_type)
        self._jobs: JobLane | None = None
        self._arrays = ArrayFeeder(desk, self._attempt, self._task_type)

    @property
    def busy(self) -> bool:
        """Whether anything is in flight whose outcome would be lost by leaving now."""
        return self._functions.busy or (self._jobs is not None and self._jobs.busy)

    @property
    def jobs(self) -> JobLane:
        """The lane of job-shaped tasks, made when the first is met."""
        if self._jobs is None:
            self._jobs = JobLane(
                self._desk,
                self._registry,
                self._steps,
                self._cache,
                self._contexts,
                self._outputs_uri,
                self._limits,
                self.governor,
            )
        return self._jobs

    # Runs

    def adopted(self, run: Run) -> None:
        """Book what an adopted run holds, before anybody else asks; end what earlier engines left over."""
        for id in run.state.in_flight:
            node = run.state.find(id)
            if node is None or node.chunk:
                continue
            if self._is_function(run, id):
                # It ended with the engine that ran it.
                self.governor.give_back(run, node, node.claims)
            else:
                holder = node.parent if node.in_chunk and node.parent is not None else node
                self.governor.hold(run, node, holder.claims)
        loaded, run.loaded = run.loaded, []
        if any(type(event) is CreateUnsettled for event in loaded):
            self.jobs.adopted(run, loaded)

    def abandon(self, run: Run) -> None:
        """Let go of what is in flight of a run that is another engine's now."""
        self._functions.abandon(run)
        if self._jobs is not None:
            self._jobs.abandon(run)

    # Nodes

    def take(self, event: PoolEvent) -> None:
        """Turn what the workers say into events."""
        self._functions.take(event)

    def start(self, run: Run, start: Start) -> None:
        """Begin a node's attempt, or its items', as soon as its time has come and it may."""
        desk = self._desk
        if desk.draining or run.state.phase is not RunPhase.RUNNING:
            return
        if start.at is not None and start.at > desk.clock.now():
            desk.timers.at(start.at, lambda: desk.possible.append((run, Start(start.node))))
            return
        node = run.state.find(start.node)
        if node is not None and run.may_start(node) and not self._arrays.takes(run, node):
            self._attempt(run, node)

    def feed(self, run: Run, node: str) -> None:
        """Hand out more items of an array node."""
        self._arrays.feed(run, node)

    def pursue(self, run: Run, possible: Settle | Watch | Collect | Stop) -> None:
        """Act on what the state says of an attempt in flight."""
        if self._is_function(run, possible.node):
            self._functions.pursue(run, possible)
        else:
            self.jobs.pursue(run, possible)

    def fill(self) -> None:
        """Answer from the cache, grant what can be granted, and let that begin."""
        self._cache.answer()
        self._functions.make_room()
        if self._jobs is not None:
            self._jobs.fill()
        self.governor.decide()
        self._functions.send()
        if self._jobs is not None:
            self._jobs.send()

    def _attempt(self, run: Run, node: NodeRun) -> None:
        """Give a node or item what it needs to start."""
        self._limits.queueing(run, node)
        self._limits.deadline(run, node)
        if run.spec(node.id).cache is not None:
            self._cache.add(run, node)
        else:
            self._dispatch(run, node)

    def _dispatch(self, run: Run, node: NodeRun) -> None:
        """Hand a node that must really run to the lane of its shape."""
        if self._is_function(run, node.id):
            self._functions.start(run, node)
        else:
            self.jobs.start(run, node)

    def _begin(self, run: Run, node: NodeRun) -> None:
        """Start an attempt that holds what it claims."""
        if self._is_function(run, node.id):
            self._functions.begin(run, node)
        else:
            self.jobs.begin(run, node)

    def _yields(self, run: Run, node: NodeRun) -> bool:
        # An item of an array cannot be ended without the others of its chunk.
        return run.spec(node.id).interruptible and self._task_type(run, node.id).shape is not Shape.ARRAY

    def _is_function(self, run: Run, node: str) -> bool:
        return self._task_type(run, node).shape is Shape.FUNCTION

    def _task_type(self, run: Run, node: str) -> TaskType:
        name = run.spec(node).type
        found = self._task_types.get(name)
        if found is None:
            found = self._task_types[name] = self._registry.task_type(name)
        return found
