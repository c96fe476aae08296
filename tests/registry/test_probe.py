"""Plugins that no thread could survive are tried in a process of their own, once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hardpoint.plugin_api import HardpointError
from hardpoint.registry import (
    ApartExaminer,
    PluginQuarantinedError,
    PluginState,
    Remembering,
    Retrying,
    load_registry,
)
from hardpoint.registry.discovery import FoundEntryPoint, scan
from hardpoint.registry.examiner import AGAIN_AFTER_S
from hardpoint.registry.probe import try_apart
from hardpoint.registry.quarantine import Quarantine, Stage
from hardpoint.registry.verdicts import Verdicts, files_digest

if TYPE_CHECKING:
    from tests.registry.conftest import Site

PLUGIN = """
from hardpoint.plugin_api import Shape, TaskType, hookimpl
class Handler:
    def run(self, context, inputs): return {}
class Plugin:
    @hookimpl
    def task_types(self): return [TaskType("odd", Shape.FUNCTION, Handler)]
plugin = Plugin()
"""


def try_source(site: Site, source: str, *, limit_s: float = 10.0) -> Quarantine | None:
    site.install(
        "hardpoint-t-odd", task_types={"odd": "odd_mod:plugin"}, modules={"odd_mod": PLUGIN + source}
    )
    return try_apart("odd_mod:plugin", ["odd"], limit_s=limit_s)


def test_nothing_is_said_against_a_plugin_that_behaves(site: Site) -> None:
    assert try_source(site, "print('hello')") is None


@pytest.mark.parametrize(
    ("source", "stage", "summary"),
    [
        ("import os; os._exit(0)", Stage.PROBE, "it ended its host with exit code 0"),
        ("import os; os.abort()", Stage.PROBE, "killed by SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", Stage.PROBE, "killed by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", Stage.PROBE, "killed by SIGKILL"),
        ("import os; os.closerange(3, 100)", Stage.PROBE, "it closed files of its host"),
        ("raise KeyboardInterrupt", Stage.IMPORT, "KeyboardInterrupt"),
        ("big = [b'x' * (1 << 26) for n in range(1 << 20)]", Stage.IMPORT, "MemoryError"),
        ("plugin = Plugin", Stage.CONTRACT, "it is the class `Plugin`; an entry point names an object"),
        ("import os; os.chdir('/')", Stage.CONTRACT, "it changes the working directory of its host"),
        (
            "import os; os.environ['HOME'] = '/'",
            Stage.CONTRACT,
            "it changes the environment variable `HOME` of its host",
        ),
        (
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            Stage.CONTRACT,
            "it changes what its host does on SIGTERM",
        ),
        ("import os; os.close(1)", Stage.CONTRACT, "it closes or replaces the standard output of its host"),
        (
            "import io, sys; sys.stderr = io.StringIO()",
            Stage.CONTRACT,
            "it closes or replaces the standard error of its host",
        ),
        ("import os; os.getpid = str", Stage.CONTRACT, "it replaces `os.getpid` for everybody"),
        (
            "import wave; wave.open = lambda *given: None",
            Stage.CONTRACT,
            "it replaces `wave.open` for everybody",
        ),
        (
            "import json; json.JSONEncoder.default = lambda self, value: value",
            Stage.CONTRACT,
            "it replaces `json.encoder.JSONEncoder.default` for everybody",
        ),
        (
            "import sys; sys.modules['json'] = sys.modules[__name__]",
            Stage.CONTRACT,
            "it replaces the module `json` for everybody",
        ),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(60,), name='mine').start()",
            Stage.CONTRACT,
            "it leaves the thread `mine` running",
        ),
    ],
)
def test_what_would_hurt_its_host_is_told(site: Site, source: str, stage: Stage, summary: str) -> None:
    began_s = time.monotonic()
    found = try_source(site, source)
    assert time.monotonic() - began_s < 8
    assert found is not None
    assert found.stage is stage
    assert found.summary.startswith(summary)


@pytest.mark.parametrize("loop", ["import time\ntime.sleep(999)", "while True: pass"])
def test_one_that_never_ends_is_ended_and_its_line_is_told(site: Site, loop: str) -> None:
    found = try_source(site, loop, limit_s=1.0)
    assert found is not None
    assert (found.stage, found.summary) == (Stage.PROBE, "not finished after 1 s")
    assert f'File "{site.path / "odd_mod.py"}", line ' in found.traceback


def test_a_crash_tells_its_line_and_little_of_what_was_printed(site: Site) -> None:
    found = try_source(site, "print('x' * 50_000_000)\nimport ctypes\nctypes.string_at(0)")
    assert found is not None
    assert found.summary == "killed by SIGSEGV"
    assert "Fatal Python error: Segmentation fault" in found.traceback
    assert f'File "{site.path / "odd_mod.py"}", line 11 in <module>' in found.traceback
    assert "importlib" not in found.traceback
    assert len(found.traceback) < 10_000


def test_one_that_prints_too_much_is_not_let_in(site: Site) -> None:
    found = try_source(site, "print('x' * 50_000_000)")
    assert found is not None
    assert found.stage is Stage.CONTRACT
    assert found.summary.startswith("it prints 5000000")


def test_its_child_processes_end_with_it(site: Site, tmp_path: Path) -> None:
    source = f"""
