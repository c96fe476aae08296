"""The site builds without a warning, and works without any other server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, pages

LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(\w+:)?//[^>]*>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


def html(site: Path) -> Iterator[tuple[str, str]]:
    for path in site.rglob("*.html"):
        yield path.relative_to(site).as_posix(), path.read_text(encoding="utf-8")


def test_every_page_is_in_the_site(site: Path) -> None:
    titles = [page.read_text(encoding="utf-8").partition("\n")[0] for page in pages() if page.parent != ROOT]
    words = {re.sub(r"[`*#]", "", title).strip() for title in titles}
    built = "".join(text for _, text in html(site)).replace("&#39;", "'")
    plain = re.sub(r"<[^>]+>", "", built)
    assert sorted(word for word in words if word not in plain) == []


def test_nothing_is_loaded_from_another_server(site: Path) -> None:
    assert [(name, found[0]) for name, text in html(site) for found in LOADED.finditer(text)] == []


def test_a_script_of_another_server_would_be_found() -> None:
    assert LOADED.search('<script defer src="https://cdn.example/x.js"></script>')
    assert LOADED.search('<link rel="stylesheet" href="//fonts.example/css">')
    assert not LOADED.search('<a href="https://example.org">')
    assert not LOADED.search('<script src="../assets/bundle.js"></script>')


def test_nothing_of_this_machine_is_in_the_site(site: Path) -> None:
    found = [name for name, text in html(site) if str(ROOT) in text or str(Path.home()) in text]
    assert found == []


def test_the_search_finds_why_something_waits(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    assert '"location":"waiting/"' in index


def test_no_page_has_what_only_the_tests_read(site: Path) -> None:
    marked = re.compile(r"<[^<>]*\b(?:notest|exit)=|```")
    assert [name for name, text in html(site) if marked.search(text)] == []
