"""Pages of docs/reference agree with the code."""

from __future__ import annotations

import re
import subprocess
import sys
import typing
from pathlib import Path

from hardpoint import plugin_api
from hardpoint.plugin_api import AnyType, SimpleKind

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_generated_pages_are_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_on_the_api_page() -> None:
    headings = set(
        re.findall(r"^### `(\w+)`$", (REFERENCE / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert headings == set(plugin_api.__all__)


def test_public_names_are_sorted_and_exist() -> None:
    names = plugin_api.__all__
    assert [name for name in names if not hasattr(plugin_api, name)] == []
    assert len(names) == len(set(names))


def test_every_literal_type_is_on_the_types_page() -> None:
    page = (REFERENCE / "types.md").read_text(encoding="utf-8")
    missing = [kind.value for kind in SimpleKind if f"| `{kind.value}` |" not in page]
    missing += [each.__name__ for each in typing.get_args(AnyType) if f"`{each.__name__}`" not in page]
    assert missing == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "changelog.d").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []


def test_every_decision_has_its_three_parts_and_is_listed() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [path.name[:4] for path in decisions] == [f"{n:04}" for n in range(1, len(decisions) + 1)]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], path.name
        assert f"adr/{path.name}" in index
