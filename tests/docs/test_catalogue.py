"""A plugin's page in the catalogue says what its manifest says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tools.reference_pages.catalogue import CAPABILITIES, catalogue_pages

from hardpoint.plugin_api import (
    MANIFEST_FILE,
    MANIFEST_FORMAT,
    Capability,
    Idempotency,
    LogLink,
    Manifest,
    ManifestCommand,
    ManifestTaskType,
    RateLimit,
    ResourceClaim,
    ResourcePool,
    Shape,
)

SCHEMA = {
    "properties": {
        "query": {"type": "string", "description": "SQL."},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    },
    "required": ["query"],
}
ACME = Manifest(
    format=MANIFEST_FORMAT,
    target="hardpoint_acme:plugin",
    api=("1.0",),
    hooks=("resource_pools", "task_types"),
    task_types=(
        ManifestTaskType(
            "acme",
            Shape.ARRAY,
            SCHEMA,
            doc="Runs a query",
            idempotency=Idempotency.SEARCH,
            settling_delay_s=5.0,
            capabilities=("cancel", "teleport"),
            claims=(ResourceClaim("acme:main", 2),),
            secrets=("acme",),
        ),
    ),
    pools=(ResourcePool("acme:*", 20),),
    rates=(RateLimit("acme:*", reads_per_s=2.5),),
    log_links=(LogLink("Logs", "https://acme.example/{job}"),),
    commands=(ManifestCommand("acme", "Look at it"),),
)


def repository(root: Path, manifest: bytes | None) -> Path:
    package = root / "plugins" / "acme" / "hardpoint_acme"
    package.mkdir(parents=True)
    project = '[project]\nname = "hardpoint-acme"\ndescription = "Queries of Acme."\n'
    (package.parent / "pyproject.toml").write_text(project)
    if manifest is not None:
        (package / MANIFEST_FILE).write_bytes(manifest)
    return root


def test_everything_declared_is_on_the_page(tmp_path: Path) -> None:
    pages = catalogue_pages(repository(tmp_path, msgspec.json.encode(ACME)))
    assert set(pages) == {"plugins/index.md", "plugins/acme.md"}
    assert "| [acme](acme.md) | Queries of Acme. | `acme` | `hardpoint-acme` |" in pages["plugins/index.md"]
    lines = pages["plugins/acme.md"].splitlines()
    expected = [
        "# acme",
        "$ pip install hardpoint-acme",
        "## Task type `acme`",
        "Runs a query",
        "- Shape: array",
        "- Promise: at most one job of each attempt survives: found by searching, after 5.0 s",
        "- Items: 1 to 1000 in one create",
        "- Can: a job can be ended through the service, teleport",
        "- Holds: 2 of `acme:main`",
        "- Secrets: `acme`",
        "| `query` | string | required | SQL. |",
        r"| `limit` | integer \| null | `null` |  |",
        "| `acme:*` | 20 slots |",
        "| `acme:*` | 2.5 | 10 | 10 |",
        "- Command: `hardpoint acme`: Look at it",
        "- Link: Logs: `https://acme.example/{job}`",
    ]
    assert [line for line in expected if line not in lines] == []


def test_a_plugin_without_a_manifest_is_named_with_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="hardpoint plugins manifest hardpoint-acme"):
        catalogue_pages(repository(tmp_path, None))


def test_every_capability_has_words() -> None:
    assert set(CAPABILITIES) == {each.value for each in Capability}
