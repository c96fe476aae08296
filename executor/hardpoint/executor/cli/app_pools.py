"""The commands of `hardpoint pools` with their options."""

from __future__ import annotations

from typing import Annotated

import typer

from hardpoint.executor.cli.spelling import CODES, Home, Json, group

pools = group("Show how pools and call rates stand; set pools, and say who waits for one.", alone=True)

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it again every second, until Ctrl-C.")]
Pool = Annotated[str, typer.Argument(metavar="NAME", help="A pool, such as `athena:eu-west-1/primary`.")]


@pools.callback(invoke_without_command=True)
def pools_(context: typer.Context, watch: Watch = False, home: Home = "", json: Json = False) -> int:
    """Show how pools and call rates stand; set pools, and say who waits for one.

    Without a command: as `list`.
    """
    return 0 if context.invoked_subcommand else list_(watch, home, json)


@pools.command("list", epilog=CODES)
def list_(watch: Watch = False, home: Home = "", json: Json = False) -> int:
    """Show how pools stand, tenant by tenant, and call rates.

    With --watch --json, one object a line.
    """
    from hardpoint.executor.cli.pools import list_pools

    return list_pools(home, watch=watch, as_json=json)


@pools.command(epilog=CODES)
def explain(name: Pool, home: Home = "", json: Json = False) -> int:
    """Show who holds a pool since when, and who waits for it and why, the next first."""
    from hardpoint.executor.cli.pools_explain import explain_pool

    return explain_pool(home, name, as_json=json)


@pools.command("set", epilog=CODES)
def set_(
    name: Pool,
    capacity: Annotated[
        str, typer.Option("--capacity", metavar="N", help="Units in all, or `unlimited`.")
    ] = "",
    reserve_after: Annotated[
        str,
        typer.Option("--reserve-after", metavar="S", help="Seconds until a large claim collects; `never`."),
    ] = "",
    project: Annotated[
        str, typer.Option("--project", metavar="P", help="Whose values follow; `*`: each that is not named.")
    ] = "",
    domain: Annotated[
        str, typer.Option("--domain", metavar="P/D", help="The same, of a domain within its project.")
    ] = "",
    weight: Annotated[
        str, typer.Option("--weight", metavar="W", help="How much more than one of weight 1 it is to hold.")
    ] = "",
    guarantee: Annotated[
        str, typer.Option("--guarantee", metavar="N", help="Units it gets before those who have theirs.")
    ] = "",
    cap: Annotated[
        str, typer.Option("--cap", metavar="N", help="The most it may hold, or `unlimited`.")
    ] = "",
    lend: Annotated[
        str, typer.Option("--lend", metavar="N", help="Units of an unused guarantee to lend, or `all`.")
    ] = "",
    unset: Annotated[
        bool, typer.Option("--unset", help="Take back what was set of the tenant, or of the whole pool.")
    ] = False,
    home: Home = "",
    json: Json = False,
) -> int:
    """Change a pool for all executors of the store, at once and without a restart.

    It comes before hardpoint.toml and what plugins declare. What is held stays held.
    """
    from hardpoint.executor.cli.pools_set import set_pool
    from hardpoint.executor.pool_setting import Wish

    of_pool = {"capacity": capacity, "reserve_after_s": reserve_after}
    of_tenant = {"weight": weight, "guarantee": guarantee, "cap": cap, "lend": lend}
    pool, tenant = ({key: text for key, text in each.items() if text} for each in (of_pool, of_tenant))
    return set_pool(home, Wish(name, pool, project, domain, tenant, unset), as_json=json)
