"""Manifests are found and read without importing what they tell of."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardpoint.plugin_api import MANIFEST_FILE, Manifest, ManifestTaskType, Shape
from hardpoint.registry.discovery import FoundEntryPoint, scan
from hardpoint.registry.manifest import to_json
from hardpoint.registry.manifest_files import ManifestFile, is_packed, read_manifest, source_place

if TYPE_CHECKING:
    from tests.registry.conftest import Site

BOOM = "raise AssertionError('imported')"


def manifest(target: str, *names: str) -> Manifest:
    types = tuple(ManifestTaskType(name, Shape.JOB, {}) for name in names)
    return Manifest(1, target, ("1.0",), ("task_types",), types)


def entry(name: str) -> FoundEntryPoint:
    return next(each for each in scan() if each.name == name)


def install(
    site: Site, name: str, target: str, files: dict[str, str], *, record: str = ""
) -> FoundEntryPoint:
    site.install(f"hardpoint-m-{name}", task_types={name: target})
    write(site.path, files)
    if record:
        (site.path / f"hardpoint_m_{name}-1.0.dist-info" / "RECORD").write_text(record)
    return entry(name)


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def text_of(target: str, *names: str) -> str:
    return to_json(manifest(target, *names)).decode()


@pytest.mark.parametrize(
    ("module", "files", "place"),
    [
        pytest.param("m_package", ["m_package/__init__.py"], f"m_package/{MANIFEST_FILE}", id="package"),
        pytest.param("m_module", ["m_module.py"], f"m_module-{MANIFEST_FILE}", id="module"),
        pytest.param(
            "m_outer.inner",
            ["m_outer/__init__.py", "m_outer/inner.py"],
            f"m_outer/inner-{MANIFEST_FILE}",
            id="module in a package",
        ),
        pytest.param(
            "m_space.inner", ["m_space/inner/__init__.py"], f"m_space/inner/{MANIFEST_FILE}", id="namespace"
        ),
    ],
)
@pytest.mark.parametrize("editable", [False, True])
def test_a_manifest_lies_in_the_module_that_the_entry_point_names(
    module: str,
    files: list[str],
    place: str,
    editable: bool,
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = f"{module}:plugin"
    source = tmp_path / "source" if editable else site.path
    monkeypatch.syspath_prepend(str(tmp_path / "source"))
    write(source, dict.fromkeys(files, BOOM))
    found = install(site, "ma", target, {})
    assert read_manifest(found).manifest is None
    assert source_place(found) == source / place
    write(source, {place: text_of(target, "ma")})
    assert read_manifest(found) == ManifestFile(source / place, manifest(target, "ma"))
    assert not {name for name in sys.modules if name.startswith("m_")}


def test_what_belongs_to_a_wheel_comes_before_a_folder_of_the_same_name(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = "mb_package:plugin"
    ours = {"mb_package/__init__.py": BOOM, f"mb_package/{MANIFEST_FILE}": text_of(target, "mb")}
    found = install(site, "mb", target, ours, record="mb_package/__init__.py,,\n")
    write(tmp_path / "work", {**ours, f"mb_package/{MANIFEST_FILE}": text_of(target, "mb", "more")})
    monkeypatch.syspath_prepend(str(tmp_path / "work"))
    assert read_manifest(found).manifest == manifest(target, "mb")


@pytest.mark.parametrize(
    ("record", "packed"),
    [
        ("mc_package/__init__.py,,\n", True),
        ("mc_package.py,,\n", True),
        ("__editable___mc_package_finder.py,,\n_mc_package.pth,,\n", False),
        ("", False),
    ],
)
def test_only_what_a_wheel_brought_is_packed(record: str, packed: bool, site: Site) -> None:
    found = install(site, "mc", "mc_package:plugin", {"mc_package/__init__.py": BOOM}, record=record)
    assert is_packed(found) is packed


GOOD = text_of("md_package:plugin", "md")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(GOOD[:-20], "is no manifest: ", id="cut off"),
        pytest.param("[" * 100_000, "is no manifest: ", id="deep"),
        pytest.param('{"format": 1}', "is no manifest: Object missing required field `target`", id="fields"),
        pytest.param(
            GOOD.replace('"format": 1', '"format": 2'), "has format 2; this hardpoint reads 1", id="format"
        ),
        pytest.param(
            text_of("other:plugin", "md"),
            "is that of `other:plugin`, not of `md_package:plugin`",
            id="target",
        ),
        pytest.param(text_of("md_package:plugin", "x"), "does not know task type `md`", id="task type"),
    ],
)
def test_a_damaged_manifest_is_none_and_says_why(text: str, problem: str, site: Site) -> None:
    found = install(site, "md", "md_package:plugin", {"md_package/__init__.py": BOOM})
    place = site.path / "md_package" / MANIFEST_FILE
    place.write_text(text)
    read = read_manifest(found)
    assert (read.path, read.manifest) == (place, None)
    assert read.problem.startswith(f"`{place}` {problem}")


def test_a_folder_in_the_place_of_a_manifest_is_none(site: Site) -> None:
    found = install(site, "md", "md_package:plugin", {"md_package/__init__.py": BOOM})
    (site.path / "md_package" / MANIFEST_FILE).mkdir()
    assert read_manifest(found).problem.endswith("cannot be read: Is a directory")


@pytest.mark.parametrize("target", ["no_such_module:plugin", "../../x:plugin", ":plugin", "md_package.no:x"])
def test_a_module_that_is_not_there_has_no_manifest(target: str, site: Site) -> None:
    found = install(site, "md", target, {"md_package/__init__.py": BOOM})
    assert (read_manifest(found).path, source_place(found)) == (None, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(GOOD) - 2), noise=st.binary(max_size=6))
def test_no_bytes_break_the_reader(cut: int, noise: bytes, site: Site) -> None:
    if not (site.path / "md_package").exists():
        install(site, "md", "md_package:plugin", {"md_package/__init__.py": BOOM})
    (site.path / "md_package" / MANIFEST_FILE).write_bytes(GOOD.encode()[:cut] + noise)
    read = read_manifest(entry("md"))
    assert (read.manifest is None) is bool(read.problem)


def test_a_later_hardpoint_may_add_fields_and_capabilities(site: Site) -> None:
    told = msgspec.json.decode(GOOD)
    told["cost_centre"] = "x"
    told["task_types"][0]["capabilities"] = ["telepathy"]
    found = install(site, "md", "md_package:plugin", {f"md_package/{MANIFEST_FILE}": ""})
    (site.path / "md_package" / MANIFEST_FILE).write_bytes(msgspec.json.encode(told))
    read = read_manifest(found).manifest
    assert read is not None
    assert read.task_types[0].capabilities == ("telepathy",)
