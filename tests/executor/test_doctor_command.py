"""`hardpoint plugins doctor` as a process, over real plugins: all of its output, and its exit code."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from hardpoint.executor.home import JOURNAL_FILE
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.shared import Wanted
from hardpoint.plugin_api.testing.jobservice import JobService
from hardpoint.registry.verdicts import Finder, Verdict

SECRET = "hunter22-and-more"

SOUND = """
from hardpoint.plugin_api import Finding, Severity, Shape, TaskType, hookimpl


class Handler:
    def run(self, context, inputs):
        return {}


class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType("acme", Shape.FUNCTION, Handler, secrets=SECRETS)]

    @hookimpl
    def diagnose(self, context):
        DIAGNOSE


plugin = Plugin()
"""
PROVIDING = f"""
from hardpoint.plugin_api import SecretSource


class Providing(Plugin):
    @hookimpl
    def secret_sources(self):
        return [SecretSource("vault", lambda name: {SECRET!r})]


plugin = Providing()
"""
NOTHING = "return []"


class Said(NamedTuple):
    out: str
    err: str
    code: int

    @property
    def found(self) -> list[dict[str, str]]:
        """Findings of `--json`."""
        told = json.loads(self.out)
        assert list(told) == ["findings", "errors", "warnings"]
        findings: list[dict[str, str]] = told["findings"]
        assert [list(each) for each in findings] == [
            ["plugin", "severity", "subject", "message", "hint"]
        ] * len(findings)
        assert told["errors"] == sum(each["severity"] == "error" for each in findings)
        assert told["warnings"] == sum(each["severity"] == "warning" for each in findings)
        return findings

    def about(self, subject: str) -> dict[str, str]:
        """The one finding of a subject."""
        (found,) = (each for each in self.found if each["subject"] == subject)
        return found


class Bench:
    """A folder to work in, with a store, a cache and a folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.site = folder / "site"
        self.site.mkdir()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HARDPOINT_")}
        self.environ = {
            **inherited,
            "PYTHONPATH": str(self.site),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "HARDPOINT_HOME": str(self.home),
        }

    def install(
        self,
        source: str,
        *,
        name: str = "acme",
        api: str = "1.0",
        metadata: str = "",
        version: str = "1.0",
        task_type: str = "acme",
    ) -> None:
        """Write what `pip install` would: one module, and the metadata beside it."""
        (self.site / f"{name}_plugin.py").write_text(textwrap.dedent(source))
        info = self.site / f"hardpoint_{name}-{version}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: hardpoint-{name}\nVersion: {version}\n"
        (info / "METADATA").write_text(head + metadata)
        points = f"[hardpoint.plugins]\n{task_type} = {name}_plugin:plugin\n"
        (info / "entry_points.txt").write_text(f"{points}\n[hardpoint.api]\n{api} = {name}_plugin\n")

    def install_sound(self, diagnose: str = NOTHING, secrets: str = "()", **changes: str) -> None:
        """A plugin that works, with the body of its `diagnose`."""
        body = textwrap.indent(textwrap.dedent(diagnose).strip(), " " * 8).strip()
        source = SOUND.replace("SECRETS", secrets).replace("DIAGNOSE", body)
        self.install(source.replace('"acme"', f'"{changes.get("task_type", "acme")}"'), **changes)

    def run(self, *words: str, environ: Mapping[str, str] | None = None) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", *words],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Said(done.stdout, done.stderr, done.returncode)

    def doctor(self, *words: str, **environ: str) -> Said:
        return self.run("plugins", "doctor", *words, environ=environ)

    def manifest(self) -> None:
        """Write that of the plugin `acme`."""
        done = self.run("plugins", "manifest", "acme")
        assert done.code == 0, done


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_host_where_all_is_well_is_one_line_and_exit_code_0(bench: Bench) -> None:
    open_journal(bench.home, "sqlite").close()
    said = bench.doctor("hardpoint")
    first, line, *rest = said.out.splitlines()
    assert (first, rest, said.code) == ("hardpoint", ["", "0 errors, 0 warnings"], 0)
    assert line.startswith(f"  ok       Python {platform.python_version()} in {sys.prefix}; hardpoint ")
    assert f"`{bench.home}/hardpoint.db` can be read" in line
    assert f"the clock of the file system of `{bench.home}` agrees with ours" in line


def test_without_a_store_it_says_so_and_makes_none(bench: Bench) -> None:
    said = bench.doctor("hardpoint")
    assert f"no store in `{bench.home}` yet" in said.out
    assert said.code == 0
    assert not bench.home.exists()


