"""Whether what is installed is what a distribution's metadata requires.

No library for this is certain to be there. Releases such as `2.7.1` are compared, which is nearly all that
requirements name; whatever else a requirement says (a pre-release, an unusual condition) is not checked,
and said to be.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

import msgspec

_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?"  # name, extras
    r"\s*\(?([^;@)]*)\)?\s*(@[^;]*)?(?:;(.*))?"  # versions or address, condition
)
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*(\d+(?:\.\d+)*)(\.\*)?")
_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(?:\.post\d+)?(?:\+[a-z0-9.]+)?", re.IGNORECASE)

Release = tuple[int, ...]


class Standing(enum.Enum):
    """What became of one requirement."""

    MET = "met"
    MISSING = "missing"
    UNMET = "unmet"
    UNCHECKED = "unchecked"
    OPTIONAL = "optional"


class Requirement(msgspec.Struct, frozen=True):
    """A line of `Requires-Dist`.

    Args:
        name: Normalised.
        versions: The ranges, as written; empty for any version.
        condition: When it holds; empty for always.
    """

    name: str
    versions: str
    condition: str

    def __str__(self) -> str:
        return f"{self.name}{self.versions}"


def normalised(name: str) -> str:
    """A distribution's name as indexes compare it.

    >>> normalised("Jupyter_Client")
    'jupyter-client'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def parsed(line: str) -> Requirement:
    """Read a line of `Requires-Dist`.

    >>> parsed('psycopg[binary] >=3.2,<4 ; extra == "postgresql"')
    Requirement(name='psycopg', versions='>=3.2,<4', condition='extra == "postgresql"')
    """
    found = _REQUIREMENT.fullmatch(line)
    if found is None:
        return Requirement(normalised(line), "", "unreadable")
    name, versions, _, condition = found.groups()
    return Requirement(normalised(name), "".join(versions.split()), (condition or "").strip())


def standing(requirement: Requirement, installed: Mapping[str, str]) -> Standing:
    """Whether a requirement is met.

    Args:
        requirement: From metadata.
        installed: Versions by normalised name.

    >>> standing(parsed("papermill>=2.7,<2.8"), {"papermill": "2.7.1"})
    <Standing.MET: 'met'>
    """
    if re.search(r"\bextra\b", requirement.condition):
        return Standing.OPTIONAL
    version = installed.get(requirement.name)
    if version is None:
        return Standing.UNCHECKED if requirement.condition else Standing.MISSING
    admitted = admits(requirement.versions, version)
    if admitted is None or (requirement.condition and not admitted):
        return Standing.UNCHECKED
    return Standing.MET if admitted else Standing.UNMET


def admits(versions: str, version: str) -> bool | None:
    """Whether ranges admit a version; None if that cannot be told here.

    >>> admits(">=1.5,!=1.7.*", "1.6.2"), admits("~=1.4.2", "1.5"), admits(">=2", "2.0rc1")
    (True, False, None)
    """
    found = _RELEASE.fullmatch(version.strip())
    if not versions:
        return True
    if found is None:
        return None
    release = _release(found[1])
    answers = [_clause_admits(clause.strip(), release) for clause in versions.split(",") if clause.strip()]
    if any(answer is False for answer in answers):
        return False
    return None if None in answers else True


def _clause_admits(clause: str, release: Release) -> bool | None:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        return None
    operator, text, star = found.groups()
    bound = _release(text)
    have, want = _padded(release, bound)
    begins = _padded(release, bound)[0][: len(bound)] == bound
    match operator:
        case "==":
            return begins if star else have == want
        case "!=":
            return not (begins if star else have == want)
        case "~=":
            return have >= want and have[: len(bound) - 1] == bound[:-1]
        case ">=":
            return have >= want
        case "<=":
            return have <= want
        case ">":
            return have > want
        case _:
            return have < want


def _release(text: str) -> Release:
    return tuple(int(part) for part in text.split("."))


def _padded(one: Release, other: Release) -> tuple[Release, Release]:
    length = max(len(one), len(other))
    return one + (0,) * (length - len(one)), other + (0,) * (length - len(other))
