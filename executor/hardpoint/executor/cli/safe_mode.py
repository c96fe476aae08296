"""`hardpoint --safe-mode`: no installed plugin is imported, by this process or by its workers."""

from __future__ import annotations

import os

VARIABLE = "HARDPOINT_SAFE_MODE"
"""As `hardpoint.registry.SAFE_MODE`, which is not worth importing the registry for."""


def enter_safe_mode() -> None:
    """From now on; processes that are started inherit it."""
    os.environ[VARIABLE] = "1"
