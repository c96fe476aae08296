"""Stand-ins are installed once, from scratch if anything of them changed, and run beside the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from hardpoint.plugin_api import PermanentSystemError
from hardpoint.plugin_api.testing.port_process import PortProcess
from hardpoint.plugin_api.testing.standins import (
    FOLDER_VARIABLE,
    Standin,
    StandinMissingError,
    installed,
    python_of,
    standins_folder,
)

SERVER = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
class Tell(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200 if "n" in asked else 400)
        self.end_headers()
        self.wfile.write(json.dumps([self.path, asked]).encode())
    def log_message(self, *args):
        pass
server = HTTPServer(("127.0.0.1", 0), Tell)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
"""


def wheel(folder: Path, version: str) -> str:
    """A package of one module, as a file that pip installs without a network."""
    path = folder / f"parrot-{version}-py3-none-any.whl"
    info = f"parrot-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("parrot.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: parrot\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return str(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "standins"))
    return tmp_path / "standins"


def version_in(environment: Path) -> str:
    asked = [str(environment / "bin" / "python"), "-c", "import parrot; print(parrot.VERSION)"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_a_standin_is_installed_once_and_anew_when_it_changed(folder: Path, tmp_path: Path) -> None:
    note = "import pathlib, sys; open(pathlib.Path(sys.prefix) / 'steps', 'a').write('x')"
    parrot = Standin("parrot", (wheel(tmp_path, "1.0"),), pip_options=("--no-index",), steps=(note, note))
    with ThreadPoolExecutor(2) as threads:
        assert set(threads.map(installed, [parrot, parrot])) == {folder / "parrot"}
    assert version_in(folder / "parrot") == "1.0"
    assert (folder / "parrot" / "steps").read_text() == "xx"
    later = msgspec.structs.replace(parrot, requirements=(wheel(tmp_path, "2.0"),), steps=(note,))
    assert version_in(installed(later)) == "2.0"
    assert (folder / "parrot" / "steps").read_text() == "x", "nothing of before is left"


def test_a_failed_step_is_told_and_tried_again_the_next_time(folder: Path, tmp_path: Path) -> None:
    fails = ("raise SystemExit('no parrots')",)
    broken = Standin("broken", (wheel(tmp_path, "1.0"),), pip_options=("--no-index",), steps=fails)
    for _ in range(2):
        with pytest.raises(PermanentSystemError, match=r"stand-in `broken` failed: .*: no parrots"):
            installed(broken)


def test_a_python_that_is_not_there_is_told_with_what_helps(folder: Path) -> None:
    with pytest.raises(StandinMissingError, match=r"Python 3\.99") as missing:
        installed(Standin("future", ("parrot",), python="3.99"))
    assert "uv python install 3.99" in missing.value.hint
    assert not (folder / "future").exists()


def test_a_python_that_only_seems_to_be_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    with pytest.raises(StandinMissingError):
        python_of("3.99")
    kept = tmp_path / ".pyenv" / "versions" / "3.99.1" / "bin" / "python"
    kept.parent.mkdir(parents=True)
    kept.symlink_to(sys.executable)
    assert python_of("3.99") == str(kept)


def test_the_folder_is_the_one_that_is_named_or_of_the_checkout_or_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert standins_folder(tmp_path) == tmp_path / "me" / ".cache" / "hardpoint" / "standins"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert standins_folder(tmp_path) == tmp_path / ".venv-standins"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "given"))
    assert standins_folder(tmp_path) == tmp_path / "given"


def test_a_process_is_told_things_and_ends_with_its_context() -> None:
    with PortProcess([sys.executable, "-c", SERVER], os.environ) as process:
        assert process.url == f"http://127.0.0.1:{process.port}"
        assert process.tell("count", n=1) == ["/standin/count", {"n": 1}]
        with pytest.raises(PermanentSystemError, match="`count` of the stand-in was refused"):
            process.tell("count", m=1)
    process.close()
    with pytest.raises(ConnectionError):
        process.tell("count", n=1)


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "print('words', flush=True); input()"])
def test_a_process_that_prints_no_port_has_failed(code: str) -> None:
    with pytest.raises(PermanentSystemError, match="printed no port"):
        PortProcess([sys.executable, "-c", code])


def test_a_process_that_says_nothing_is_not_waited_for_forever() -> None:
    began = time.monotonic()
    with pytest.raises(PermanentSystemError, match=r"no port within 0\.2 s"):
        PortProcess([sys.executable, "-c", "input()"], started_within_s=0.2)
    assert time.monotonic() - began < 30
