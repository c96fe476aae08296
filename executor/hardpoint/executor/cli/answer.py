"""How a run ended, for people and for programs; and where to look next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.options import RunOptions
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.cli.watching import Watched
from hardpoint.executor.cli.wording import duration, place, plural, value
from hardpoint.executor.engine.run import Outcome
from hardpoint.executor.execution import ExecutionFailedError
from hardpoint.executor.journal.events import RunPhase
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
        say(f"Look closer with `hardpoint executions show {outcome.execution}{options.home_words}`")
        if any(node.log for node in watched.state.nodes.values()):
            logs = f"executions logs {outcome.execution}{options.home_words}"
            say(f"What its attempts printed: `hardpoint {logs}`")
        return DONE
    say(str(ExecutionFailedError(outcome)), to=sys.stderr)
    say(*_extras(watched))
    logs = f"executions logs {outcome.execution} {outcome.node}".strip() + options.home_words
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
    artifacts = [(node.id, each) for node in nodes for each in node.artifacts]
    for id, artifact in artifacts[:ARTIFACTS_MAX]:
        yield f"{artifact.title} of `{id}`: {place(artifact.reference)}"
    if len(artifacts) > ARTIFACTS_MAX:
        yield f"… and {len(artifacts) - ARTIFACTS_MAX} more artifacts"
