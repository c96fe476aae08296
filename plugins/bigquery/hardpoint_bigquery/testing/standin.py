"""local-bigquery, which speaks the service's REST API over DuckDB, in a Python of its own.

It is installed once, from pinned packages, into `.venv-standins/bigquery` of a checkout or below
`~/.cache/hardpoint/standins`; it needs a Python 3.13. To install it beforehand:
`python -m hardpoint_bigquery.testing.standin`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = "p1"
PYTHON = "python3.13"
EXTENSIONS = ("icu", "ducklake", "sqlite", "spatial")
REQUIREMENTS = Path(__file__).with_name("standin-requirements.txt")
STARTS_WITHIN_S = 30.0
LIVES_AT_MOST_S = 900
CHECKOUT = Path(__file__).resolve().parents[4]


class StandinMissingError(Exception):
    """The stand-in cannot be installed here; the message says why."""


@contextmanager
def running() -> Iterator[str]:
    """The URL of a stand-in without jobs and tables, on a loopback port of its own; stopped at the end.

    Raises:
        StandinMissingError: It cannot be installed here.
    """
    folder = installed()
    with tempfile.TemporaryDirectory(prefix="hardpoint-bigquery-") as data:
        port = _free_port()
        with open(Path(data) / "server.log", "wb") as log:  # noqa: PTH123 - given to the process
            server = subprocess.Popen(
                [
                    *("timeout", str(LIVES_AT_MOST_S)),
                    *(str(folder / "bin" / "local-bigquery"), "--host", "127.0.0.1", "--port", str(port)),
                    *(
                        "--grpc-port",
                        "0",
                        "--project",
                        PROJECT,
                        "--data-dir",
                        str(Path(data) / "db"),
                        "serve",
                    ),
                ],
                # It looks for DuckDB's extensions there, and nowhere else.
                env={**os.environ, "HOME": str(folder / "home")},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _await(f"http://127.0.0.1:{port}", server, Path(data) / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def installed() -> Path:
    """The virtual environment of the stand-in; made if there is none, or one of other packages."""
    root = CHECKOUT / ".venv-standins"
    if not (CHECKOUT / "plugins" / "bigquery").is_dir():
        root = Path.home() / ".cache" / "hardpoint" / "standins"
    folder, wanted = root / "bigquery", REQUIREMENTS.read_text(encoding="utf-8")
    done = folder / "installed.txt"
    root.mkdir(parents=True, exist_ok=True)
    with (root / "bigquery.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
            _install(folder)
            done.write_text(wanted, encoding="utf-8")
    return folder


def _install(folder: Path) -> None:
    python = _python()
    shutil.rmtree(folder, ignore_errors=True)
    _run([python, "-m", "venv", str(folder)])
    inside = str(folder / "bin" / "python")
    # Without dependencies: the stand-in asks for a DuckDB that no extensions are published for.
    _run([inside, "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(REQUIREMENTS)])
    (folder / "home").mkdir()
    copy = f"from duckdb_extensions import import_extension as take; [take(e) for e in {EXTENSIONS!r}]"
    _run([inside, "-c", copy], home=folder / "home")


def _python() -> str:
    """A Python 3.13: on the path, or one that pyenv or uv keeps."""
    kept = [
        *Path.home().glob(".pyenv/versions/3.13.*/bin/python"),
        *Path.home().glob(".local/share/uv/python/cpython-3.13*/bin/python"),
    ]
    for found in (*map(str, sorted(kept)), shutil.which(PYTHON)):
        if (
            found
            and subprocess.run([found, "-c", "import venv"], capture_output=True, check=False).returncode == 0
        ):
            return found
    raise StandinMissingError(
        f"The stand-in for BigQuery needs `{PYTHON}`, which is not there: install one, such as with "
        "`pyenv install 3.13` or `uv python install 3.13`"
    )


def _run(command: list[str], home: Path | None = None) -> None:
    environment = os.environ if home is None else {**os.environ, "HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise StandinMissingError(f"`{' '.join(command[:4])} …` failed: {done.stderr[-500:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    query = urllib.request.Request(  # noqa: S310 - our own loopback
        f"{url}/bigquery/v2/projects/{PROJECT}/queries",
        b'{"query": "SELECT 1", "useLegacySql": false}',
        {"Content-Type": "application/json"},
    )
    while True:
        try:
            # The first query loads the extensions, which takes longer than a client waits.
            with urllib.request.urlopen(query, timeout=STARTS_WITHIN_S):  # noqa: S310
                return
        except (OSError, urllib.error.URLError) as error:
            if server.poll() is not None or time.monotonic() > deadline:
                told = log.read_text(encoding="utf-8", errors="replace")[-1000:]
                raise StandinMissingError(f"The stand-in does not answer: {error}\n{told}") from error
            time.sleep(0.1)


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
