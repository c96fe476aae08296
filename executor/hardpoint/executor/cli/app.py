"""Every command with its options; what a command does is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from hardpoint.executor.cli.app_plugins import plugins
from hardpoint.executor.cli.app_pools import pools
from hardpoint.executor.cli.options import PlanOptions, RunOptions
from hardpoint.executor.cli.plugin_commands import WithPluginCommands
from hardpoint.executor.cli.safe_mode import enter_safe_mode
from hardpoint.executor.cli.spelling import (
    CODES,
    Domain,
    File,
    Home,
    Id,
    Inputs,
    Json,
    MaxParallelism,
    Name,
    Priority,
    Project,
    Qos,
    Workers,
    group,
)

app = group(name="hardpoint", cls=WithPluginCommands)
executions = group("Look at runs; resume and abort them.")
executor = group("Run what was detached or interrupted.")
app.add_typer(executions, name="executions")
app.add_typer(executor, name="executor")
app.add_typer(plugins, name="plugins")
app.add_typer(pools, name="pools")

_own_words = {"allow_interspersed_args": False}


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hardpoint {version('hardpoint')}")
        raise typer.Exit


@app.callback()
def hardpoint(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    safe_mode: Annotated[
        bool,
        typer.Option(
            "--safe-mode", help="Import no installed plugin, here or in workers; as HARDPOINT_SAFE_MODE=1."
        ),
    ] = False,
) -> None:
    """Run typed workflows: on this machine, and through plugins on others."""
    if safe_mode:
        enter_safe_mode()


@app.command(context_settings=_own_words, epilog=CODES)
def run(
    file: File = "",
    name: Name = "",
    inputs: Inputs = None,
    project: Project = "",
    domain: Domain = "",
    home: Home = "",
    workers: Workers = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the run's id; `hardpoint executor start` runs it.")
    ] = False,
    priority: Priority = 0,
    qos: Qos = "",
    max_parallelism: MaxParallelism = 0,
    json: Json = False,
) -> int:
    """Run a workflow and wait for its end.

    `hardpoint run FILE WORKFLOW --help` lists the inputs of a workflow.
    """
    from hardpoint.executor.cli.run import run_workflow

    options = RunOptions(
        *(project, domain, home, workers, detach, json),
        priority=priority,
        qos=qos,
        max_parallelism=max_parallelism,
    )
    return run_workflow([file, name, *(inputs or [])], options)


@app.command(context_settings=_own_words, epilog=CODES)
def plan(
    file: File = "",
    name: Name = "",
    inputs: Inputs = None,
    project: Project = "",
    domain: Domain = "",
    home: Home = "",
    pools: Annotated[
        bool, typer.Option("--pools", help="Simulate it: how long it takes, and which pool limits it.")
    ] = False,
    durations: Annotated[
        str,
        typer.Option(
            "--durations",
            metavar="FILE",
            help="Seconds by task, in TOML or JSON; default `recorded`: as in earlier runs.",
        ),
    ] = "",
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Ask services what its jobs would use; nothing is started.")
    ] = False,
    workers: Workers = None,
    max_parallelism: MaxParallelism = 0,
    json: Json = False,
) -> int:
    """Show what a run would do.

    Its nodes with their plugins, limits and cache state, and its longest chain; nothing is run.
    """
    from hardpoint.executor.cli.plan import print_plan

    options = PlanOptions(
        *(project, domain, home, workers),
        json=json,
        max_parallelism=max_parallelism,
        pools=pools,
        durations=durations,
        estimate=estimate,
    )
    return print_plan([file, name, *(inputs or [])], options)


@app.command(epilog=CODES)
def explain(
    id: Id,
    node: Annotated[
        str, typer.Argument(metavar="NODE", help="Only this node, or the nodes of this sub-workflow.")
    ] = "",
    home: Home = "",
    json: Json = False,
) -> int:
    """Say why a run, or nodes of it, wait.

    Which limit binds them, who holds what they want, when they may begin, and what would help.
    """
    from hardpoint.executor.cli.explain import explain_execution

    return explain_execution(home, id, node, as_json=json)


@app.command("compile", epilog=CODES)
def compile_(
    file: File = "",
    name: Name = "",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="Where to write it; `-`: to stdout.")
    ] = "",
    json: Json = False,
) -> int:
    """Check a workflow, print its digest and write it as JSON."""
    from hardpoint.executor.cli.compile import compile_to

    return compile_to(file, name, output, as_json=json)


@app.command(epilog=CODES)
def graph(file: File = "", name: Name = "", json: Json = False) -> int:
    """Print a workflow as a Mermaid diagram."""
    from hardpoint.executor.cli.compile import print_graph

    return print_graph(file, name, as_json=json)


@executions.command("list", epilog=CODES)
def list_(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 20,
    phase: Annotated[
        list[str] | None,
        typer.Option("--phase", metavar="PHASE", help="Only these, such as FAILED; repeatable."),
    ] = None,
    usage: Annotated[
        bool, typer.Option("--usage", help="Instead, what the jobs of these runs used, by tenant.")
    ] = False,
    home: Home = "",
    json: Json = False,
) -> int:
    """List runs, the newest first."""
    from hardpoint.executor.cli.executions import list_executions

    return list_executions(home, limit, phase or [], usage=usage, as_json=json)


@executions.command(epilog=CODES)
def show(
    id: Id,
    node: Annotated[
        str,
        typer.Argument(metavar="NODE", help="Only this node, sub-workflow, or item such as `squares[17]`."),
    ] = "",
    items: Annotated[bool, typer.Option("--items", help="Tell every item of array nodes.")] = False,
    usage: Annotated[bool, typer.Option("--usage", help="Instead, what its jobs used, by task.")] = False,
    home: Home = "",
    json: Json = False,
) -> int:
    """Show one run, or one node of it: inputs, outputs, attempts, error."""
    if usage:
        from hardpoint.executor.cli.usage import show_usage

        return show_usage(home, id, node, as_json=json)
    from hardpoint.executor.cli.show import show_execution

    return show_execution(home, id, node, items=items, as_json=json)


@executions.command(epilog=CODES)
def replay(
    id: Id,
    at: Annotated[
        int | None, typer.Option("--at", metavar="SEQ", help="As it was after this event; default: the last.")
    ] = None,
    home: Home = "",
    json: Json = False,
) -> int:
    """Rebuild a run as it was after any event.

    Checks that this hardpoint decides the same; if it does not, the exit code is 1.
    """
    from hardpoint.executor.cli.replay import replay_execution

    return replay_execution(home, id, at, as_json=json)


@executions.command(epilog=CODES)
def events(
    id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    home: Home = "",
    json: Json = False,
) -> int:
    """Print the facts that are journaled about a run.

    With --follow --json, one object a line.
    """
    from hardpoint.executor.cli.executions import print_events

    return print_events(home, id, follow=follow, as_json=json)


@executions.command(epilog=CODES)
def logs(
    id: Id,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Only this node, sub-workflow or item.")] = "",
    attempt: Annotated[
        int | None, typer.Option("--attempt", metavar="N", min=1, help="Only this attempt of each node.")
    ] = None,
    home: Home = "",
    json: Json = False,
) -> int:
    """Print what the attempts of a run wrote to stdout and stderr."""
    from hardpoint.executor.cli.logs import print_logs

    return print_logs(home, id, node, attempt, as_json=json)


@executions.command(epilog=CODES)
def resume(
    id: Id,
    drop_damaged: Annotated[
        bool, typer.Option("--drop-damaged", help="Set aside what cannot be read of its journal.")
    ] = False,
    workers: Workers = None,
    home: Home = "",
    json: Json = False,
) -> int:
    """Go on with a run that has not succeeded.

    It was interrupted, failed or was aborted; what succeeded is kept.
    """
    from hardpoint.executor.cli.run import resume_execution

    return resume_execution(id, RunOptions(home=home, workers=workers, json=json), drop_damaged=drop_damaged)


@executions.command(epilog=CODES)
def abort(
    id: Id,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the run.")] = "",
    home: Home = "",
    json: Json = False,
) -> int:
    """End a run, wherever it is driven, and wait until it has ended."""
    from hardpoint.executor.cli.abort import abort_execution

    return abort_execution(home, id, reason, as_json=json)


@executor.command(epilog=CODES)
def start(
    workers: Workers = None,
    max_runs: Annotated[
        int,
        typer.Option(
            "--max-runs", metavar="N", min=1, help="With so many runs at once, take up no more; default 64."
        ),
    ] = 64,
    home: Home = "",
    json: Json = False,
) -> int:
    """Take up detached and interrupted runs.

    Until SIGTERM or Ctrl-C; then attempts in flight may end.
    """
    from hardpoint.executor.cli.serve import serve

    return serve(home, workers, max_runs, as_json=json)
