"""Import the object behind one entry point, with stevedore, and survive whatever happens meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hardpoint.registry.quarantine import Stage, from_exception, from_hanging_thread

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

IMPORT_LIMIT_S = 60.0


def load_object(entry_point: EntryPoint, *, limit_s: float = IMPORT_LIMIT_S) -> object:
    """The object it names.

    The import runs in a thread of its own: an import that never ends then costs `limit_s` seconds once,
    and a `KeyboardInterrupt` of the user's still reaches the waiting thread.

    Args:
        entry_point: From the scan.
        limit_s: Seconds after which the import is given up.

    Returns:
        The plugin object, or a `Quarantine` for an import that raised anything or did not end.
    """
    outcome: list[object] = []

    def target() -> None:
        try:
            outcome.append(_drive(entry_point))
        except BaseException as error:  # SystemExit and friends must not get further than this plugin
            outcome.append(
                error if isinstance(error, KeyboardInterrupt) else from_exception(Stage.IMPORT, error)
            )

    thread = threading.Thread(target=target, name=f"import {entry_point.value}", daemon=True)
    thread.start()
    thread.join(limit_s)
    match outcome:
        case []:
            return from_hanging_thread(limit_s, thread.ident)
        case [KeyboardInterrupt() as interrupt]:
            raise interrupt
        case [result]:
            return result
        case several:
            raise AssertionError(several)


def _drive(entry_point: EntryPoint) -> object:
    from stevedore.driver import DriverManager

    class OneEntryPoint(DriverManager[object]):
        """Loads the entry point we chose.

        stevedore's own listing comes from a cache on disk that compares file times in steps of 128 s (an
        upgrade in place stays unseen), loses the distribution, and lets the last of two equal names win.
        """

        def list_entry_points(self) -> list[EntryPoint]:
            return [entry_point]

    manager = OneEntryPoint(
        entry_point.group,
        entry_point.name,
        on_load_failure_callback=_raise,
        on_missing_entrypoints_callback=None,
    )
    return manager.extensions[0].plugin


def _raise(manager: object, entry_point: EntryPoint, error: BaseException) -> None:
    raise error
