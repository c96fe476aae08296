"""`hardpoint executions logs`: what attempts wrote, cut out of their workers' files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.nodes import named_by, tries_at
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.executor.view import Try, existing_store, find_row, load_view

CHUNK_BYTES = 1 << 20
LOGS = "logs"


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
        node: Only this node, item, or sub-workflow with all its nodes; empty: all.
        attempt: Only this attempt of each node.
        as_json: Print an array with one object for each attempt.
    """
    with existing_store(home) as (folder, journal):
        view = load_view(journal, find_row(journal, text))
    found = tries_at(view, named_by(view, node)) if node else view.tries
    tries = [each for each in found if each.attempt and attempt in (None, each.attempt)]
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


def copy_log(each: Try, folder: Path, bytes_max: int, command: str) -> None:
    """Print the end of what one attempt wrote.

    Args:
        each: The attempt.
        folder: The store.
        bytes_max: Of each stream, at most so much.
        command: What prints all of it.
    """
    for stream in _streams(each.log, folder):
        cut = max(stream.begin, stream.end - bytes_max)
        said = f"; all of it: `{command}`" if cut > stream.begin else ""
        say("", f"── attempt {each.attempt}, {stream.name}{said}")
        _copy(stream._replace(begin=cut))


def _as_json(each: Try, folder: Path) -> dict[str, Any]:
    texts: dict[str, str | None] = {"stdout": "", "stderr": ""}
    for stream in _streams(each.log, folder):
        try:
            texts[stream.name] = b"".join(_chunks(stream)).decode(errors="replace")
        except FileNotFoundError:
            texts[stream.name] = None
    return {"node": each.node, "attempt": each.attempt, "state": each.state.value, **texts}
