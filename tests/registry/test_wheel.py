"""A wheel that pip installs: what it says of the plugin API is believed before anything of it is imported."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hardpoint.registry import IncompatiblePluginError, load_registry

FILES = {
    "hardpoint_future/__init__.py": "raise AssertionError('imported')\n",
    "hardpoint_future-3.dist-info/METADATA": "Metadata-Version: 2.1\nName: hardpoint-future\nVersion: 3\n",
    "hardpoint_future-3.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
    "hardpoint_future-3.dist-info/entry_points.txt": (
        "[hardpoint.plugins]\nfuture = hardpoint_future:plugin\n[hardpoint.api]\n{api} = hardpoint_future\n"
    ),
}


@pytest.mark.parametrize(
    ("api", "hint"),
    [("9.0", "pip install --upgrade hardpoint`"), ("0.9", "pip install --upgrade hardpoint-future`")],
)
def test_a_wheel_for_another_plugin_api_is_refused_before_it_is_imported(
    api: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, site = tmp_path / "hardpoint_future-3-py3-none-any.whl", tmp_path / "site"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text.replace("{api}", api))
        record = "".join(f"{name},,\n" for name in FILES)
        archive.writestr("hardpoint_future-3.dist-info/RECORD", record)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, timeout=60)
    monkeypatch.syspath_prepend(site)
    registry = load_registry()
    with pytest.raises(IncompatiblePluginError) as refused:
        registry.task_type("future")
    assert api in refused.value.message
    assert hint in refused.value.hint
    (row,) = [each for each in registry.installed() if each.name == "future"]
    assert row.state.value == "incompatible"
    assert "hardpoint_future" not in sys.modules
