"""Write the pages that follow from the code; `--check` only compares them.

Below `docs/reference`: hooks, the plugin API, errors and events. Below `docs/plugins`: a page for each plugin
of this repository, from the manifest in its package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # a script's own folder stands there otherwise

from tools.reference_pages.api import api_page
from tools.reference_pages.catalogue import catalogue_pages
from tools.reference_pages.errors import errors_page
from tools.reference_pages.events import events_page
from tools.reference_pages.hooks import hooks_page

ROOT = Path(__file__).resolve().parent.parent


def pages(root: Path) -> Mapping[str, str]:
    """The text of each page, by its place below `docs`."""
    return {
        "reference/hooks.md": hooks_page(),
        "reference/api.md": api_page(),
        "reference/errors.md": errors_page(root),
        "reference/events.md": events_page(),
        **catalogue_pages(root),
    }


def main(arguments: Sequence[str]) -> int:
    """Write, or compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs", help="the folder to write to; default: docs"
    )
    options = parser.parse_args(arguments)
    wanted = pages(ROOT)
    written = {path.relative_to(options.out).as_posix() for path in (options.out / "plugins").glob("*.md")}
    old = sorted(written - set(wanted))
    for name, text in wanted.items():
        path = options.out / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            old.append(name)
    if not options.check:
        for name in old:
            _put(options.out / name, wanted.get(name))
    if options.check and old:
        print(f"out of date: {', '.join(old)}\n\nhint: run `make docs`")
        return 1
    print(f"written: {', '.join(old)}" if old else "all pages are current")
    return 0


def _put(path: Path, text: str | None) -> None:
    """Write a page, or remove that of a plugin that is gone."""
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
