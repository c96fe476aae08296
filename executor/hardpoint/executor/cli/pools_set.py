"""`hardpoint pools set`: change what holds for a pool while executors run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.wording import plural
from hardpoint.executor.home import home_path, journal_url, make_home
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.shared import Holding
from hardpoint.executor.pool_reading import load_plugins, settings_of
from hardpoint.executor.pool_setting import (
    Changed,
    Wish,
    changed,
    check,
    differences,
    policy_dict,
    refused,
    too_much_held,
)
from hardpoint.executor.situation import of_wanted
from hardpoint.executor.throttle.oversize import TooLarge


def set_pool(home: str, wish: Wish, *, as_json: bool) -> int:
    """Set a pool for all executors of a store, and say what it was and is.

    Args:
        home: As typed.
        wish: What is to be set.
        as_json: Print one object.

    Raises:
        PoolChoiceError: The words do not fit together, or name no pool that can be set.
        SettingsError: A value does not fit, or contradicts another; nothing was set.
    """
    check(wish)
    folder = home_path(home, os.environ)
    if journal_url("", os.environ) == "sqlite":
        make_home(folder)
    registry = the_registry(folder)
    load_plugins(registry, [wish.pool.partition(":")[0]])
    journal = open_journal(folder)
    try:
        rows = journal.pools.rows()
        found = changed(wish, rows.settings.get(wish.pool), registry.pools(), settings_of(folder))
        waiting = rows._replace(wanted=tuple(each for each in rows.wanted if each.pool == wish.pool))
        lost = refused(of_wanted(waiting, (), time.time()), wish.pool, found.now)
        journal.pools.set(wish.pool, found.body)
    finally:
        journal.close()
    held = [each for each in rows.holdings if each.pool == wish.pool]
    if as_json:
        say_json(_as_told(wish.pool, found, held, lost))
    else:
        say(*_lines(wish.pool, found, held, lost))
    return DONE


def _lines(pool: str, found: Changed, held: Sequence[Holding], lost: Sequence[TooLarge]) -> Iterator[str]:
    news = differences(found.was, found.now)
    yield f"Pool `{pool}`" + ("" if news else ": nothing changed")
    yield from (f"  {name}: {was} → {now}" for name, was, now in news)
    for title, units, most in _excess(found, held):
        back = plural(units - most, "unit")
        yield f"  {title} holds {units}, {back} too many: nothing more is granted there until they come back"
    for each in lost:
        nodes = plural(len(each.holders), "node")
        yield f"  {nodes} that wait for {plural(each.units, 'unit')} can never get them now, and will fail"


def _excess(found: Changed, held: Sequence[Holding]) -> list[tuple[str, int, int]]:
    def units(project: str, domain: str) -> int:
        return sum(
            each.units for each in held if project in ("", each.project) and domain in ("", each.domain)
        )

    return too_much_held(found.now, units)


def _as_told(pool: str, found: Changed, held: Sequence[Holding], lost: Sequence[TooLarge]) -> dict[str, Any]:
    over = [{"where": title, "held": units, "most": most} for title, units, most in _excess(found, held)]
    return {
        "pool": pool,
        "was": policy_dict(found.was),
        "now": policy_dict(found.now),
        "too_much_held": over,
        "refused": [{"nodes": len(each.holders), "units": each.units, "most": each.most} for each in lost],
    }
