"""`hardpoint NAME ARGUMENTS...` of an installed plugin, as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.registry.conftest import Site, site

from hardpoint.executor.cli.installed_groups import may_have

__all__ = ["site"]

PLUGIN = """
import argparse
from pathlib import Path
from hardpoint.plugin_api import CliCommand, UserError, hookimpl

Path(__file__).with_name("imported").touch()

def main(arguments):
    match arguments:
        case ["say", *words]:
            print(words)
            return 0
        case ["exit", code]:
            return int(code)
        case ["boom"] | ["boom", "--json"]:
            raise ValueError("the workgroup is gone")
        case ["refuse"]:
            raise UserError("there is no workgroup `x`", hint="Make it in the console")
        case _:
            argparse.ArgumentParser(prog="hardpoint athena").parse_args(arguments)
            return 0

class Plugin:
    @hookimpl
    def cli_commands(self):
        return [CliCommand("athena", "Look at workgroups", main)]

plugin = Plugin()
"""
API = "[hardpoint.api]\n1.0 = athena_plugin\n"
ENTRY_POINTS = "[hardpoint.commands]\nathena = athena_plugin:plugin\n" + API

Hardpoint: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hardpoint(site: Site, tmp_path: Path) -> Hardpoint:
    environ = {**os.environ, "PYTHONPATH": str(site.path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", *words],
            cwd=tmp_path,
            env=environ | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def athena(site: Site) -> Path:
    """Install the plugin; return the file that its import leaves behind."""
    site.write_metadata("hardpoint-athena", "2.1", ENTRY_POINTS)
    (site.path / "athena_plugin.py").write_text(PLUGIN)
    return site.path / "imported"


def test_every_word_reaches_the_command_as_it_was_typed(athena: Path, hardpoint: Hardpoint) -> None:
    words = ["--help", "-x", "--", "--flag=3", "-abc", "ü", "", "--json", "--home", "a b"]
    done = hardpoint("athena", "say", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{words}\n", "")


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_what_the_command_returns(code: int, athena: Path, hardpoint: Hardpoint) -> None:
    assert hardpoint("athena", "exit", str(code)).returncode == code


def test_a_parser_of_its_own_answers_help_and_refuses_words(athena: Path, hardpoint: Hardpoint) -> None:
    asked = hardpoint("athena", "--help")
    assert (asked.returncode, asked.stdout.splitlines()[0]) == (0, "usage: hardpoint athena [-h]")
    assert hardpoint("athena", "--no-such").returncode == 2


def test_what_it_raises_names_the_plugin(athena: Path, hardpoint: Hardpoint) -> None:
    done = hardpoint("athena", "boom")
    assert (done.returncode, done.stdout) == (1, "")
    told = "Command `athena` of plugin `hardpoint-athena` raised ValueError: the workgroup is gone"
    assert done.stderr.startswith(told)
    assert "Traceback" not in done.stderr
    assert (
        'raise ValueError("the workgroup is gone")' in hardpoint("athena", "boom", HARDPOINT_DEBUG="1").stderr
    )
    (as_json,) = json.loads(hardpoint("athena", "boom", "--json").stderr)
    assert (as_json["code"], as_json["message"]) == ("ValueError", told)


def test_its_own_refusal_is_told_as_any_other(athena: Path, hardpoint: Hardpoint) -> None:
    done = hardpoint("athena", "refuse")
    assert done.returncode == 2
    assert done.stderr == "there is no workgroup `x`\n\nhint: Make it in the console\n"


def test_help_lists_it_and_imports_nothing(athena: Path, site: Site, hardpoint: Hardpoint) -> None:
    done = hardpoint("--help")
    assert done.returncode == 0
    assert "\n  athena      Of `hardpoint-athena` 2.1.\n" in done.stdout
    manifest = {"format": 1, "target": "athena_plugin:plugin", "api": ["1.0"], "hooks": []}
    manifest["commands"] = [{"name": "athena", "doc": "Look at workgroups"}]
    (site.path / "athena_plugin-hardpoint-manifest.json").write_text(json.dumps(manifest))
    assert "\n  athena      Look at workgroups\n" in hardpoint("--help").stdout
    assert not athena.exists()


def test_an_unknown_name_ends_in_the_usual_message(athena: Path, hardpoint: Hardpoint) -> None:
    done = hardpoint("athenna")
    assert done.returncode == 2
    assert done.stderr.startswith("No such command 'athenna'. Did you mean 'athena'?")
    assert hardpoint("rnu").stderr.startswith("No such command 'rnu'. Did you mean 'run'?")
    assert not athena.exists()


def test_of_two_plugins_with_one_command_none_is_run(athena: Path, site: Site, hardpoint: Hardpoint) -> None:
    site.write_metadata("other-athena", "1.0", ENTRY_POINTS)
    done = hardpoint("athena", "say")
    assert (done.returncode, done.stdout) == (2, "")
    assert "The command `athena` is claimed by 2 installed plugins: `hardpoint-athena` 2.1" in done.stderr
    assert "`pip uninstall other-athena`" in done.stderr
    assert not athena.exists()


def test_a_name_of_hardpoints_own_stays_its_own(athena: Path, site: Site, hardpoint: Hardpoint) -> None:
    site.write_metadata("greedy", "1.0", ENTRY_POINTS.replace("athena =", "plan ="))
    assert "Show what a run would do" in hardpoint("plan", "--help").stdout
    assert hardpoint("--help").stdout.count("\n  plan ") == 1
    assert not athena.exists()


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        ("import no_such_sdk", "failed when it was imported: `ModuleNotFoundError: No module named"),
        ("raise SystemExit(0)", "failed when it was imported: `SystemExit: 0`"),
        (PLUGIN.replace('CliCommand("athena"', 'CliCommand("other"'), "declares no command `athena`"),
    ],
)
def test_a_broken_plugin_is_named(
    plugin: str, told: str, athena: Path, site: Site, hardpoint: Hardpoint
) -> None:
    (site.path / "athena_plugin.py").write_text(plugin)
    done = hardpoint("athena", "say")
    assert done.returncode == 2
    assert "Plugin `hardpoint-athena` 2.1 for `athena`" in done.stderr
    assert told in done.stderr


def test_a_plugin_for_another_api_is_not_imported(site: Site, athena: Path, hardpoint: Hardpoint) -> None:
    (entry_points,) = site.path.glob("*.dist-info/entry_points.txt")
    entry_points.write_text(ENTRY_POINTS.replace("1.0 =", "2.0 ="))
    done = hardpoint("athena", "say")
    assert done.returncode == 2
    assert "is written for plugin API 2.0 to 2.x" in done.stderr
    assert not athena.exists()


def test_safe_mode_keeps_it_out(athena: Path, hardpoint: Hardpoint) -> None:
    done = hardpoint("--safe-mode", "athena", "say")
    assert done.returncode == 2
    assert "Plugin `hardpoint-athena` 2.1 for `athena` is denied by safe mode" in done.stderr
    assert "athena" not in hardpoint("--safe-mode", "--help").stdout
    assert not athena.exists()


def test_the_quick_look_sees_what_is_installed_and_survives_odd_folders(athena: Path, site: Site) -> None:
    path = ["", "/nowhere", str(Path(sys.executable)), str(site.path)]
    assert may_have("hardpoint.commands", path)
    assert not may_have("hardpoint.importers", path)
    (site.path / "odd-1.0.dist-info").touch()
    assert may_have("hardpoint.commands", path)
