"""`hardpoint executions logs`: what attempts wrote, cut out of their workers' files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.engine.state import NodeState
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.executor.view import RunView, Try, existing_store, find_row, load_view
from hardpoint.plugin_api import UsageError

CHUNK_BYTES = 1 << 20
LOGS = "logs"


class UnknownNodeError(UsageError):
    """The run has no node of that name."""


class Stream(NamedTuple):
    """One of the two files of an attempt, and the part of it that is the attempt's."""

    name: str
    path: Path
    begin: int
    end: int


def print_logs(home: str, text: str, node: str, attempt: int | None, *, as_json: bool) -> int:
    """Print what attempts wrote.

    Args:
        home: As typed.
        text: The run's id, or an abbreviation.
        node: Only this one, or a sub-workflow with all its nodes; empty: all.
        attempt: Only this attempt of each node.
        as_json: Print an array with one object for each attempt.
    """
    with existing_store(home) as (folder, journal):
        view = load_view(journal, find_row(journal, text))
    tries = [each for each in _of_node(view, node) if each.attempt and attempt in (None, each.attempt)]
    if as_json:
        say_json([_as_json(each, folder) for each in tries])
        return DONE
    wrote = False
    for each in tries:
        for stream in _streams(each.log, folder):
            wrote = True
            say(f"── {each.node}, attempt {each.attempt}, {stream.name}")
            _copy(stream)
        if each.state is NodeState.STARTED:
            wrote = True
            say(f"── {each.node}, attempt {each.attempt}: in flight; its output is shown when it has ended")
    if not wrote:
        which = f" of `{node}`" if node else ""
        silent = "printed anything" if tries else "has started (what comes from the cache prints nothing)"
        say(f"No attempt{which} in run `{view.row.execution}` {silent}")
    return DONE


def _of_node(view: RunView, node: str) -> list[Try]:
    if not node:
        return view.tries
    nodes = view.state.nodes
    if node not in nodes and not any(id.startswith(f"{node}.") for id in nodes):
        raise UnknownNodeError(
            f"Run `{view.row.execution}` has no node `{node}`",
            hint=did_you_mean(
                node, nodes, f"`hardpoint executions show {view.row.execution}` lists its nodes"
            ),
        )
    return [each for each in view.tries if each.node == node or each.node.startswith(f"{node}.")]


def _streams(log: LogSpan | None, folder: Path) -> Iterator[Stream]:
    if log is None:
        return
    for name, end, (first, last) in (("stdout", "out", log.out), ("stderr", "err", log.err)):
        if last > first:
            yield Stream(name, folder / LOGS / f"{log.worker}.{end}", first, last)


def _chunks(stream: Stream) -> Iterator[bytes]:
    with stream.path.open("rb") as file:
        file.seek(stream.begin)
        left = stream.end - stream.begin
        while left and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def _copy(stream: Stream) -> None:
    sys.stdout.flush()
    last = b"\n"
    try:
        for last in _chunks(stream):
            sys.stdout.buffer.write(last)
    except FileNotFoundError:
        say(f"gone: `{stream.path}`")
        return
    sys.stdout.buffer.write(b"" if last.endswith(b"\n") else b"\n")
    sys.stdout.buffer.flush()


def _as_json(each: Try, folder: Path) -> dict[str, Any]:
    texts: dict[str, str | None] = {"stdout": "", "stderr": ""}
    for stream in _streams(each.log, folder):
        try:
            texts[stream.name] = b"".join(_chunks(stream)).decode(errors="replace")
        except FileNotFoundError:
            texts[stream.name] = None
    return {"node": each.node, "attempt": each.attempt, "state": each.state.value, **texts}
