"""Where an operator's file lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
    own = home / CONFIG_FILE
    if own.is_file():
        return _read(own)
    above = folder.resolve()
    if not any((each / CONFIG_FILE).is_file() for each in (above, *above.parents)):
        return NO_SETTINGS
    # Most stores and projects have no such file: they need not pay for what is imported here and below.
    from hardpoint.core.project import project_root

    place = project_root(folder / CONFIG_FILE) / CONFIG_FILE
    return _read(place) if place.is_file() else NO_SETTINGS


def _read(path: Path) -> Settings:
    from hardpoint.executor.config.reading import read_settings

    return read_settings(path)
