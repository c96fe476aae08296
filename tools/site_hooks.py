"""What MkDocs is told about this repository: pages outside `docs`, folders in the navigation, fences.

Pages link to files as they lie in the repository, so that links work wherever the repository is read.
Those outside `docs` that are pages too become part of the site; `mkdocs.yml` names this file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = ("CONTRIBUTING.md", "examples/*/README.md", "plugins/*/README.md")
BESIDE = "repository"
"""The folder of the site where pages lie that come from outside `docs`."""
FIRST = ("index", "tutorial")
BOOST = {"adr/": 0.3, "evidence/": 0.5, "reference/api.md": 0.7, "waiting.md": 2.0}
"""How much sooner a page is found than others: why something is so, after how it is used."""

LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
FENCE = re.compile(r"^\s*```\w.*$", re.MULTILINE)
FOR_TESTS = re.compile(r' (?:notest|exit)="[^"]*"')


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace each folder in the navigation by its pages."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def _expanded(entry: Any, docs: Path) -> Any:
    match entry:
        case list():
            return [_expanded(each, docs) for each in entry]
        case dict():
            return {title: _expanded(each, docs) for title, each in entry.items()}
        case str() if entry.endswith("/"):
            pages = sorted((docs / entry).glob("*.md"), key=_place)
            return [page.relative_to(docs).as_posix() for page in pages]
        case _:
            return entry


def _place(page: Path) -> tuple[int, str]:
    """What to read first stands first; the others by name."""
    return FIRST.index(page.stem) if page.stem in FIRST else len(FIRST), page.name


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages that lie outside `docs`."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            place = f"{BESIDE}/{path.relative_to(ROOT).as_posix()}"
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make a page of the repository one of the site.

    Links lead to where a page lies in the site, or become their text if there is none; what only the tests of
    code blocks read is dropped; the page gets its weight in the search.
    """
    here = posixpath.dirname(page.file.src_uri)
    boost = [factor for start, factor in BOOST.items() if page.file.src_uri.startswith(start)]
    page.meta["search"] = {"boost": boost[0] if boost else 1.0}

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(_in_repository(here), link["target"]))
        uri = _in_site(target)
        if files.get_file_from_path(uri) is None:
            return link["text"] if (ROOT / target).exists() else link[0]
        return f"[{link['text']}]({posixpath.relpath(uri, here or '.')}{link['anchor'] or ''})"

    return FENCE.sub(lambda fence: FOR_TESTS.sub("", fence[0]), LINK.sub(moved, markdown))


def _in_repository(folder: str) -> str:
    if folder == BESIDE or folder.startswith(f"{BESIDE}/"):
        return folder.removeprefix(BESIDE).removeprefix("/")
    return posixpath.join("docs", folder)


def _in_site(path: str) -> str:
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{BESIDE}/{path}"
