"""Which pages the documentation has, and which of their blocks are run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.docs.code_blocks import SHOWN, Block, read_blocks
from tools.site_hooks import OUTSIDE

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "docs/reference/hooks.md": "examples of methods: `test_hook_examples.py` calls them",
    "docs/reference/api.md": "signatures; examples run as doctests of their modules",
}
"""Generated pages whose Python is no program."""


def pages() -> list[Path]:
    """The README, and every page of the site."""
    patterns = ("README.md", "docs/**/*.md", *OUTSIDE)
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def shown(page: Path) -> str:
    """How a page is called in messages."""
    return page.relative_to(ROOT).as_posix()


def runnable(page: Path) -> list[Block]:
    """The blocks of a page that are run."""
    return [block for block in read_blocks(page) if not _reason(page, block)]


def left_out() -> Iterator[tuple[str, Block, str]]:
    """Page, block and reason of each that is not run."""
    for page in pages():
        for block in read_blocks(page):
            if reason := _reason(page, block):
                yield shown(page), block, reason


def _reason(page: Path, block: Block) -> str:
    elsewhere = ELSEWHERE.get(shown(page), "") if block.language in ("python", "pycon") else ""
    only_shown = block.language in SHOWN and "\n$ " in f"\n{block.text}"
    return block.notest or elsewhere or ("commands in a block that is only shown" if only_shown else "")
