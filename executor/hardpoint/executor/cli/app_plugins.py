"""The commands of `hardpoint plugins` with their options."""

from __future__ import annotations

from typing import Annotated

import typer

from hardpoint.executor.cli.spelling import CODES, Home, Json, group

plugins = group("Show what is installed; write, check and diagnose plugins.")

Plugin = Annotated[
    str, typer.Argument(metavar="NAME", help="A task type, an extension, or the distribution it comes from.")
]


@plugins.command("list", epilog=CODES)
def list_(json: Json = False) -> int:
    """List task types and extensions, with the distributions they come from."""
    from hardpoint.executor.cli.plugins import print_plugins

    return print_plugins(as_json=json)


@plugins.command(epilog=CODES)
def show(name: Plugin, json: Json = False) -> int:
    """Show what a task type promises, and its config."""
    from hardpoint.executor.cli.plugins_show import print_plugin

    return print_plugin(name, as_json=json)


@plugins.command(epilog=CODES)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The task type, such as `acme`.")],
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="`job`, `array` or `function`.")
    ] = "job",
    folder: Annotated[
        str, typer.Option("--folder", metavar="FOLDER", help="Where; default: ./hardpoint-NAME.")
    ] = "",
    json: Json = False,
) -> int:
    """Write a plugin's distribution, with tests that pass, to start from."""
    from hardpoint.executor.cli.plugins_new import write_plugin

    return write_plugin(name, kind, folder, as_json=json)


@plugins.command(epilog=CODES)
def manifest(
    name: Plugin,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the one in the package is current.")
    ] = False,
    json: Json = False,
) -> int:
    """Write a plugin's manifest into its package, from what it declares."""
    from hardpoint.executor.cli.plugins_manifest import write_manifest

    return write_manifest(name, only_check=check, as_json=json)


@plugins.command(epilog=CODES)
def check(
    name: Plugin,
    case: Annotated[
        str, typer.Option("--case", "-k", metavar="WORDS", help="Only cases whose names have these words.")
    ] = "",
    json: Json = False,
) -> int:
    """Hold a plugin to everything the executor relies on."""
    from hardpoint.executor.cli.plugins_check import check_plugin

    return check_plugin(name, case, as_json=json)


@plugins.command(epilog=CODES)
def doctor(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only this plugin.")] = "",
    home: Home = "",
    json: Json = False,
) -> int:
    """Find out why plugins could not work: versions, quarantine, credentials, clock, quota."""
    from hardpoint.executor.cli.plugins_doctor import diagnose

    return diagnose(name, home, as_json=json)
