"""What was found about whom, and in which order it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from hardpoint.plugin_api import Finding, Severity

HOST = "hardpoint"
"""Whom findings are about that are no plugin's."""

_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.OK: 2}


class About(msgspec.Struct, frozen=True):
    """A finding and whom it is about.

    Args:
        plugin: A distribution, or `HOST`.
        finding: What was found.
    """

    plugin: str
    finding: Finding


class Report(msgspec.Struct, frozen=True):
    """Everything that was found, in the order in which it is told."""

    told: tuple[About, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are of that severity."""
        return sum(each.finding.severity is severity for each in self.told)


def report(found: Iterable[About], mask: Callable[[str], str]) -> Report:
    """Put findings in order: the host's first, then by plugin; errors before warnings.

    Args:
        found: In any order; of equals the first comes first.
        mask: Takes secrets out of a text.

    >>> ok, bad = Finding(Severity.OK, "api", "fits"), Finding(Severity.ERROR, "login", "no s3cret", "Log in")
    >>> told = report([About("b", ok), About("b", bad), About(HOST, ok)], lambda text: text[:2]).told
    >>> [(each.plugin, each.finding.subject, each.finding.message) for each in told]
    [('hardpoint', 'ap', 'fi'), ('b', 'lo', 'no'), ('b', 'ap', 'fi')]
    """
    masked = [About(each.plugin, _masked(each.finding, mask)) for each in found]
    return Report(tuple(sorted(masked, key=_place)))


def _place(each: About) -> tuple[bool, str, int]:
    return each.plugin != HOST, each.plugin, _RANK[each.finding.severity]


def _masked(each: Finding, mask: Callable[[str], str]) -> Finding:
    return Finding(each.severity, mask(each.subject), mask(each.message), mask(each.hint))


def ok(subject: str, message: str) -> Finding:
    """All is well."""
    return Finding(Severity.OK, subject, message)


def warning(subject: str, message: str, hint: str) -> Finding:
    """Something that may hurt."""
    return Finding(Severity.WARNING, subject, message, hint)


def error(subject: str, message: str, hint: str) -> Finding:
    """Something that keeps a plugin from working."""
    return Finding(Severity.ERROR, subject, message, hint)
