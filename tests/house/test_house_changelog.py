"""Fragments of the changelog keep to their convention."""

from __future__ import annotations

import re
from pathlib import Path

FRAGMENTS = Path(__file__).resolve().parents[2] / "changelog.d"
NAME = re.compile(r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md")


def test_fragments_have_a_kind_and_a_sentence() -> None:
    wrong = [
        path.name
        for path in FRAGMENTS.iterdir()
        if path.name != "README.md"
        and (
            not NAME.fullmatch(path.name)
            or not re.match(r"(?![#\s]).+\.$", path.read_text().strip(), re.DOTALL)
        )
    ]
    assert wrong == []