import subprocess
child = subprocess.Popen(["sleep", "300"])
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
"""
    assert try_source(site, source) is None
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_fork_tells_nothing_in_the_name_of_its_parent(site: Site) -> None:
    assert try_source(site, "import os\nif os.fork() == 0: raise ValueError\n") is None


class Attempts:
    """Counts what is tried, and finds what it is told to."""

    def __init__(self, found: Quarantine | None = None) -> None:
        self.found = found
        self.count = 0

    def __call__(self, target: str, task_types: Iterable[str]) -> Quarantine | None:
        self.count += 1
        return self.found


class Clock:
    """Seconds since the epoch, as the test has them."""

    def __init__(self) -> None:
        self.at = time.time() + 10

    def __call__(self) -> float:
        return self.at


BAD = Quarantine(Stage.PROBE, "killed by SIGSEGV", "line 3")


def entries_of(site: Site) -> tuple[FoundEntryPoint, ...]:
    return tuple(entry for entry in scan() if entry.name == "echo")


@pytest.mark.parametrize("found", [None, BAD])
def test_what_was_found_holds_in_every_process_until_something_is_installed(
    site: Site, tmp_path: Path, found: Quarantine | None
) -> None:
    site.echo()
    entries, clock, attempts = entries_of(site), Clock(), Attempts(found)
    examiner = ApartExaminer(Verdicts(tmp_path / "v"), clock, attempts)
    assert examiner.remembered(entries) is None
    assert examiner.examine(entries) == found
    other = ApartExaminer(Verdicts(tmp_path / "v"), clock, attempts)
    assert (other.remembered(entries), other.examine(entries)) == (found, found)
    assert attempts.count == 1
    os.utime(site.path, (clock.at + 1, clock.at + 1))
    clock.at += 2
    other.examine(entries)
    assert attempts.count == 2
    (site.path / "echo_plugin.py").write_text("# edited")
    os.utime(site.path, (clock.at - 5, clock.at - 5))
    other.examine(entries)
    assert attempts.count == 3


def test_a_bad_one_is_tried_again_after_a_day_or_when_it_is_forgotten(site: Site, tmp_path: Path) -> None:
    site.echo()
    entries, clock, attempts = entries_of(site), Clock(), Attempts(BAD)
    examiner = ApartExaminer(Verdicts(tmp_path / "v"), clock, attempts)
    examiner.examine(entries)
    clock.at += AGAIN_AFTER_S + 1
    attempts.found = None
    assert examiner.remembered(entries) is None
    assert examiner.examine(entries) is None
    clock.at += 10 * AGAIN_AFTER_S
    assert examiner.examine(entries) is None
    assert attempts.count == 2
    examiner.forget(entries)
    examiner.examine(entries)
    assert attempts.count == 3


def test_what_was_bad_is_tried_again_by_whoever_retries_and_what_was_good_is_not(
    site: Site, tmp_path: Path
) -> None:
    site.echo()
    entries, clock, attempts = entries_of(site), Clock(), Attempts(BAD)
    examiner = ApartExaminer(Verdicts(tmp_path / "v"), clock, attempts)
    examiner.examine(entries)
    attempts.found = None
    assert Retrying(examiner).remembered(entries) == BAD
    assert Retrying(examiner).examine(entries) is None
    assert Retrying(examiner).examine(entries) is None
    assert attempts.count == 2


def test_a_worker_tries_nothing_and_goes_by_what_was_found_however_old(site: Site, tmp_path: Path) -> None:
    site.echo()
    entries, clock = entries_of(site), Clock()
    verdicts = Verdicts(tmp_path / "v")
    worker = Remembering(verdicts)
    assert worker.examine(entries) is None
    ApartExaminer(verdicts, clock, Attempts(BAD)).examine(entries)
    clock.at += 10 * AGAIN_AFTER_S
    assert worker.examine(entries) == BAD


def test_a_plugin_that_cannot_be_tried_is_imported_all_the_same(site: Site, tmp_path: Path) -> None:
    def no_process(target: str, task_types: Iterable[str]) -> None:
        raise OSError("no more processes")

    site.echo()
    examiner = ApartExaminer(Verdicts(tmp_path / "v"), time.time, no_process)
    assert examiner.examine(entries_of(site)) is None
    assert list(tmp_path.glob("v/**/*.json")) == []


def test_the_digest_of_an_editable_install_changes_with_its_modules(site: Site) -> None:
    site.echo()
    distribution = entries_of(site)[0].entry_point.dist
    assert distribution is not None
    before = files_digest(distribution)
    assert files_digest(distribution) == before
    module = site.path / "echo_plugin.py"
    os.utime(module, (1, 1))
    assert files_digest(distribution) != before


def test_the_digest_of_a_wheel_is_that_of_its_record_alone(site: Site) -> None:
    site.echo()
    metadata = site.path / "hardpoint_echo-1.0.dist-info"
    (metadata / "RECORD").write_text("echo_plugin.py,sha256=abc,12\n")
    distribution = entries_of(site)[0].entry_point.dist
    assert distribution is not None
    before = files_digest(distribution)
    os.utime(site.path / "echo_plugin.py", (1, 1))
    assert files_digest(distribution) == before
    (metadata / "RECORD").write_text("echo_plugin.py,sha256=def,12\n")
    assert files_digest(distribution) != before


def test_a_registry_refuses_what_would_end_it_and_lists_it_without_trying_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    site.install(
        "hardpoint-broken",
        task_types={"broken": "broken_plugin:plugin"},
        modules={"broken_plugin": "import os; os._exit(3)"},
    )
    site.echo()
    registry = load_registry()
    with pytest.raises(PluginQuarantinedError) as caught:
        registry.task_type("broken")
    message = (
        "Plugin `hardpoint-broken` 1.0 for `broken` failed when it was tried in a process of its own: "
        "`it ended its host with exit code 3`"
    )
    assert caught.value.message == message
    assert "`hardpoint plugins doctor` tries it again" in caught.value.hint
    assert registry.task_type("echo").name == "echo"
    rows = {row.name: row for row in load_registry().installed()}
    assert (rows["broken"].state, rows["broken"].problem) == (PluginState.QUARANTINED, message)
    assert rows["echo"].state is PluginState.INSTALLED


def test_ctrl_c_while_a_plugin_is_tried_ends_the_trial(site: Site) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            try_source(site, "import time\ntime.sleep(99)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_import_that_fails_in_the_host_alone_is_quarantined(site: Site) -> None:
    site.install(
        "hardpoint-t-twice",
        task_types={"odd": "twice_mod:plugin"},
        modules={"twice_mod": PLUGIN + "import sys\nif 'probe_child' not in sys.argv[0]: 1/0\n"},
    )
    with pytest.raises(HardpointError, match="ZeroDivisionError"):
        load_registry().task_type("odd")
