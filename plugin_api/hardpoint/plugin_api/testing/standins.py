"""Stand-ins of services from other packages: installed once, into a Python of their own.

An emulator of a vendor's service needs packages that do not belong into the environment of a plugin, or fit
none that is there. It gets a virtual environment of its own, which all later runs use.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from hardpoint.plugin_api.errors import HardpointError, PermanentSystemError

FOLDER_VARIABLE = "HARDPOINT_STANDINS"
CHECKOUT = Path(__file__).parents[4]
KEPT_BY = (".pyenv/versions/{}.*/bin/python", ".local/share/uv/python/cpython-{}*/bin/python")
WORDS_MAX = 1000


class StandinMissingError(HardpointError):
    """No Python of the version that a stand-in needs; a kit skips: `pytest.skip(f"platform: {error}")`."""


class Standin(msgspec.Struct, frozen=True):
    """What a stand-in is made of. Whatever changes here, the environment is made anew.

    Args:
        name: Of its folder.
        requirements: Packages with their versions, as pip takes them.
        python: The version it needs, such as `3.13`; empty for the one that runs this.
        pip_options: Further options of `pip install`.
        steps: Python code that runs in the environment, one after the other, once everything is installed.

    >>> Standin("moto", ("moto==5.2.5",)).stamp == Standin("moto", ("moto==5.2.6",)).stamp
    False
    """

    name: str
    requirements: tuple[str, ...]
    python: str = ""
    pip_options: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """The name of a file that lies in a complete environment of just this."""
        parts = (*self.requirements, self.python, *self.pip_options, *self.steps)
        return hashlib.sha256(" ".join(filter(None, parts)).encode()).hexdigest()[:16]


def standins_folder(checkout: Path = CHECKOUT) -> Path:
    """Where environments of stand-ins lie.

    Args:
        checkout: Where hardpoint's sources are, if it runs from a checkout.

    Returns:
        What `HARDPOINT_STANDINS` says; else `.venv-standins` in a checkout; else
        `~/.cache/hardpoint/standins`.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    if (checkout / "plugins").is_dir() and (checkout / "pyproject.toml").is_file():
        return checkout / ".venv-standins"
    return Path.home() / ".cache" / "hardpoint" / "standins"


def installed(standin: Standin) -> Path:
    """The virtual environment of a stand-in; made if there is none, or one of something else.

    The first time takes as long as pip does. Processes that ask together wait for the one that installs.

    Returns:
        Its folder; the Python is `bin/python` in it.

    Raises:
        StandinMissingError: There is no Python of its version.
        PermanentSystemError: Making the environment, pip or a step failed.
    """
    folder = standins_folder() / standin.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{standin.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / standin.stamp).exists():
            _install(standin, folder)
    return folder


def python_of(version: str) -> str:
    """A Python of a version: the one that runs this, one that pyenv or uv keeps, or `pythonX.Y` on the path.

    Args:
        version: `3.13`; empty for the one that runs this.

    Raises:
        StandinMissingError: There is none.

    >>> python_of("") == sys.executable
    True
    """
    if version in ("", f"{sys.version_info.major}.{sys.version_info.minor}"):
        return sys.executable
    kept = [str(path) for each in KEPT_BY for path in sorted(Path.home().glob(each.format(version)))]
    for found in (*kept, shutil.which(f"python{version}")):
        if found and _starts(found):
            return found
    raise StandinMissingError(
        f"The stand-in needs Python {version}, and there is none on the path, of pyenv or of uv",
        hint=f"Run `uv python install {version}` or `pyenv install {version}`",
    )


def _starts(python: str) -> bool:
    """Whether it does: what pyenv puts on the path is there even if that version is not."""
    done = subprocess.run([python, "-c", "import venv"], capture_output=True, check=False)
    return done.returncode == 0


def _install(standin: Standin, folder: Path) -> None:
    # From scratch: an interrupted installation, or one of other versions, may lie there.
    _run(standin, python_of(standin.python), "-m", "venv", "--clear", str(folder))
    python = str(folder / "bin" / "python")
    quietly = ("-q", "--disable-pip-version-check")
    _run(standin, python, "-m", "pip", "install", *quietly, *standin.pip_options, *standin.requirements)
    for step in standin.steps:
        _run(standin, python, "-c", step)
    (folder / standin.stamp).touch()


def _run(standin: Standin, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermanentSystemError(
            f"Installing the stand-in `{standin.name}` failed: `{' '.join(command[:3])} …` ended with "
            f"{done.returncode}: {done.stderr[-WORDS_MAX:]}",
            hint="The first run downloads packages; later ones need no network",
        )
