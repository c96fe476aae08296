"""The job service as a process: its command line, its end, its seed, and how much it can take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from hardpoint.plugin_api import TransientError
from hardpoint.plugin_api.testing.jobservice import JobService, ScriptedFault, Settings
from hardpoint.plugin_api.testing.jobservice.ceiling import measure
from hardpoint.plugin_api.testing.jobservice.faults import Faults

COMMAND = [sys.executable, "-m", "hardpoint.plugin_api.testing.jobservice"]
PROMISED_PER_CORE_S = 3_000


def start(*flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_first_line_is_the_url() -> None:
    with start("--port", "0", "--p-lost", "0.25", "--faults-on", "POST *") as process:
        url = first_line(process)
        with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
            assert answer.read() == b'{"ok":true}'
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_it_ends_with_the_process_that_holds_its_input() -> None:
    with start("--until-eof") as process:
        assert first_line(process).startswith("http://127.0.0.1:")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def test_context_manager_passes_settings_and_stops() -> None:
    with JobService(slots=3, p_lost=0.5, faults_on="POST *|DELETE *", require_token="") as service:
        pid = service.pid
        assert service.configure() == Settings(slots=3, p_lost=0.5, faults_on="POST *|DELETE *")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    service.stop()


def test_service_that_cannot_start_says_with_which_command() -> None:
    with JobService() as first:
        port = first.url.rpartition(":")[2]
        second = JobService()
        with pytest.raises(TransientError) as caught:
            second.start(port=int(port))
    assert f"--port {port} " in str(caught.value)


def draws(faults: Faults, count: int, request: str = "POST /v1/jobs") -> list[str]:
    drawn = (faults.draw(request, 0.0) for _ in range(count))
    return ["" if fault is None else fault.name for fault in drawn]


def test_same_seed_same_faults() -> None:
    settings = Settings(p_500=0.1, p_lost=0.1, p_dup=0.1, p_slow=0.1, p_malformed=0.1, seed=7)
    first = draws(Faults(settings), 200)
    assert first == draws(Faults(settings), 200)
    assert set(first) == {"", "500", "lost", "dup", "slow", "malformed"}
    assert first != draws(Faults(settings.changed({"seed": 8})), 200)


def test_reset_starts_the_seed_anew() -> None:
    faults = Faults(Settings(p_lost=0.5))
    first = draws(faults, 50)
    faults.reset()
    assert draws(faults, 50) == first


def test_faults_hit_only_what_they_are_set_on() -> None:
    faults = Faults(Settings(p_lost=1.0, faults_on="POST /v1/jobs|DELETE *"))
    assert draws(faults, 1, "GET /v1/jobs/j1") == [""]
    assert draws(faults, 1, "DELETE /v1/jobs/j1") == ["lost"]


def test_flapping_is_the_last_tenth_of_each_period() -> None:
    faults = Faults(Settings(flap_s=10.0))
    ages_s = (0.0, 8.9, 9.5, 10.1, 19.9)
    drawn = [faults.draw("GET /", age_s) for age_s in ages_s]
    assert [fault and fault.status for fault in drawn] == [None, None, 503, None, 503]


def test_outage_has_a_beginning_and_an_end() -> None:
    faults = Faults(Settings(outage_after_s=5.0, outage_s=2.0))
    drawn = [faults.draw("GET /", age_s) for age_s in (4.9, 5.0, 6.9, 7.0)]
    assert [fault and fault.name for fault in drawn] == [None, "cut", "cut", None]


def test_scripted_faults_come_in_their_order() -> None:
    faults = Faults(Settings())
    faults.script([ScriptedFault("POST *", "lost", times=2), ScriptedFault("*", "500")])
    assert draws(faults, 4) == ["lost", "lost", "500", ""]


def test_a_core_answers_more_than_promised() -> None:
    assert [ceiling for ceiling in measure(4_000) if ceiling.per_core_s < PROMISED_PER_CORE_S] == []
