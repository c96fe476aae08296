"""Where an operator's file lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hardpoint.core.project import project_root
from hardpoint.executor.config.settings import NO_SETTINGS, Settings

CONFIG_FILE = "hardpoint.toml"
CONFIG_VARIABLE = "HARDPOINT_CONFIG"


def find_settings(given: str | Path | None, home: Path, environ: Mapping[str, str], folder: Path) -> Settings:
    """The settings that hold for an executor; none if there is no file.

    Args:
        given: The file, if the caller names it; else it is the one in `$HARDPOINT_CONFIG`, else
            `hardpoint.toml` in the store's home, else that in the project's root.
        home: The store's folder.
        environ: Of this process.
        folder: Where this process works; its project is meant.

    Raises:
        SettingsError: The file cannot be read, or something in it does not fit.
    """
    named = given or environ.get(CONFIG_VARIABLE)
    if named:
        return _read(Path(named))
    root = project_root(folder / CONFIG_FILE)
    found = (place for place in (home / CONFIG_FILE, root / CONFIG_FILE) if place.is_file())
    first = next(found, None)
    return NO_SETTINGS if first is None else _read(first)


def _read(path: Path) -> Settings:
    # Most stores have no such file: they need not pay for parser and checks.
    from hardpoint.executor.config.reading import read_settings

    return read_settings(path)