def test_all_of_a_plugin_is_told_errors_first(bench: Bench) -> None:
    bench.install_sound(
        'return [Finding(Severity.WARNING, "region", "far away", "Choose a nearer one"), '
        'Finding(Severity.OK, "login", "signed in as ann"), '
        'Finding(Severity.ERROR, "permissions", "may not list jobs", "Ask for the role `reader`")]',
        secrets='("ACME_TOKEN",)',
    )
    bench.manifest()
    said = bench.doctor("acme")
    assert said.out == textwrap.dedent(
        f"""\
        hardpoint-acme
          error    secrets: Secret `ACME_TOKEN` is not set; wanted by `acme`
                   hint: Set `HARDPOINT_SECRET_ACME_TOKEN`, or put it into a file `ACME_TOKEN` and set `HARDPOINT_SECRETS` to its folder
          error    permissions: may not list jobs
                   hint: Ask for the role `reader`
          warning  environment: `hardpoint-acme` 1.0 comes from outside of this environment: `{bench.site}`
                   hint: Install it into this one; `{sys.executable} -m site` shows where that folder comes from
          warning  region: far away
                   hint: Choose a nearer one
          ok       `acme` loaded, written for plugin API 1.0 to 1.x; manifest current; signed in as ann

        2 errors, 2 warnings
        """  # noqa: E501 - as it is printed
    )
    assert said.code == 1
    assert said.err == ""


def test_a_plugin_is_also_found_by_its_distribution_however_it_is_spelled(bench: Bench) -> None:
    bench.install_sound()
    assert bench.doctor("hardpoint_acme", "--json").found == bench.doctor("acme", "--json").found


def test_an_unknown_name_is_bad_usage_with_a_suggestion(bench: Bench) -> None:
    bench.install_sound()
    said = bench.doctor("acne")
    assert (said.out, said.code) == ("", 2)
    assert said.err == "No installed plugin is called `acne`\n\nhint: Did you mean `acme`?\n"
    (refused,) = json.loads(bench.doctor("acne", "--json").err)
    assert refused["code"] == "NoPluginError"


def test_a_plugin_that_raises_at_import_is_told_with_its_traceback_and_the_others_go_on(bench: Bench) -> None:
    bench.install("raise RuntimeError('no driver')")
    bench.install_sound(name="other", task_type="acme2")
    said = bench.doctor("--json")
    (quarantined,) = (each for each in said.found if each["subject"] == "quarantine")
    assert quarantined["plugin"] == "hardpoint-acme"
    first, *trace = quarantined["message"].splitlines()
    assert first.startswith("Plugin `hardpoint-acme` 1.0 for `acme` ")
    assert "RuntimeError: no driver" in first
    assert trace[-1] == "RuntimeError: no driver"
    assert any('acme_plugin.py", line 1' in line for line in trace)
    assert "pip install --upgrade hardpoint-acme" in quarantined["hint"]
    assert "hardpoint-other" in {each["plugin"] for each in said.found}
    assert said.code == 1


def test_a_plugin_for_another_api_is_not_imported(bench: Bench) -> None:
    bench.install("open('imported', 'w')", api="9.0")
    said = bench.doctor("acme", "--json")
    assert said.about("api")["message"] == (
        "Plugin `hardpoint-acme` 1.0 for `acme` is written for plugin API 9.0 to 9.x; this hardpoint has 1.0"
    )
    assert said.code == 1
    assert not (bench.folder / "imported").exists()


def test_damaged_metadata_is_told_and_hides_nothing(bench: Bench) -> None:
    bench.install_sound()
    (bench.site / "broken-1.0.dist-info").mkdir()
    found = bench.doctor("--json").found
    (told,) = (each for each in found if each["subject"] == "metadata")
    assert (told["plugin"], str(bench.site) in told["message"]) == ("hardpoint", True)
    assert "hardpoint-acme" in {each["plugin"] for each in found}


def test_requirements_that_do_not_hold_are_errors(bench: Bench) -> None:
    wanted = [
        "msgspec>=99",
        "no-such-thing>=1",
        "pluggy>=1.0",
        'not-here; sys_platform == "win32"',
        "x; extra == 'y'",
    ]
    metadata = "Requires-Python: >=4\n" + "".join(f"Requires-Dist: {each}\n" for each in wanted)
    bench.install_sound(metadata=metadata)
    found = bench.doctor("acme", "--json").found
    have = distribution("msgspec").version
    assert [each["message"] for each in found if each["severity"] == "error"] == [
        f"`hardpoint-acme` 1.0 requires Python >=4; this is {platform.python_version()}",
        "`hardpoint-acme` 1.0 requires `no-such-thing>=1`, which is not installed",
        f"`hardpoint-acme` 1.0 requires `msgspec>=99`; {have} is installed",
    ]
    assert "1 dependency met; not checked: `not-here`" in [each["message"] for each in found]


