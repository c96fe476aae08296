"""`hardpoint plugins list`, `show` and `manifest`, on real distributions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hardpoint.plugin_api import (
    MANIFEST_FILE,
    Idempotency,
    Manifest,
    ManifestTaskType,
    PollPolicy,
    RateLimit,
    ResourceClaim,
    ResourcePool,
    Shape,
)
from hardpoint.plugin_api.testing.manifest import expect_current_manifest
from hardpoint.registry.discovery import scan
from hardpoint.registry.manifest import to_json
from hardpoint.registry.verdicts import Finder, Verdict, Verdicts, cache_folder, files_digest

if TYPE_CHECKING:
    from tests.registry.conftest import Site

BOOM = "raise AssertionError('imported')"
CONFIG = {
    "$ref": "#/$defs/Config",
    "$defs": {
        "Config": {
            "properties": {
                "limit": {"type": "integer", "default": 10, "description": "Most rows."},
                "table": {"type": "string"},
            },
            "required": ["table"],
        }
    },
}
VAULT = Manifest(
    format=1,
    target="mv_module:plugin",
    api=("1.0",),
    hooks=("log_links", "task_types"),
    task_types=(
        ManifestTaskType(
            name="mv",
            shape=Shape.ARRAY,
            config=CONFIG,
            doc="Copies rows",
            idempotency=Idempotency.SEARCH,
            settling_delay_s=30.0,
            poll=PollPolicy(batch_max=1),
            secrets=("MV_TOKEN",),
            capabilities=("array", "cancel"),
            claims=(ResourceClaim("mv:all", 2),),
            items_max=50,
        ),
        ManifestTaskType(name="mw", shape=Shape.FUNCTION, config={}),
    ),
    pools=(ResourcePool("mv:all", 4), ResourcePool("mw:*", 1)),
    rates=(RateLimit("mv:*"),),
    secret_sources=("vault",),
)

SHOWN = """\
mv: Copies rows

Distribution  hardpoint-m-v 1.0
Plugin API    1.0 to 1.x
Shape         array
Idempotency   search, settling 30.0 s
Polls         after 200 ms, then after 10% of its age, at most 30.0 s; 1 job a call of at most 1 min 00 s
Items         1 to 50 in one create
Capabilities  array, cancel
Secrets       MV_TOKEN
Claims        2 of mv:all
Pool          mv:all, 4 slots
Rate limit    mv:*, 10 reads/s, 10 writes/s
Secrets from  vault
Hooks         log_links, task_types
Verdict       never checked

