"""What a service says of a chunk: each item ends for itself, and the chunk with its last item."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.executor.engine.cache import cache_key
from hardpoint.executor.engine.job_attempts import may_pass
from hardpoint.executor.engine.job_end import JobEnd, cancelled_elsewhere
from hardpoint.executor.engine.limits import deadline_error, timeout_error
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.plugin_values import PluginOutputError
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import Answer
from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptSucceeded,
    Budget,
    CancelCause,
    JobMoved,
    RunPhase,
)
from hardpoint.executor.journal.protocol import CachedOutputs
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.plugin_api import ArrayStatus, ErrorInfo, ErrorKind, Phase, Wire

_WHOLE = {Phase.SUCCEEDED: "S", Phase.FAILED: "F", Phase.CANCELLED: "C"}
"""What becomes of items that an array which has ended leaves open."""


class ChunkEnd(JobEnd):
    """Owned by the engine's thread; see `JobEnd` for what it shares with jobs of one item."""

    def moved_array(self, run: Run, chunk: NodeRun, status: ArrayStatus, asked_at: float) -> None:
        """Take in the states of a chunk's items; those that did not change write nothing."""
        if status.phase is Phase.ABSENT:
            self._absent(run, chunk, asked_at)
            return
        self._attempts.notes(run).absent_since.pop(chunk.id, None)
        if status.usage:
            self._attempts.notes(run).usage[chunk.id] = status.usage
        letters = status.items.letters
        if len(letters) != len(chunk.chunk) or not set(letters) <= set("QRSFC"):
            self._broken(run, chunk, letters)
            return
        if not status.phase.terminal and status.phase is not chunk.phase:
            now = self._desk.clock.now()
            self._desk.emit(run, JobMoved(now, chunk.id, chunk.attempt, status.phase, status.reason))
        left_open = _WHOLE.get(status.phase, "")
        done: dict[int, NodeRun] = {}
        for place, unit in self._open(chunk):
            letter = letters[place] if letters[place] in "SFC" else left_open
            match letter:
                case "S":
                    done[place] = unit
                case "F" if chunk.cancel is None:
                    default = ErrorInfo("ItemFailed", status.reason or "The item failed", ErrorKind.USER)
                    self._fail_item(run, unit, status.errors.get(place, default))
                case "C" if chunk.cancel is None:
                    self._fail_item(run, unit, cancelled_elsewhere(run, chunk))
                case "F" | "C":
                    self._confirm_item(run, chunk, unit)
                case _:
                    pass
        if done:
            self._collect_items(run, chunk, done)

    def _open(self, chunk: NodeRun) -> list[tuple[int, NodeRun]]:
        """Items of a chunk that have not ended, with their places in it."""
        array = chunk.parent.array if chunk.parent is not None else None
        left = {unit.index: unit for unit in array.items_in(chunk)} if array is not None else {}
        return [(place, left[index]) for place, index in enumerate(chunk.chunk) if index in left]

    def _broken(self, run: Run, chunk: NodeRun, letters: str) -> None:
        task_type = run.spec(chunk.id).type
        error = PluginOutputError(
            f"`poll_arrays` of task type `{task_type}` returned states `{letters[:20]}` of chunk "
            f"`{chunk.id}`, which has {len(chunk.chunk)} items; a state is one of `Q`, `R`, `S`, `F`, `C`",
            hint="Report this to the plugin's author",
        )
        if chunk.job is not None:
            self._sweep.cancel(task_type, chunk.job, "its plugin broke its promise")
        self.failed(run, chunk, error.info())

    # Success

    def _collect_items(self, run: Run, chunk: NodeRun, done: Mapping[int, NodeRun]) -> None:
        job, notes = chunk.job, self._attempts.notes(run)
        if job is None or chunk.id in notes.collecting:
            return
        notes.collecting.add(chunk.id)
        calls = self._attempts.array_calls(run.spec(chunk.id).type)
        request = self._attempts.request(run, chunk)

        def then(answer: Answer[dict[int, dict[str, Wire] | PluginOutputError]]) -> None:
            if answer.value is not None:
                for place, outputs in answer.value.items():
                    self._item_brought(run, chunk, done[place], outputs)
                self._attempts.went_well(run, chunk)
                # What ended meanwhile was passed over, and an array that has ended is asked for no more.
                self._collect_again(run, chunk)
            elif answer.error is not None and not may_pass(answer.error):
                for unit in done.values():
                    if unit.token == chunk.id:
                        self._fail_item(run, unit, answer.error)
            elif answer.error is not None:
                due = self._desk.clock.now() + self._attempts.again_s(run, chunk, answer.error)
                self._desk.timers.at(due, lambda: self._collect_again(run, chunk))

        self._attempts.step(
            run,
            chunk,
            lambda: calls.item_outputs(request, job, list(done)),
            then,
            ended=lambda: notes.collecting.discard(chunk.id),
            first=CallKind.READ,
        )

    def _collect_again(self, run: Run, node: NodeRun) -> None:
        if self._desk.owns(run) and node.state.in_flight:
            self._watch.add(run, node)

    def _item_brought(
        self, run: Run, chunk: NodeRun, unit: NodeRun, outputs: dict[str, Wire] | PluginOutputError
    ) -> None:
        if unit.token != chunk.id:
            return
        if isinstance(outputs, PluginOutputError):
            self._fail_item(run, unit, outputs.info())
            return
        now, spec = self._desk.clock.now(), run.spec(unit.id)
        if spec.cache is not None:
            key = cache_key(spec, run.inputs_of(unit.id), run.row.project, run.row.domain)
            run.cached.append(CachedOutputs(key, run.id, unit.id, outputs, now))
        usage = self._item_over(run, chunk, unit)
        self._desk.emit(run, AttemptSucceeded(now, unit.id, unit.attempt, outputs, usage=usage))

    # Failure and cancellation

    def failed(self, run: Run, node: NodeRun, error: ErrorInfo) -> None:
        """Every item that is left fails: there is no job, or it will say nothing more."""
        for _, unit in self._open(node):
            self._fail_item(run, unit, error)

    def confirm_cancelled(self, run: Run, node: NodeRun) -> None:
        """The service confirms that the job has ended, or that there is none."""
        for _, unit in self._open(node):
            self._confirm_item(run, node, unit)

    def _fail_item(self, run: Run, unit: NodeRun, error: ErrorInfo) -> None:
        chunk = run.state.find(unit.token)
        usage = self._item_over(run, chunk, unit) if chunk is not None else None
        self._desk.fail(run, unit, error, usage=usage)

    def _confirm_item(self, run: Run, chunk: NodeRun, unit: NodeRun) -> None:
        usage = self._item_over(run, chunk, unit)
        now, spec = self._desk.clock.now(), run.spec(unit.id)
        if run.state.phase is not RunPhase.RUNNING or chunk.cancel is CancelCause.ABORT:
            self._desk.emit(run, AttemptCancelled(now, unit.id, unit.attempt, usage=usage))
        elif chunk.cancel is CancelCause.DEADLINE:
            what = (deadline_error(unit, spec), Budget.USER)
            self._desk.emit(run, AttemptFailed(now, unit.id, unit.attempt, *what, usage=usage))
        else:
            self._desk.fail(run, unit, timeout_error(unit, spec), usage=usage)

    def _item_over(self, run: Run, chunk: NodeRun, unit: NodeRun) -> dict[str, float] | None:
        """An item holds nothing any more; before its last item's event, neither does the chunk.

        Returns:
            What the chunk used, if this is its last item.
        """
        usage = self._over(run, chunk) if chunk.pending == 1 else None
        self._attempts.give_back(run, unit)
        return usage
