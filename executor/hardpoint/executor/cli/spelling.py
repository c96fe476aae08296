"""Groups, arguments and options that several commands share, as Typer knows them."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

CODES = (
    "Exit codes: 0 done; 1 the run failed or was aborted; 2 bad usage, a workflow that does not compile, "
    "or a store that cannot be read. With --json, errors come to stderr as a JSON list."
)


def group(
    help: str = "", *, name: str | None = None, alone: bool = False, cls: type[TyperGroup] = TyperGroup
) -> typer.Typer:
    """A group of commands; without a command it shows its help, unless it does something `alone`."""
    # Help through rich would cost 60 ms of every `--help`.
    return typer.Typer(
        name=name,
        cls=cls,
        help=help or None,
        epilog=CODES,
        add_completion=False,
        no_args_is_help=not alone,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


Inputs = Annotated[
    list[str] | None, typer.Argument(metavar="[--INPUT VALUE]", help="Its inputs; options may follow too.")
]
File = Annotated[str, typer.Argument(metavar="FILE", help="A Python file.")]
Name = Annotated[str, typer.Argument(metavar="WORKFLOW", help="A workflow in it.")]
Id = Annotated[
    str, typer.Argument(metavar="ID", help="A run: its id, an unambiguous end or beginning of it, or `last`.")
]
Home = Annotated[
    str,
    typer.Option("--home", metavar="FOLDER", help="The store; default $HARDPOINT_HOME, else ./.hardpoint."),
]
Project = Annotated[
    str, typer.Option("--project", "-p", metavar="NAME", help="Whose work it is; default `default`.")
]
Domain = Annotated[
    str, typer.Option("--domain", "-d", metavar="NAME", help="Of the project; default `development`.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, help="Processes for Python tasks; default: one for each core."
    ),
]
Priority = Annotated[
    int,
    typer.Option("--priority", metavar="N", help="Among the runs of its tenant, larger first; default 0."),
]
Qos = Annotated[
    str,
    typer.Option("--qos", metavar="CLASS", help="`high`, `medium` or `low`: where the priority counts from."),
]
MaxParallelism = Annotated[
    int,
    typer.Option("--max-parallelism", metavar="N", min=0, help="Nodes in flight at once; default: no limit."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
