"""Classes that installed plugins carry across boundaries: in hints, inputs, results, plain calls, workers."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.registry.conftest import Site, site

from hardpoint.core.loading import load_module
from hardpoint.core.store import BlobStore
from hardpoint.core.types import Codec, DecodeError, EncodeError, UnsupportedTypeError, codec_for
from hardpoint.executor import ExecutionFailedError, Executor

__all__ = ["site"]

SHAPES = """
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return type(self) is type(other) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

class Corner(Point):
    pass

class Unclaimed:
    pass
"""
PLUGIN = """
from hardpoint.plugin_api import LiteralCodec, SimpleKind, SimpleType, hookimpl
from shapes import Corner, Point

def to_text(point, store):
    if point.x == "torn":
        raise ValueError("it is torn")
    if point.x == "wrong":
        return object()
    return f"{type(point).__name__} {point.x} {point.y}"

def from_text(text, store):
    name, x, y = text.split()
    return 7 if name == "Seven" else {"Point": Point, "Corner": Corner}[name](float(x), float(y))

class Plugin:
    @hookimpl
    def literal_types(self):
        return [LiteralCodec("shapes:Point", SimpleType(SimpleKind.STR), to_text, from_text)]

plugin = Plugin()
"""
FLOW = """
from hardpoint.core import task, workflow
from shapes import Point

@task
def moved(point: Point, by: float = 1.0) -> Point:
    return Point(point.x + by, point.y + by)

@task
def spread(point: Point) -> list[Point]:
    return [point, Point(0.0, 0.0)]

@task
def width(points: list[Point], names: dict[str, Point | int | None]) -> float:
    assert isinstance(names["a"], Point) and names["b"] == 7 and names["c"] is None
    return max(each.x for each in points) - min(each.x for each in points)

@task
def torn(point: Point) -> Point:
    return Point("torn", 0)

@workflow
def flow(start: Point = Point(1.0, 2.0)) -> Point:
    return moved(point=moved(point=start), by=2.0)

@workflow
def wide(start: Point) -> float:
    return width(points=spread(point=start), names={"a": start, "b": 7, "c": None})

@workflow
def tearing(start: Point) -> Point:
    return torn(point=start)