Config
  FIELD  TYPE     DEFAULT   MEANING
  table  string   required
  limit  integer  10        Most rows.
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def hardpoint(site: Site, *words: str) -> tuple[int, str, str]:
    """Run one command as a user does; its exit code and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "hardpoint.executor.cli", "plugins", *words],
        env={**os.environ, "PYTHONPATH": str(site.path)},
        cwd=site.path,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def listed(site: Site, name: str) -> dict[str, Any]:
    code, out, _ = hardpoint(site, "list", "--json")
    assert code == 0
    found: dict[str, Any] = next(row for row in json.loads(out) if row["name"] == name)
    return found


def table(site: Site) -> list[str]:
    """What `list` prints, as lines of words."""
    return [" ".join(line.split()) for line in hardpoint(site, "list")[1].splitlines()]


def install_vault(site: Site) -> Path:
    site.install(
        "hardpoint-m-v",
        task_types={"mv": "mv_module:plugin", "mw": "mv_module:plugin"},
        modules={"mv_module": BOOM},
    )
    place = site.path / f"mv_module-{MANIFEST_FILE}"
    place.write_bytes(to_json(VAULT))
    return place


def test_show_prints_the_whole_manifest_and_imports_nothing(site: Site) -> None:
    install_vault(site)
    assert hardpoint(site, "show", "mv") == (0, SHOWN, "")


def test_show_as_json_has_every_field_and_imports_nothing(site: Site) -> None:
    place = install_vault(site)
    code, out, _ = hardpoint(site, "show", "mv", "--json")
    told = json.loads(out)
    assert (code, told["config"], told["claims"]) == (0, CONFIG, [{"pool": "mv:all", "units": 2}])
    assert (told["poll"]["batch_max"], told["poll"]["max_s"]) == (1, 30.0)
    assert [pool["name"] for pool in told["pools"]] == ["mv:all"]
    assert (told["manifest"], told["verdict"]) == (str(place), None)


def test_show_of_a_distribution_shows_all_of_it(site: Site) -> None:
    install_vault(site)
    _, out, _ = hardpoint(site, "show", "Hardpoint.M_v", "--json")
    assert [each["name"] for each in json.loads(out)] == ["mv", "mw"]
    _, out, _ = hardpoint(site, "show", "hardpoint-m-v")
    assert out.startswith(SHOWN)


def test_list_tells_the_shape_without_importing(site: Site) -> None:
    place = install_vault(site)
    row = listed(site, "mv")
    assert (row["shape"], row["state"], row["manifest"]) == ("array", "installed", str(place))
    assert "mv task type array hardpoint-m-v 1.0 1.0 to 1.x installed -" in table(site)


@pytest.mark.parametrize("damage", [None, "{", "null"])
def test_a_plugin_without_a_manifest_is_listed_and_shown_all_the_same(damage: str | None, site: Site) -> None:
    site.echo()
    if damage is not None:
        (site.path / f"echo_plugin-{MANIFEST_FILE}").write_text(damage)
    row = listed(site, "echo")
    assert (row["shape"], row["manifest"], row["state"]) == (None, None, "installed")
    assert "echo task type no manifest hardpoint-echo 1.0 1.0 to 1.x installed -" in table(site)
    code, out, _ = hardpoint(site, "show", "echo")
    assert code == 0
    assert "Shape         function\n" in out
    assert "\nManifest      `" in out
    assert "  times  integer  1\n" in out


def test_a_broken_plugin_without_a_manifest_shows_its_traceback(site: Site) -> None:
    site.install("hardpoint-m-b", task_types={"mb": "mb_module:plugin"}, modules={"mb_module": BOOM})
    code, out, err = hardpoint(site, "show", "mb")
    assert (code, out) == (2, "")
    assert "AssertionError: imported" in err


def test_a_broken_plugin_with_a_manifest_is_shown_with_what_broke_it(site: Site) -> None:
    install_vault(site)
    assert hardpoint(site, "manifest", "mv")[0] == 2  # loads it
    code, out, err = hardpoint(site, "show", "mv")
    assert (code, err) == (0, "")
    assert "State         quarantined: Plugin `hardpoint-m-v` 1.0 for `mv` failed" in out
    assert "AssertionError: imported\n\nConfig\n" in out


def test_list_and_show_tell_the_last_verdict_about_these_very_files(site: Site) -> None:
    install_vault(site)
    folder = site.path / "hardpoint_m_v-1.0.dist-info"
    (folder / "RECORD").write_text("mv_module.py,sha256=one,24\n")
    distribution = next(each for each in scan() if each.name == "mv").entry_point.dist
    assert distribution is not None
    Verdicts(cache_folder()).write(
        Finder.CHECK, "mv", files_digest(distribution), Verdict(False, "2 of 40 failed", 1_000_000_000.0)
    )
    assert listed(site, "mv")["verdict"] == {
        "held": False,
        "summary": "2 of 40 failed",
        "at": "2001-09-09T01:46:40+00:00",
    }
    assert listed(site, "mw")["verdict"] is None
    shown = hardpoint(site, "show", "mv")[1]
    assert "Verdict       failed 2001-09-0" in shown
    assert ": 2 of 40 failed\n" in shown
    (folder / "RECORD").write_text("mv_module.py,sha256=two,24\n")
    assert listed(site, "mv")["verdict"] is None


def test_manifest_writes_what_check_then_finds_current(site: Site) -> None:
    site.echo()
    place = site.path / f"echo_plugin-{MANIFEST_FILE}"
    assert hardpoint(site, "manifest", "echo", "--check")[0] == 1
    assert not place.exists()
    assert hardpoint(site, "manifest", "echo") == (0, f"Wrote `{place}`\n", "")
    assert hardpoint(site, "manifest", "hardpoint-echo", "--check") == (0, f"`{place}` is current\n", "")
    row = listed(site, "echo")
    assert (row["shape"], row["manifest"]) == ("function", str(place))


def test_check_shows_what_changed_and_what_helps(site: Site) -> None:
    site.echo()
    hardpoint(site, "manifest", "echo")
    module = site.path / "echo_plugin.py"
    module.write_text(module.read_text().replace("times: int = 1", "times: int = 2"))
    place = site.path / f"echo_plugin-{MANIFEST_FILE}"
    before = place.read_bytes()
    code, out, err = hardpoint(site, "manifest", "echo", "--check")
    assert code == 1
    assert [line for line in out.splitlines() if line[0] in "+-"][2:] == [
        '-                "default": 1,',
        '+                "default": 2,',
    ]
    assert err == (
        f"The manifest of `hardpoint-echo` 1.0 is not what the plugin declares: `{place}`\n\n"
        "hint: Run `hardpoint plugins manifest echo` and commit the file; a wheel must hold it too\n"
    )
    assert place.read_bytes() == before
    code, out, _ = hardpoint(site, "manifest", "echo", "--check", "--json")
    (told,) = json.loads(out)["manifests"]
    assert (code, told["state"], told["written"], told["file"]) == (1, "stale", False, str(place))


def test_check_finds_another_api_range_than_that_of_the_entry_points(site: Site) -> None:
    site.echo()
    hardpoint(site, "manifest", "echo")
    place = site.path / f"echo_plugin-{MANIFEST_FILE}"
    place.write_text(place.read_text().replace('"1.0"', '"0.9"'))
    code, out, _ = hardpoint(site, "manifest", "echo", "--check")
    assert code == 1
    assert '-    "0.9"\n+    "1.0"\n' in out


def test_the_files_of_a_wheel_are_checked_and_never_written(site: Site) -> None:
    site.echo()
    (site.path / "hardpoint_echo-1.0.dist-info" / "RECORD").write_text("echo_plugin.py,,\n")
    place = site.path / f"echo_plugin-{MANIFEST_FILE}"
    assert hardpoint(site, "manifest", "echo", "--check")[0] == 1
    code, _, err = hardpoint(site, "manifest", "echo")
    assert (code, place.exists()) == (2, False)
    assert "is installed from a wheel, whose files are not to be changed" in err
    assert "hint: Run `pip install -e FOLDER`" in err


def test_two_plugins_of_one_module_are_refused(site: Site) -> None:
    site.install("hardpoint-m-t", task_types={"ma": "mt:one", "mb": "mt:two"}, modules={"mt": BOOM})
    code, _, err = hardpoint(site, "manifest", "hardpoint-m-t")
    assert code == 2
    assert "The plugins `mt:one` and `mt:two` lie in one module, which can have one manifest" in err


def test_what_is_built_in_has_no_manifest(site: Site) -> None:
    code, _, err = hardpoint(site, "manifest", "python")
    assert (code, err.splitlines()[0]) == (2, "`python` is built in and has no manifest")


def test_the_words_of_list_mean_the_same_to_typer(site: Site) -> None:
    install_vault(site)
    assert hardpoint(site, "list", "--json") == hardpoint(site, "list", "--json", "--json")


def test_the_manifest_of_the_job_service_is_current() -> None:
    expect_current_manifest("hardpoint-jobservice")


def test_a_manifest_that_is_not_there_is_not_current() -> None:
    with pytest.raises(AssertionError, match="No installed plugin runs task type `no-such`"):
        expect_current_manifest("no-such")