def test_two_copies_of_a_distribution_are_told(bench: Bench) -> None:
    bench.install_sound()
    second = bench.folder / "second"
    info = second / "hardpoint_acme-0.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Hardpoint.Acme\nVersion: 0.9\n")
    said = bench.doctor("acme", "--json", PYTHONPATH=f"{bench.site}:{second}")
    assert said.about("copies")["message"] == (
        f"`hardpoint-acme` is on the path 2 times: 1.0 in `{bench.site}`, 0.9 in `{second}`; "
        "the first is imported"
    )
    assert said.code == 0


def test_a_task_type_of_two_distributions_is_an_error_of_both(bench: Bench) -> None:
    bench.install_sound()
    bench.install_sound(name="other")
    found = [each for each in bench.doctor("--json").found if each["subject"] == "task types"]
    assert [each["plugin"] for each in found] == ["hardpoint-acme", "hardpoint-other"]
    assert "is claimed by 2 installed plugins" in found[0]["message"]


def test_a_secret_in_what_a_plugin_raises_is_masked(bench: Bench) -> None:
    bench.install_sound('raise ValueError("login with " + context.secret("ACME_TOKEN") + " failed")')
    for words in (("acme",), ("acme", "--json")):
        said = bench.doctor(*words, HARDPOINT_SECRET_ACME_TOKEN=SECRET)
        assert SECRET not in said.out + said.err
        assert "its `diagnose` failed: ValueError: login with *** failed" in said.out
        assert said.code == 1


def test_a_secret_from_a_file_is_masked_in_what_a_plugin_finds_prints_and_logs(bench: Bench) -> None:
    (bench.folder / "ACME_TOKEN").write_text(SECRET + "\n")
    bench.install_sound(
        """
        token = context.secret("ACME_TOKEN")
        print(token)
        context.logger.warning(token)
        return [Finding(Severity.WARNING, "login", f"{token} expires", f"Renew {token}")]
        """,
        secrets='("ACME_TOKEN",)',
    )
    said = bench.doctor("acme", "--json", HARDPOINT_SECRETS=str(bench.folder))
    assert SECRET not in said.out + said.err
    assert (said.about("login")["message"], said.about("login")["hint"]) == ("*** expires", "Renew ***")
    assert said.about("secrets")["message"] == "secret `ACME_TOKEN` found"


def test_a_diagnosis_that_hangs_is_given_up_and_the_line_is_named(bench: Bench) -> None:
    bench.install_sound("import threading\nthreading.Event().wait()")
    began = time.monotonic()
    said = bench.doctor("acme", "--json")
    assert time.monotonic() - began < 60.0
    told = said.about("diagnose")
    assert told["message"].startswith("its `diagnose` failed: not finished after 10 s")
    assert "threading.Event().wait()" in told["message"]
    assert "examining plugins … 2.0 s" in said.err
    assert said.code == 1


def test_a_diagnosis_that_would_change_something_is_refused(bench: Bench) -> None:
    bench.install_sound("with context.calls.write():\n    return []")
    assert "must change nothing" in bench.doctor("acme", "--json").about("diagnose")["message"]


def test_a_degraded_plugin_is_told_with_the_traceback_of_its_last_failure(bench: Bench) -> None:
    bench.install_sound()
    verdict = Verdict(False, "`admit_execution` failed 3 times in a row: KeyError: 'x'", 1.7e9, "File ...\n")
    _keep(bench, Finder.BREAKER, "hardpoint-acme/acme_plugin:plugin", verdict)
    told = bench.doctor("acme", "--json").about("degraded")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1.7e9))
    assert told["severity"] == "warning"
    assert told["message"] == f"degraded since {when}: {verdict.summary}\nFile ..."


@pytest.mark.parametrize(("held", "severity"), [(True, "ok"), (False, "warning")])
def test_the_last_check_is_told(bench: Bench, held: bool, severity: str) -> None:
    bench.install_sound()
    _keep(bench, Finder.CHECK, "acme", Verdict(held, "2 of 30 cases failed", 1.7e9))
    assert bench.doctor("acme", "--json").about("check")["severity"] == severity


