"""`hardpoint run` and `executions resume`: drive one run to its end and say how it ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hardpoint.core.compiled import from_json
from hardpoint.core.flatten import flatten
from hardpoint.core.store import BlobStore
from hardpoint.executor.api import DEFAULT_DOMAIN, DEFAULT_PROJECT, Executor
from hardpoint.executor.cli.answer import print_answer, print_lost
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.flows import file_and_name, open_workflow, quiet_logs, workflows_in
from hardpoint.executor.cli.inputs import help_lines, read_inputs
from hardpoint.executor.cli.interrupts import ctrl_c
from hardpoint.executor.cli.options import RunOptions
from hardpoint.executor.cli.output import patience, say, say_json
from hardpoint.executor.cli.watching import (
    JOIN_S,
    LinePrinter,
    Printer,
    SilentPrinter,
    Watched,
    show_while_it_runs,
)
from hardpoint.executor.cli.words import parse_words
from hardpoint.executor.execution import Execution
from hardpoint.executor.home import home_path
from hardpoint.executor.view import find_row
from hardpoint.plugin_api import HardpointError


def run_workflow(words: Sequence[str], options: RunOptions) -> int:
    """Run a workflow.

    Args:
        words: FILE, WORKFLOW, and what follows them.
        options: Those before FILE.
    """
    file, name, rest = file_and_name(words)
    if not name and "--help" in rest and file.endswith(".py"):
        return _list_workflows(file)
    workflow = open_workflow(file, name, "run")
    parsed = parse_words(rest, workflow.interface)
    options = parsed.merged(options)
    if options.help:
        say(*help_lines(file, name, workflow))
        return DONE
    _settle_logs(options)
    store = BlobStore(str(home_path(options.home, os.environ) / "blobs"))
    with patience("reading the inputs"):
        wires = read_inputs(workflow.interface, parsed, store)
    with _executor(options) as executor:
        if options.detach:
            _print_detached(executor.enqueue(workflow, wires, **options.terms), options)
            return DONE
        execution = executor.submit_wires(workflow, wires, **options.terms)
        if execution.queued:
            say(f"Run `{execution.id}` is queued: its tenant has as many runs as it may", to=sys.stderr)
        return _drive(executor, execution, Watched(execution.id, flatten(workflow.compile())), options)


def resume_execution(text: str, options: RunOptions, *, drop_damaged: bool) -> int:
    """Go on with a run.

    Args:
        text: Its id, or an abbreviation.
        options: Of the command.
        drop_damaged: Set aside what cannot be read of its journal.
    """
    _settle_logs(options)
    with _executor(options) as executor:
        row = find_row(executor.journal, text)
        if drop_damaged:
            last = executor.journal.drop_damaged(row.execution)
            say(f"Run `{row.execution}` goes on from event {last}", to=sys.stderr)
        changed = executor.changed_files(row.execution)
        if changed:
            say(f"Changed since this run was submitted, and not used: {', '.join(changed)}", to=sys.stderr)
        now = time.time()
        execution = executor.resume(row.execution)
        graph = flatten(from_json(executor.journal.workflow(row.digest)))
        return _drive(executor, execution, Watched(row.execution, graph, since=now), options)


def _list_workflows(file: str) -> int:
    say(f"Usage: hardpoint run {file} WORKFLOW [--INPUT VALUE]...", "", "Workflows:")
    found = [f"  {name}{each.interface}" for name, each in workflows_in(file).items()]
    say(*(found or ["  none"]))
    return DONE


def _settle_logs(options: RunOptions) -> None:
    if options.json:
        quiet_logs()


@contextmanager
def _executor(options: RunOptions) -> Iterator[Executor]:
    """An executor that is let go of at once, whatever is in flight: what ended loses nothing by that."""
    project, domain = options.project or DEFAULT_PROJECT, options.domain or DEFAULT_DOMAIN
    executor = Executor(options.home or None, workers=options.workers, project=project, domain=domain)
    try:
        yield executor
    finally:
        executor.drain(grace_s=0.0)


def _print_detached(execution: str, options: RunOptions) -> None:
    if options.json:
        say_json({"execution": execution, "phase": "QUEUED", "outputs": {}, "error": None})
        return
    say(execution)
    say(f"Run it with `hardpoint executor start{options.home_words}`", to=sys.stderr)


def _printer(executor: Executor, watched: Watched, options: RunOptions) -> Printer:
    stream = sys.stderr if options.json else sys.stdout
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from hardpoint.executor.cli.live_reasons import LiveReasons
        from hardpoint.executor.cli.tree import TreePrinter
        from hardpoint.executor.explaining_run import Store, shadow

        store = Store(executor.journal, executor.registry, executor.settings)
        run = shadow(executor.journal, watched.state)
        return TreePrinter(watched, stream, LiveReasons(store, run))
    return SilentPrinter() if options.json else LinePrinter(watched, stream, time.time)


def _drive(executor: Executor, execution: Execution, watched: Watched, options: RunOptions) -> int:
    printer = _printer(executor, watched, options)

    def abort() -> None:
        printer.remark("Aborting the run; press Ctrl-C again to leave it as it is")
        execution.abort("Ctrl-C")

    def leave() -> None:
        printer.end()
        executor.drain(grace_s=0.0)

    leaving = f"Left; `hardpoint executions resume {execution.id}{options.home_words}` goes on with it"
    printer.begin()
    try:
        with ctrl_c(once=abort, twice=leave, leaving=leaving):
            view = show_while_it_runs(execution, printer)
            outcome: Any = _outcome(execution)
            view.join(JOIN_S)
    finally:
        printer.end()
    if isinstance(outcome, HardpointError):
        return print_lost(execution.id, outcome, options)
    return print_answer(outcome, watched, options)


def _outcome(execution: Execution) -> Any:
    try:
        return execution.outcome()
    except HardpointError as error:
        return error
