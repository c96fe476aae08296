"""Every hook is documented, tested and reachable through the registry: the test names the forgotten file."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from hardpoint.plugin_api import PROJECT_NAME, hookspecs
from hardpoint.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
TYPED_METHOD = {"task_types": "task_type", "resource_pools": "pools", "rate_limits": "rates"}
"""Declaring hooks whose typed method on `Registry` has another name; the others' is the hook's own."""


def hooks() -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(function)
        for name, function in vars(hookspecs).items()
        if hasattr(function, f"{PROJECT_NAME}_spec")
    }


def undocumented(page: str) -> list[str]:
    """Hooks without a section of their own, and arguments that their section does not name."""
    sections = {section.partition("\n")[0].strip("`"): section for section in page.split("\n### ")[1:]}
    missing = [name for name in hooks() if name not in sections]
    return missing + [
        f"{name}({argument})"
        for name, signature in hooks().items()
        for argument in signature.parameters
        if name in sections and f"`{argument}`" not in sections[name]
    ]


def test_every_hook_and_every_argument_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
    assert undocumented(page) == []


def test_a_forgotten_hook_or_argument_would_be_found() -> None:
    page = (ROOT / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
    assert undocumented(page.replace("## `cancel_job`", "## `cancel`")) == ["cancel_job"]
    assert undocumented(page.replace("| `reason` |", "| `why` |")) == ["cancel_job(reason)"]


def test_every_hook_has_a_test_of_its_name() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    tested = set(re.findall(r"^def test_hook_(\w+)\(", tests, flags=re.MULTILINE))
    assert tested >= set(hooks()), "write `test_hook_<name>` for each"
    known = tuple(hooks())
    assert [name for name in tested if not name.startswith(known)] == [], "named after a hook that is gone"


def test_every_hook_has_a_typed_method_on_the_registry() -> None:
    missing = [name for name in hooks() if not hasattr(Registry, TYPED_METHOD.get(name, name))]
    assert missing == []


def test_every_hook_has_an_example() -> None:
    bare = [name for name in hooks() if "@hookimpl" not in (getattr(hookspecs, name).__doc__ or "")]
    assert bare == []
