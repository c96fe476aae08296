"""`hardpoint executions replay`: a run as it was, and whether today's code decides the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hardpoint.core.flatten import flatten
from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.output import patience, say, say_json, table
from hardpoint.executor.cli.show import print_run, run_json
from hardpoint.executor.cli.wording import day_and_time, plural, value
from hardpoint.executor.engine.possible import Collect, Feed, Finish, Possible, Settle, Start, Stop, Watch
from hardpoint.executor.engine.replay import Difference, Replayed, replay
from hardpoint.executor.journal.protocol import ExecutionRow, Journal
from hardpoint.executor.view import RunView, existing_store, find_row, read_run, row_then
from hardpoint.plugin_api import UsageError

DIFFERENCES_SHOWN = 50
POSSIBLE_SHOWN = 10


class NoSuchEventError(UsageError):
    """The run has fewer events."""


def replay_execution(home: str, text: str, at: int | None, *, as_json: bool) -> int:
    """Print a run as it was, and what would be decided differently today.

    Args:
        home: As typed.
        text: The run's id, or an abbreviation.
        at: After which event, from 1; None: the last.
        as_json: Print one object.
    """
    with existing_store(home) as (_, journal), patience("replaying"):
        row = find_row(journal, text)
        view, replayed, total = _replayed(journal, row, at)
    now = view.events[-1].at
    if as_json:
        say_json(_as_json(view, replayed, total, now))
    else:
        print_run(view, now)
        say("", *_last_event(view, replayed, total))
        _print_differences(replayed.differences, len(view.events))
    return FAILED if replayed.differences else DONE


def _replayed(journal: Journal, row: ExecutionRow, at: int | None) -> tuple[RunView, Replayed, int]:
    compiled, events = read_run(journal, row)
    total = len(events)
    if at is not None and not 1 <= at <= total:
        raise NoSuchEventError(
            f"Run `{row.execution}` has {plural(total, 'event')}, and none is number {at}",
            hint=f"Write `--at N` with N from 1 to {total}; `hardpoint executions events {row.execution}` "
            "lists them",
        )
    replayed = replay(row, compiled, flatten(compiled), events, at)
    view = RunView(row, compiled, events[:at], replayed.run, past=True)
    view.row = row_then(view)
    return view, replayed, total


def _last_event(view: RunView, replayed: Replayed, total: int) -> Iterator[str]:
    seq, last = len(view.events), view.events[-1]
    node = getattr(last, "node", "")
    about = f" of `{node}`" if node else ""
    yield f"After event {seq} of {total}: {type(last).__name__}{about}, {day_and_time(last.at)}"
    if replayed.possible:
        words = [_words(each) for each in replayed.possible[:POSSIBLE_SHOWN]]
        more = len(replayed.possible) - len(words)
        yield f"It made possible: {', '.join(words)}" + (f", and {more} more" if more else "")


def _words(possible: Possible) -> str:
    match possible:
        case Start():
            when = f" at {day_and_time(possible.at)}" if possible.at is not None else ""
            return f"to start `{possible.node}`{when}"
        case Feed():
            return f"to start items of `{possible.node}`"
        case Settle():
            return f"to find out about the job of `{possible.node}`"
        case Watch():
            return f"to watch the job of `{possible.node}`"
        case Collect():
            return f"to read the outputs of `{possible.node}`"
        case Stop():
            return f"to stop `{possible.node}`"
        case Finish():
            return "to end the run"


def _print_differences(differences: Sequence[Difference], count: int) -> None:
    if not differences:
        say(f"This hardpoint decides the same: {plural(count, 'event')} checked")
        return
    say(f"This hardpoint decides differently, {plural(len(differences), 'time')}", "")
    rows = [
        [str(each.seq), each.event, each.node, each.what, value(each.journal), value(each.today)]
        for each in differences[:DIFFERENCES_SHOWN]
    ]
    table(["EVENT", "KIND", "NODE", "WHAT", "JOURNAL", "NOW"], rows)
    if len(differences) > DIFFERENCES_SHOWN:
        say(f"… and {len(differences) - DIFFERENCES_SHOWN} more; `--json` lists all")


def _as_json(view: RunView, replayed: Replayed, total: int, now: float) -> dict[str, Any]:
    possible = [
        {"what": type(each).__name__, "node": getattr(each, "node", ""), "at": getattr(each, "at", None)}
        for each in replayed.possible
    ]
    return {
        "execution": view.row.execution,
        "events": total,
        "at": len(view.events),
        "differences": msgspec.to_builtins(replayed.differences),
        "possible": possible,
        "run": run_json(view, now, items=False),
    }
