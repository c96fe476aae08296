"""local-bigquery, which speaks the service's REST API over DuckDB, in a Python of its own.

It is installed once, from pinned packages, where `hardpoint.plugin_api.testing.standins` says; it needs a
Python 3.13. To install it beforehand: `python -m hardpoint_bigquery.testing.standin`.
"""

from __future__ import annotations

import os
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

from hardpoint.plugin_api import PermanentSystemError
from hardpoint.plugin_api.testing import standins

PROJECT = "p1"
STARTS_WITHIN_S = 30.0
LIVES_AT_MOST_S = 900
# DuckDB looks for extensions in the home, which is that of nobody else.
EXTENSIONS = """
import os, sys
os.environ["HOME"] = os.path.join(sys.prefix, "home")
os.mkdir(os.environ["HOME"])
from duckdb_extensions import import_extension
for name in ("icu", "ducklake", "sqlite", "spatial"):
    import_extension(name)
"""
STANDIN = standins.Standin(
    "bigquery",
    tuple(Path(__file__).with_name("standin-requirements.txt").read_text(encoding="utf-8").split()),
    python="3.13",
    # It asks for a DuckDB that no extensions are published for.
    pip_options=("--no-deps",),
    steps=(EXTENSIONS,),
)


@contextmanager
def running() -> Iterator[str]:
    """The URL of a stand-in without jobs and tables, on a loopback port of its own; stopped at the end.

    Raises:
        StandinMissingError: There is no Python 3.13.
        PermanentSystemError: It cannot be installed, or does not answer.
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
    """The virtual environment of the stand-in; installed the first time, which can take some minutes."""
    return standins.installed(STANDIN)


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
                raise PermanentSystemError(f"The stand-in does not answer: {error}\n{told}") from error
            time.sleep(0.1)


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
