"""How a run ended, for people and for programs; and where to look next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from hardpoint.executor.cli.arrays import typed
from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.options import RunOptions
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.cli.watching import Watched
from hardpoint.executor.cli.wording import duration, place, plural, value
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.run import Outcome
from hardpoint.executor.execution import ExecutionFailedError
from hardpoint.executor.journal.events import Artifact, RunPhase
from hardpoint.plugin_api import HardpointError

ARTIFACTS_MAX = 20


def answer_of(outcome: Outcome) -> dict[str, Any]:
    """The one object that `run --json` prints."""
    error = None
    if outcome.error is not None:
        told = outcome.error
        error = {"node": outcome.node, "code": told.code, "message": told.message, "hint": told.hint}
    phase = outcome.phase.value
    return {"execution": outcome.execution, "phase": phase, "outputs": outcome.outputs, "error": error}


def print_answer(outcome: Outcome, watched: Watched, options: RunOptions) -> int:
    """Say how a run ended; return the exit code."""
    succeeded = outcome.phase is RunPhase.SUCCEEDED
    if options.json:
        say_json(answer_of(outcome))
        return DONE if succeeded else FAILED
    say("")
    if succeeded:
        say(*(f"{name} = {value(wire)}" for name, wire in outcome.outputs.items()))
        say(f"Run `{outcome.execution}` succeeded{_in_time(watched)}", *_extras(watched))
        say(*_failed_items(outcome.execution, watched, options))
        say(f"Look closer with `hardpoint executions show {outcome.execution}{options.home_words}`")
        if any(node.log or (node.array and node.array.logs) for node in watched.state.nodes.values()):
            logs = f"executions logs {outcome.execution}{options.home_words}"
            say(f"What its attempts printed: `hardpoint {logs}`")
        return DONE
    say(str(ExecutionFailedError(outcome)), to=sys.stderr)
    say(*_extras(watched))
    node = typed(outcome.node) if outcome.node else ""
    logs = f"executions logs {outcome.execution} {node}".strip() + options.home_words
    say(f"What its attempts printed: `hardpoint {logs}`")
    return FAILED


def print_lost(execution: str, error: HardpointError, options: RunOptions) -> int:
    """Say that this process had to let go of a run that has not ended."""
    resume = f"`hardpoint executions resume {execution}{options.home_words}` goes on with it"
    hint = f"{error.hint}; then {resume}" if error.hint else resume
    if options.json:
        told = {"node": "", "code": error.code, "message": error.message, "hint": hint}
        say_json({"execution": execution, "phase": RunPhase.RUNNING.value, "outputs": {}, "error": told})
        return FAILED
    message = f"Run `{execution}` was interrupted: {error.message}"
    say(f"{message}\n\nhint: {hint}", to=sys.stderr)
    return FAILED


def _in_time(watched: Watched) -> str:
    submitted, ended_at = watched.state.submitted, watched.state.ended_at
    if submitted is None or ended_at is None:
        return ""
    return f" after {duration(ended_at - max(submitted.at, watched.since))}"


def _extras(watched: Watched) -> Iterator[str]:
    nodes = watched.state.nodes.values()
    cached = sum(bool(node.cached_from) for node in nodes)
    if cached:
        yield f"{cached} of {plural(len(nodes), 'node')} came from the cache"
    artifacts = [found for node in nodes for found in _artifacts_of(node)]
    for id, artifact in artifacts[:ARTIFACTS_MAX]:
        yield f"{artifact.title} of `{id}`: {place(artifact.reference)}"
    if len(artifacts) > ARTIFACTS_MAX:
        yield f"… and {len(artifacts) - ARTIFACTS_MAX} more artifacts"


def _artifacts_of(node: NodeRun) -> Iterator[tuple[str, Artifact]]:
    yield from ((node.id, each) for each in node.artifacts)
    if node.array is not None:
        for index, left in sorted(node.array.artifacts.items()):
            yield from ((f"{node.id}[{index}]", each) for each in left)


def _failed_items(execution: str, watched: Watched, options: RunOptions) -> Iterator[str]:
    """Failures that an array node put up with."""
    for node in watched.state.nodes.values():
        if node.array is not None and node.array.failed:
            show = f"hardpoint executions show {execution} {node.id}{options.home_words}"
            count = f"{node.array.failed:,} of {node.array.size:,} items"
            yield f"{count} of `{node.id}` failed: `{show}` lists them"
