"""Every code block of the documentation does what its page says, or says why it is not run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.docs.code_blocks import KNOWN, SHOWN, read_blocks
from tests.docs.page_run import PageRun
from tests.docs.pages import ROOT, left_out, pages, runnable, shown


@pytest.mark.parametrize("page", [shown(each) for each in pages() if runnable(each)])
def test_its_code_runs(page: str, tmp_path: Path) -> None:
    run = PageRun(page, tmp_path)
    # Who reads a page outside `docs` has a clone before them.
    shutil.copytree(ROOT / "examples", run.folder / "examples")
    run.run(runnable(ROOT / page))


def test_every_block_has_a_language_that_the_tests_know() -> None:
    strange = [
        f"{shown(page)}:{block.line}: `{block.language}`"
        for page in pages()
        for block in read_blocks(page)
        if block.language not in KNOWN
    ]
    assert strange == [], f"fence it and say one of {', '.join(sorted(KNOWN))}"


def test_most_code_is_run() -> None:
    run = sum(len([b for b in runnable(page) if b.language not in SHOWN]) for page in pages())
    marked = sum(1 for _, block, _ in left_out() if block.notest)
    assert run > 2 * marked, f"{run} blocks are run, {marked} are marked with `notest`"
