"""The Makefile and the runners behind it: what they run, and that they can fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# --- make ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["demo", "test", "prove", "bench", "docs", "clean", "help", ""])
def test_make_knows_the_target(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", *([target] if target else [])], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_make_alone_prints_every_target() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    targets = set(phony[1].split()) - {"help"}
    assert targets == set(re.findall(r"^make (\w+)", done.stdout, re.MULTILINE))


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "pyproject.toml").touch()
    for folder in ("plugins", "tests"):
        (tmp_path / folder / "x").mkdir(parents=True)
        (tmp_path / folder / "x" / "pyproject.toml").touch()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "make_venv.py").touch()
    done = subprocess.run(
        ["make", "--no-print-directory", "test"],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": "python-that-is-not-there"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == (
        "error: no `python-that-is-not-there` on PATH\n\n"
        "hint: install Python 3.11 or later, or run `PYTHON=/path/to/python make ...`\n"
    )


def test_an_old_python_is_named() -> None:
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 1); sys.executable = '/usr/bin/python3';"
        f"runpy.run_path({str(ROOT / 'tools' / 'make_venv.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "error: `/usr/bin/python3` is Python 3.9.1; hardpoint needs 3.11 or later\n\n"
        "hint: run `PYTHON=python3.11 make ...` with a newer one\n",
    )


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines() == [
        "#!/usr/bin/env bash",
        "set -euo pipefail",
        'cd "$(dirname "$0")/.."',
        "exec make test",
    ]


# --- make test -----------------------------------------------------------------------------------------


def project_with(root: Path, source: str) -> Path:
    folder = root / "tests" / "toy"
    folder.mkdir(parents=True)
    (folder / "test_toy.py").write_text(source)
    for room in ("plugin_api", "core", "registry", "executor", "contrib"):
        (root / room).mkdir()
    return root


@pytest.mark.parametrize(
    ("source", "code", "row"),
    [
        ("def test_one(): pass", 0, r"tests/toy +\d\.\d\d +1  ok"),
        ("def test_one(): assert 1 == 2", 1, r"tests/toy +\d\.\d\d +1  exit code 1"),
        (
            "import pytest\n@pytest.mark.skip('no database')\ndef test_one(): pass",
            1,
            r"tests/toy +\d\.\d\d +1  skipped 1",
        ),
        (
            "import pytest\n@pytest.mark.skip('platform: needs Windows')\ndef test_one(): pass",
            0,
            r"tests/toy +\d\.\d\d +1  ok",
        ),
        (
            "import pytest\npytest.skip('platform: no fork', allow_module_level=True)",
            0,
            r"tests/toy +\d\.\d\d +1  ok",
        ),
        ("import pytest\npytest.importorskip('no_such_library')", 1, r"tests/toy +\d\.\d\d +1  skipped 1"),
        ("", 1, r"tests/toy +\d\.\d\d +0  no test found"),
    ],
)
def test_a_suite_fails_for_failures_and_for_skips(tmp_path: Path, source: str, code: int, row: str) -> None:
    done = tool("suites", "--root", str(project_with(tmp_path, source)), "tests/toy")
    assert done.returncode == code, done.stdout + done.stderr
    assert re.search(f"^{row}$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^whole +\d\.\d\d +\d  limit 25$", done.stdout, re.MULTILINE)


def test_the_reason_of_a_skip_is_shown(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.skip('no database')\ndef test_one(): pass"
    done = tool("suites", "--root", str(project_with(tmp_path, source)), "tests/toy")
    assert "skipped, but not for the platform: no database" in done.stdout


def test_a_suite_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = tool("suites", "--root", str(project_with(tmp_path, "")), "tests/other")
    assert done.returncode == 2
    assert "no such suite: tests/other" in done.stderr


# --- make prove ----------------------------------------------------------------------------------------

SHARD = """
import json, pathlib, sys
shard, out = int(sys.argv[2]), pathlib.Path(sys.argv[6])
seen = pathlib.Path("seen.txt")
with seen.open("a") as lines:
    lines.write(f"{shard}\\n")
if shard == 2 and not pathlib.Path("mended").exists():
    sys.exit("shard 2 broke")
out.write_text(json.dumps({"runs": 10 + shard, "row": {"toy": shard, "speed": f"{shard} m/s"}}))
"""
TABLE = '[toy]\ntitle = "Toys hold"\ncommand = ["shard.py"]\nshards = 3\n'


def test_a_proof_resumes_and_writes_its_evidence_when_all_shards_held(tmp_path: Path) -> None:
    (tmp_path / "tests" / "prove").mkdir(parents=True)
    (tmp_path / "tests" / "prove" / "proofs.toml").write_text(TABLE)
    (tmp_path / "shard.py").write_text(SHARD)
    first = tool("prove", "--root", str(tmp_path), "--jobs", "1")
    assert first.returncode == 1
    assert "toy shard 2: exit code 1\nshard 2 broke" in first.stdout
    assert not (tmp_path / "docs").exists()

    (tmp_path / "mended").touch()
    second = tool("prove", "--root", str(tmp_path), "toy")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "toy: 2 of 3 shards done before" in second.stdout
    assert (tmp_path / "seen.txt").read_text().split() == ["0", "1", "2", "2"]

    evidence = json.loads((tmp_path / "docs" / "evidence" / "toy.json").read_text())
    assert evidence["totals"]["runs"] == 33
    assert (evidence["title"], evidence["commit"], len(evidence["shards"])) == ("Toys hold", "unknown", 3)
    page = (tmp_path / "docs" / "evidence" / "toy.md").read_text()
    assert page.startswith("# Toys hold\n\nHeld in 3 of 3 shards. Commit `unknown`, ")
    assert "| runs | 33 |" in page
    assert page.endswith("\n| toy | speed |\n| --- | ---: |\n| 0 | 0 m/s |\n| 1 | 1 m/s |\n| 2 | 2 m/s |\n")


def test_an_unknown_proof_is_named(tmp_path: Path) -> None:
    done = tool("prove", "no-such-proof")
    assert done.returncode == 2
    assert "no such proof: no-such-proof; known: " in done.stderr


def test_every_registered_proof_has_its_command() -> None:
    tables = tomllib.loads((ROOT / "tests" / "prove" / "proofs.toml").read_text(encoding="utf-8"))
    assert [name for name, proof in tables.items() if not (ROOT / proof["command"][0]).is_file()] == []


def test_one_shard_of_the_isolation_proof_holds(tmp_path: Path) -> None:
    script, out = ROOT / "tests" / "prove" / "plugin_isolation.py", tmp_path / "out.json"
    command = [sys.executable, str(script), "--shard", "1", "--shards", "11", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(out.read_text()) == {"ways_of_failing": 1, "plugins_that_ran": 50}


def test_finished_shards_count_for_the_same_files_alone(tmp_path: Path) -> None:
    (tmp_path / "tests" / "prove").mkdir(parents=True)
    (tmp_path / "tests" / "prove" / "proofs.toml").write_text(TABLE)
    (tmp_path / "shard.py").write_text(SHARD)
    (tmp_path / "mended").touch()
    (tmp_path / ".gitignore").write_text(".prove/\nseen.txt\n")
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "toy")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)

    def already_done() -> str:
        done = tool("prove", "--root", str(tmp_path))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()[0]

    assert already_done() == "toy: 0 of 3 shards done before"
    assert already_done() == "toy: 3 of 3 shards done before", "the evidence itself is no change"
    (tmp_path / "other.py").touch()
    assert already_done() == "toy: 0 of 3 shards done before"
    assert json.loads((tmp_path / "docs" / "evidence" / "toy.json").read_text())["changes"]
