"""Requirements against what is installed, compared with the library that defines them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement as TheirRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hardpoint.executor.doctor.requirements import Standing, admits, parsed, standing

releases = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
long_releases = st.lists(st.integers(0, 3), min_size=2, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)
clauses = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["==", "!=", "<=", ">=", "<", ">"]), releases),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), releases),
    st.builds("~={}".format, long_releases),
)
ranges = st.lists(clauses, max_size=3).map(",".join)


@given(ranges, releases)
def test_a_release_is_admitted_exactly_if_the_standard_says_so(versions: str, version: str) -> None:
    assert admits(versions, version) is SpecifierSet(versions).contains(version)


@given(
    ranges,
    releases,
    st.sampled_from(["a1", "b2", "rc3", ".dev4", ".post1", "+local", "!1", "-weird"]),
)
def test_of_other_versions_nothing_wrong_is_said(versions: str, version: str, suffix: str) -> None:
    answer = admits(versions, version + suffix)
    if answer is None or suffix in ("!1", "-weird"):
        return
    # What comes after a release and is not a release itself: these are admitted as it is, but for `>`.
    strict = any(clause.startswith((">", "==", "<=", "!=")) for clause in versions.split(","))
    assert strict or answer is SpecifierSet(versions, prereleases=True).contains(version + suffix)


@given(
    st.from_regex(r"[A-Za-z][A-Za-z0-9]([-_.][a-z0-9]+)?", fullmatch=True),
    st.sampled_from(["", "[extra]", "[one, two]"]),
    ranges,
    st.sampled_from(["", ' ; extra == "x"', ' ; python_version < "3.8"']),
)
def test_lines_of_metadata_are_read_as_the_standard_has_them(
    name: str, extras: str, versions: str, condition: str
) -> None:
    line = f"{name}{extras} {versions}{condition}"
    ours, theirs = parsed(line), TheirRequirement(line)
    assert ours.name == canonicalize_name(theirs.name)
    assert SpecifierSet(ours.versions) == theirs.specifier
    assert bool(ours.condition) is (theirs.marker is not None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("acme>=1.0", Standing.MET),
        ("Acme (>=1.0)", Standing.MET),
        ("acme", Standing.MET),
        ("acme @ https://example.com/acme.whl", Standing.MET),
        ("acme>=2", Standing.UNMET),
        ("acme===1.5", Standing.UNCHECKED),
        ("acme>=2rc1", Standing.UNCHECKED),
        ('acme>=2; python_version < "3.8"', Standing.UNCHECKED),
        ('acme>=1; python_version >= "3.8"', Standing.MET),
        ("missing", Standing.MISSING),
        ('missing; sys_platform == "win32"', Standing.UNCHECKED),
        ("missing; extra == 'x'", Standing.OPTIONAL),
    ],
)
def test_each_requirement_is_met_or_not_or_left_open(line: str, expected: Standing) -> None:
    assert standing(parsed(line), {"acme": "1.5"}) is expected
