"""From a name and a kind to the files of a plugin; nothing is written here."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from hardpoint.plugin_api import API_VERSION

COMMON = "common"
SUFFIX = ".template"
DOT = "dot-"
PACKAGE, SUITE = "package", "suite"
LONGEST_NAME = 20
"""Longer ones would break lines of the templates."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Kind(enum.Enum):
    """What is written: the shape of its task type."""

    JOB = "job"
    ARRAY = "array"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that follows from the name of a plugin.

    Args:
        name: Of the task type; one that `is_usable`.

    >>> names = Names("acme_batch")
    >>> names.distribution, names.package, names.title, names.upper
    ('hardpoint-acme-batch', 'hardpoint_acme_batch', 'AcmeBatch', 'ACME_BATCH')
    """

    name: str

    @property
    def distribution(self) -> str:
        """What `pip install` is told."""
        return f"hardpoint-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """What Python imports."""
        return f"hardpoint_{self.name}"

    @property
    def title(self) -> str:
        """How its classes begin."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def upper(self) -> str:
        """How its environment variables and secrets begin."""
        return self.name.upper()


def is_usable(name: str) -> bool:
    """Whether a name can be that of a task type, a package and a class alike.

    >>> [each for each in ("acme", "acme_2", "Acme", "acme-2", "2acme") if is_usable(each)]
    ['acme', 'acme_2']
    """
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def usable(name: str) -> str:
    """What is like `name` and can be used; empty if nothing is left of it.

    >>> usable("Hardpoint-ACME Batch!"), usable("2fast"), usable("…")
    ('acme_batch', 'fast', '')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).lstrip("0123456789_")
    return plain.removeprefix("hardpoint_")[:LONGEST_NAME].strip("_")


def render(names: Names, kind: Kind) -> dict[str, str]:
    """The files of a distribution: texts by POSIX path, sorted by it."""
    fields = {field: getattr(names, field) for field in ("name", "distribution", "package", "title", "upper")}
    fields["api"] = ".".join(map(str, API_VERSION))
    fields["hardpoint_range"] = hardpoint_range(version("hardpoint"))
    root = files(__package__)
    found = [*_templates(root / COMMON), *_templates(root / kind.value)]
    texts = {_place(path, names): Template(text).substitute(fields) for path, text in found}
    return dict(sorted(texts.items()))


def hardpoint_range(version: str) -> str:
    """Which hardpoints a plugin made by this one may be installed with.

    >>> hardpoint_range("0.1.3"), hardpoint_range("2.4.0")
    ('>=0.1,<0.2', '>=2.4,<3')
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"


def _templates(folder: Traversable, path: str = "") -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _templates(each, f"{path}{each.name}/")
        elif each.name.endswith(SUFFIX):
            yield path + each.name.removesuffix(SUFFIX), each.read_text(encoding="utf-8")


def _place(path: str, names: Names) -> str:
    first, *rest = path.split("/")
    parts = [{PACKAGE: names.package, SUITE: "tests"}.get(first, first), *rest]
    return "/".join("." + part.removeprefix(DOT) if part.startswith(DOT) else part for part in parts)