def _keep(bench: Bench, finder: Finder, name: str, verdict: Verdict) -> None:
    """Keep a verdict as a process with that folder on its path would."""
    code = (
        "import sys, msgspec\n"
        "from importlib.metadata import distribution\n"
        "from hardpoint.registry.verdicts import Finder, Verdict, Verdicts, cache_folder, files_digest\n"
        "digest = files_digest(distribution('hardpoint-acme'))\n"
        "verdict = msgspec.json.decode(sys.argv[3], type=Verdict)\n"
        "Verdicts(cache_folder()).write(Finder(sys.argv[1]), sys.argv[2], digest, verdict)\n"
    )
    words = [finder.value, name, msgspec.json.encode(verdict).decode()]
    subprocess.run([sys.executable, "-c", code, *words], env=bench.environ, check=True, timeout=60)


def test_a_manifest_that_is_missing_or_stale_is_told(bench: Bench) -> None:
    bench.install_sound()
    missing = bench.doctor("acme", "--json").about("manifest")
    assert (missing["severity"], "hardpoint plugins manifest acme" in missing["hint"]) == ("warning", True)
    bench.manifest()
    assert bench.doctor("acme", "--json").about("manifest")["severity"] == "ok"
    module = bench.site / "acme_plugin.py"
    module.write_text(module.read_text().replace("secrets=()", "secrets=('X',)"))
    assert (
        "does not say what the plugin declares now"
        in bench.doctor("acme", "--json").about("manifest")["message"]
    )


def test_an_unreachable_database_is_an_error_without_its_password(bench: Bench) -> None:
    bench.install_sound()
    url = "postgresql://me:pass-word-1@127.0.0.1:1/runs"
    said = bench.doctor("hardpoint", HARDPOINT_JOURNAL=url)
    assert "error    store: The journal `postgresql://me@127.0.0.1:1/runs` cannot be reached: " in said.out
    assert "hint: Check that the server is up" in said.out
    assert "pass-word-1" not in said.out + said.err
    assert said.code == 1
    of_plugin = bench.doctor("acme", "--json", HARDPOINT_JOURNAL=url)
    assert of_plugin.about("quota")["message"].startswith("not known: The journal ")
    assert of_plugin.code == 0


def test_a_damaged_hardpoint_toml_is_an_error_and_the_rest_is_examined(bench: Bench) -> None:
    (bench.folder / "hardpoint.toml").write_text("[pools\n")
    (bench.folder / "pyproject.toml").touch()
    said = bench.doctor("hardpoint", "--json")
    assert "is not TOML" in said.about("settings")["message"]
    assert said.about("python")["severity"] == "ok"
    assert said.code == 1


def test_with_a_damaged_hardpoint_toml_no_plugin_is_imported(bench: Bench) -> None:
    bench.home.mkdir()
    (bench.home / "hardpoint.toml").write_text("[pools\n")
    bench.install("open('imported', 'w')")
    told = bench.doctor("acme", "--json").about("permits")
    assert told["message"].startswith(
        "not imported: the file that says which plugins may be cannot be read: "
    )
    assert not (bench.folder / "imported").exists()


def test_a_plugin_that_is_kept_out_is_told_and_not_imported(bench: Bench) -> None:
    bench.install("open('imported', 'w')")
    said = bench.run("--safe-mode", "plugins", "doctor", "acme", "--json")
    assert said.about("permits")["message"] == "Plugin `hardpoint-acme` 1.0 for `acme` is denied by safe mode"
    bench.home.mkdir()
    (bench.home / "hardpoint.toml").write_text('[plugins]\ndeny = ["hardpoint-a*"]\n')
    denied = bench.doctor("acme", "--json")
    assert "denied by `deny = " in denied.about("permits")["message"]
    assert (said.code, denied.code) == (0, 0)
    assert not (bench.folder / "imported").exists()


def test_a_secret_that_a_plugin_provides_is_found_and_masked(bench: Bench) -> None:
    bench.install_sound('raise ValueError(context.secret("ACME_TOKEN"))', secrets='("ACME_TOKEN",)')
    with (bench.site / "acme_plugin.py").open("a") as module:
        module.write(PROVIDING)
    said = bench.doctor("acme", "--json")
    assert said.about("secrets")["message"] == "secret `ACME_TOKEN` found"
    assert "ValueError: ***" in said.about("diagnose")["message"]
    assert SECRET not in said.out + said.err