"""
CLAIM = "[hardpoint.types]\nshapes:Point = shapes_plugin:plugin\n"
API = "[hardpoint.api]\n1.0 = shapes_plugin\n"


def install(site: Site, plugin: str = PLUGIN, entry_points: str = CLAIM + API) -> ModuleType:
    """Install the plugin beside the library whose class it is for; return the library."""
    site.write_metadata("hardpoint-shapes", "2.1", entry_points)
    (site.path / "shapes.py").write_text(SHAPES)
    (site.path / "shapes_plugin.py").write_text(plugin)
    importlib.invalidate_caches()
    return importlib.import_module("shapes")


@pytest.fixture
def shapes(site: Site, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("PYTHONPATH", str(site.path))
    return install(site)


@pytest.fixture
def flow(shapes: ModuleType, tmp_path: Path) -> ModuleType:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "flow.py").write_text(FLOW)
    return load_module(project / "flow.py")


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "blobs"))


def refusal_of(hint: Any) -> str:
    with pytest.raises(UnsupportedTypeError) as refused:
        codec_for(hint)
    return str(refused.value)


def test_values_come_back_as_what_they_were(shapes: ModuleType, store: BlobStore) -> None:
    hint: Any = shapes.Point
    codec = codec_for(list[hint])
    values = [shapes.Point(1.0, 2.0), shapes.Corner(3.0, 4.0)]
    wire = codec.encode(values, store)
    assert (str(codec.type), wire) == ("list[str]", ["Point 1.0 2.0", "Corner 3.0 4.0"])
    assert codec.decode(wire, store) == values


def test_a_value_finds_its_variant_of_a_union(shapes: ModuleType, store: BlobStore) -> None:
    point: Any = shapes.Point
    codec = codec_for(str | point | None)
    values: list[object] = ["Point 1 2", shapes.Point(1.0, 2.0), None]
    assert [codec.decode(codec.encode(each, store), store) for each in values] == values


def test_a_run_carries_it_through_inputs_defaults_tasks_and_results(
    flow: ModuleType, shapes: ModuleType, tmp_path: Path
) -> None:
    with Executor(tmp_path / "home", workers=1) as executor:
        assert executor.submit(flow.flow).result() == shapes.Point(4.0, 5.0)
        assert executor.submit(flow.flow, start=shapes.Point(0.0, 0.0)).result() == shapes.Point(3.0, 3.0)
        assert executor.submit(flow.wide, start=shapes.Point(5.0, 0.0)).result() == 5.0


def test_a_plain_call_carries_it(flow: ModuleType, shapes: ModuleType) -> None:
    assert flow.flow() == shapes.Point(4.0, 5.0)
    assert flow.wide(shapes.Point(5.0, 0.0)) == 5.0


def test_a_plugin_that_raises_in_a_worker_is_named(
    flow: ModuleType, shapes: ModuleType, tmp_path: Path
) -> None:
    with Executor(tmp_path / "home", workers=1) as executor, pytest.raises(ExecutionFailedError) as failed:
        executor.submit(flow.tearing, start=shapes.Point(1.0, 1.0)).result()
    assert "Plugin `hardpoint-shapes` 2.1 cannot encode Point" in str(failed.value)
    assert "ValueError: it is torn" in str(failed.value)


def test_the_command_line_takes_its_wire_form(flow: ModuleType, tmp_path: Path) -> None:
    def run(text: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hardpoint.executor.cli", "run", str(flow.__file__), "flow"]
        return subprocess.run(
            [*command, "--start", text, "--home", str(tmp_path / "home")],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    done = run("Point 10 20")
    assert done.returncode == 0, done.stderr
    assert "Point 13.0 23.0" in done.stdout
    failed = run("no point")
    assert failed.returncode == 1
    assert "Plugin `hardpoint-shapes` 2.1 cannot read 'no point' as Point: ValueError" in failed.stdout


@pytest.mark.parametrize(
    ("act", "kind", "told"),
    [
        ("encode", EncodeError, "Expected `Point`, got int 7"),
        ("encode torn", EncodeError, "cannot encode Point <"),
        ("encode wrong", EncodeError, "Expected `str`, got"),
        ("decode", DecodeError, "Expected the wire form of `str`, got 7"),
        ("decode Oval 1 2", DecodeError, "cannot read 'Oval 1 2' as Point: KeyError: 'Oval'"),
        ("decode Seven 1 2", DecodeError, "read 'Seven 1 2' as a `int`, not a `Point`"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    act: str, kind: type[Exception], told: str, shapes: ModuleType, store: BlobStore
) -> None:
    codec: Codec = codec_for(shapes.Point)
    verb, _, what = act.partition(" ")
    value: object = 7
    if what:
        value = shapes.Point(what, 0) if verb == "encode" else what
    with pytest.raises(kind) as refused:
        getattr(codec, verb)(value, store)
    assert told in str(refused.value)
    assert ("`hardpoint-shapes` 2.1" in str(refused.value)) == bool(what)
    assert getattr(refused.value, "hint", "")


def test_a_class_that_nobody_claims_is_refused_as_ever(shapes: ModuleType) -> None:
    told = refusal_of(shapes.Unclaimed)
    assert "Make it a dataclass, or use `Pickled[Unclaimed]`" in told
    assert "Make it a dataclass" in refusal_of(shapes.Corner)


def test_a_plugin_for_another_api_is_not_imported(site: Site, tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'imported')!r}, 'w').close()\n"
    entry_points = CLAIM + "[hardpoint.api]\n2.0 = shapes_plugin\n"
    told = refusal_of(install(site, trap + PLUGIN, entry_points).Point)
    assert "Upgrade or uninstall it: plugin `hardpoint-shapes` 2.1" in told
    assert "is not written for plugin API" in told
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        ("raise SystemExit(3)", "failed: `SystemExit: 3`"),
        ("import no_such_sdk", "failed: `ModuleNotFoundError: No module named 'no_such_sdk'`"),
        ("class plugin: pass", "failed: `AttributeError"),
        ("class Plugin:\n    literal_types = lambda self: [7]\nplugin = Plugin()", "returned a `int`"),
        ("class Plugin:\n    literal_types = lambda self: []\nplugin = Plugin()", "declares 0 literal types"),
        (PLUGIN.replace("SimpleType(SimpleKind.STR)", "str"), "for its type"),
    ],
)
def test_a_broken_plugin_is_named_by_the_refusal(plugin: str, told: str, site: Site) -> None:
    said = refusal_of(install(site, textwrap.dedent(plugin)).Point)
    assert "Upgrade or uninstall it: plugin `hardpoint-shapes` 2.1" in said
    assert told in said


def test_safe_mode_imports_no_plugin(shapes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDPOINT_SAFE_MODE", "1")
    assert "plugin `hardpoint-shapes` 2.1, which claims the type, is denied by safe mode" in refusal_of(
        shapes.Point
    )
    assert "shapes_plugin" not in sys.modules


def test_of_two_plugins_for_a_class_none_is_chosen(shapes: ModuleType, site: Site) -> None:
    site.write_metadata("other-shapes", "1.0", CLAIM + API)
    told = refusal_of(shapes.Point)
    assert "`hardpoint-shapes`" in told
    assert "`other-shapes`" in told


def test_damaged_metadata_hides_nobody(shapes: ModuleType, site: Site, store: BlobStore) -> None:
    site.write_metadata("aaa-damaged", "1.0", "[hardpoint.types]\nno equals sign\n")
    assert codec_for(shapes.Point).encode(shapes.Point(1.0, 2.0), store) == "Point 1.0 2.0"


def test_known_types_never_look_for_plugins() -> None:
    code = (
        "import sys; from hardpoint.core.types import codec_for, File, Pickled\n"
        "from decimal import Decimal; import dataclasses, enum\n"
        "C = dataclasses.make_dataclass('C', [('x', int)])\n"
        "for hint in (int, list[Decimal], dict[str, File], C, enum.Enum('E', 'A B'), Pickled[object]):\n"
        "    codec_for(hint)\n"
        "print('hardpoint.core.types.foreign' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
