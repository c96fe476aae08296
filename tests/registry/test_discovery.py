"""Finding plugins in the metadata of distributions, importing nothing."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hardpoint.registry import PluginState, load_registry
from hardpoint.registry.discovery import Kind, scan

if TYPE_CHECKING:
    from tests.registry.conftest import Site

BOOM = "raise AssertionError('imported')"


def found_names() -> list[tuple[str, str]]:
    ours = [entry for entry in scan() if entry.distribution.startswith("hardpoint-t-")]
    return [(entry.name, str(entry)) for entry in ours]


def test_entry_points_keep_their_distribution_and_are_not_imported(site: Site) -> None:
    site.install("hardpoint-t-a", version="2.1", task_types={"ta": "ta_mod:plugin"}, modules={"ta_mod": BOOM})
    site.install("hardpoint-t-b", extensions={"tb": "tb_mod:plugin"}, modules={"tb_mod": BOOM})
    ours = {entry.name: entry for entry in scan() if entry.distribution.startswith("hardpoint-t-")}
    assert {name: (e.kind, str(e), e.target, str(e.api)) for name, e in ours.items()} == {
        "ta": (Kind.TASK_TYPE, "`hardpoint-t-a` 2.1", "ta_mod:plugin", "1.0 to 1.x"),
        "tb": (Kind.EXTENSION, "`hardpoint-t-b` 1.0", "tb_mod:plugin", "1.0 to 1.x"),
    }
    assert "ta_mod" not in sys.modules
    assert "tb_mod" not in sys.modules


def test_listing_shows_what_is_installed_and_imports_nothing(site: Site) -> None:
    site.install("hardpoint-t-a", task_types={"ta": "ta_mod:plugin"}, modules={"ta_mod": BOOM})
    row = next(row for row in load_registry().installed() if row.name == "ta")
    assert (row.kind, row.distribution, row.version, row.api, row.target, row.state, row.problem) == (
        "task type",
        "hardpoint-t-a",
        "1.0",
        "1.0 to 1.x",
        "ta_mod:plugin",
        PluginState.INSTALLED,
        "",
    )
    assert "ta_mod" not in sys.modules


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"[hardpoint.plugins]\nthis line has no equals sign\n", id="malformed"),
        pytest.param(b"[hardpoint.plugins]\n\xff\xfe = x\n", id="undecodable"),
    ],
)
def test_damaged_metadata_hides_nothing_else(
    site: Site, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    site.install("hardpoint-t-a", task_types={"ta": "ta_mod:plugin"})
    site.write_metadata("hardpoint-t-broken", "1.0", "")
    (site.path / "hardpoint_t_broken-1.0.dist-info" / "entry_points.txt").write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert found_names() == [("ta", "`hardpoint-t-a` 1.0")]
    assert "skipped the" in caplog.text


def test_a_folder_without_a_name_hides_nothing_else(site: Site) -> None:
    site.install("hardpoint-t-a", task_types={"ta": "ta_mod:plugin"})
    site.write_metadata("hardpoint-t-nameless", "1.0", "[hardpoint.plugins]\nx = y:z\n")
    (site.path / "hardpoint_t_nameless-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\n")
    assert found_names() == [("ta", "`hardpoint-t-a` 1.0")]


def test_one_distribution_on_the_path_twice_counts_once(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    type(site)(other).install("Hardpoint_t.A", version="0.9", task_types={"ta": "old:plugin"})
    site.install("hardpoint-t-a", task_types={"ta": "ta_mod:plugin"})
    sys.path.append(str(other))
    try:
        assert found_names() == [("ta", "`hardpoint-t-a` 1.0")]
    finally:
        sys.path.remove(str(other))


def run_python(code: str, site: Site, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(site.path), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_importing_the_registry_imports_neither_stevedore_nor_plugins(site: Site, tmp_path: Path) -> None:
    site.echo()
    code = (
        "import sys, json; import hardpoint.registry as r; one = 'stevedore' in sys.modules;"
        "reg = r.load_registry(); reg.installed(); two = 'stevedore' in sys.modules;"
        "reg.task_type('echo'); print(json.dumps([one, two, 'stevedore' in sys.modules]))"
    )
    assert json.loads(run_python(code, site, tmp_path)) == [False, False, True]


def test_stevedores_cache_on_disk_is_neither_written_nor_read(site: Site, tmp_path: Path) -> None:
    site.echo(version="1.0")
    code = (
        "import hardpoint.registry as r; reg = r.load_registry(); print(reg.task_type('echo').name,"
        "next(p.version for p in reg.installed() if p.name == 'echo'))"
    )
    assert run_python(code, site, tmp_path) == "echo 1.0\n"
    metadata = site.path / "hardpoint_echo-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    assert run_python(code, site, tmp_path) == "echo 1.1\n"
    assert not (tmp_path / ".cache" / "python-entrypoints").exists()