def test_a_closed_pool_is_told_of_the_plugin_whose_it_is(bench: Bench) -> None:
    bench.install_sound()
    open_journal(bench.home, "sqlite").close()
    (bench.home / "hardpoint.toml").write_text('[pools."acme:x"]\ncapacity = 0\n')
    told = bench.doctor("acme", "--json").about("quota")
    assert told["message"] == "pool `acme:x` is closed: its capacity is 0"
    assert "hardpoint pools set acme:x --capacity N" in told["hint"]


def test_a_pool_that_is_full_for_long_is_told(bench: Bench) -> None:
    bench.install_sound()
    journal = open_journal(bench.home, "sqlite")
    wanted = b'{"demands":[{"priority":0,"since":1.0,"units":1,"waiting":7,"asked_at":1.0}]}'
    journal.pools.set("acme:x", b'{"capacity":2}')
    journal.pools.lock({"acme:x": -1}, "elsewhere", 0.0)
    journal.pools.want([Wanted("acme:x", "elsewhere", "p", "d", wanted)])
    journal.pools.unlock()
    # It lives, as long as this test could take.
    journal.pools.lock({"acme:x": -1}, "elsewhere", 9e9)
    journal.pools.unlock()
    journal.close()
    with closing(sqlite3.connect(bench.home / JOURNAL_FILE)) as database:
        row = ("acme:x", "p", "d", 2, 0.0, time.time() - 3600.0, 1)
        database.execute("INSERT INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        database.commit()
    said = bench.doctor("acme")
    assert (
        "  warning  quota: pool `acme:x` is full: 2 of 2 held, 7 waiting, and nothing has moved for 60 min\n"
        "           hint: `hardpoint pools explain acme:x` shows who holds it\n"
    ) in said.out
    assert said.code == 0


@pytest.fixture(scope="module")
def service() -> Iterator[JobService]:
    with JobService(require_token=SECRET, slots=4, max_queued=10) as running:
        yield running


@pytest.fixture
def asked(bench: Bench, service: JobService) -> dict[str, Any]:
    service.configure(clock_ahead_s=0.0, max_queued=10)
    return {"HARDPOINT_JOBSERVICE_URL": service.url, "HARDPOINT_SECRET_JOBSERVICE_TOKEN": SECRET}


def test_a_plugin_of_a_service_where_all_is_well_is_one_line(
    bench: Bench, asked: dict[str, str], service: JobService
) -> None:
    said = bench.doctor("jobservice", **asked)
    name, line, empty, totals = said.out.splitlines()
    assert (name, empty, totals, said.code) == ("hardpoint-jobservice", "", "0 errors, 0 warnings", 0)
    assert line.startswith("  ok       ")
    assert line.endswith(
        f"`{service.url}` answers; tenant `default` may look; the clock of the service agrees with ours; "
        "0 of 4 slots in use, 0 jobs waiting"
    )


def test_a_token_that_a_service_refuses_is_an_error(bench: Bench, asked: dict[str, str]) -> None:
    asked["HARDPOINT_SECRET_JOBSERVICE_TOKEN"] = "another-one"
    told = bench.doctor("jobservice", "--json", **asked).about("credentials")
    assert "was answered with 403: this token may not do that" in told["message"]
    assert told["hint"] == "Check the secret that holds the service's token: `JOBSERVICE_TOKEN`"


def test_a_service_that_is_down_is_an_error(bench: Bench) -> None:
    said = bench.doctor("jobservice", "--json", HARDPOINT_JOBSERVICE_URL="http://127.0.0.1:1")
    assert "got no answer: ConnectionRefusedError" in said.about("service")["message"]
    assert said.code == 1


def test_a_service_whose_clock_is_ahead_and_whose_queue_is_full_is_warned_of(
    bench: Bench, asked: dict[str, str], service: JobService
) -> None:
    service.configure(clock_ahead_s=30.0, max_queued=0)
    said = bench.doctor("jobservice", "--json", **asked)
    ahead = said.about("clock")["message"]
    assert ahead.startswith("the clock of the service is ")
    assert 28.0 < float(ahead.split()[6]) < 32.0
    assert said.about("quota")["message"] == "tenant `default` has 0 jobs waiting, of 0 that it may have"
    assert said.code == 0


def test_the_notebook_plugin_is_well_here(bench: Bench) -> None:
    said = bench.doctor("notebook", "--json")
    assert {
        each["subject"]: each["severity"] for each in said.found if each["subject"] in ("libraries", "kernel")
    } == {
        "libraries": "ok",
        "kernel": "ok",
    }
