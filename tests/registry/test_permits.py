"""What the operator keeps out is not imported, is listed with the reason, and stands in nobody's way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api import Shape, TaskType, hookimpl
from hardpoint.registry import Permits, PluginDeniedError, PluginState, load_registry

if TYPE_CHECKING:
    from tests.registry.conftest import Site

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?", fullmatch=True)


class Embedded:
    @hookimpl
    def task_types(self) -> list[TaskType]:
        return [TaskType("mine", Shape.FUNCTION, Embedded)]

    def run(self, context: object, inputs: object) -> dict[str, object]:
        return {}


@given(NAMES, st.booleans())
def test_safe_mode_lets_nothing_in_and_no_rule_lets_everything_in(name: str, safe_mode: bool) -> None:
    assert Permits(safe_mode=safe_mode).denied_by(name) == ("denied by safe mode" if safe_mode else "")


@given(NAMES)
def test_a_name_matches_itself_however_it_is_spelled(name: str) -> None:
    spelled = name.upper().replace("-", "_").replace(".", "-")
    assert Permits(allow=(name,)).denied_by(spelled) == ""
    assert Permits(deny=(spelled,)).denied_by(name) == f'denied by `deny = ["{spelled}"]`'


@given(st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3), NAMES)
def test_deny_goes_before_allow(allow: list[str], deny: list[str], name: str) -> None:
    assert "deny" in Permits(tuple(allow), (*deny, name)).denied_by(name)


@pytest.mark.parametrize(
    ("permits", "by", "hint"),
    [
        (
            Permits(safe_mode=True),
            "denied by safe mode",
            "Leave out `--safe-mode` and `HARDPOINT_SAFE_MODE`",
        ),
        (
            Permits(deny=("*-Echo",)),
            'denied by `deny = ["*-Echo"]`',
            "Let `hardpoint-echo` in under `[plugins]` of hardpoint.toml",
        ),
        (
            Permits(allow=("acme-*", "b")),
            'denied by `allow = ["acme-*", "b"]`',
            "Let `hardpoint-echo` in under `[plugins]` of hardpoint.toml",
        ),
    ],
)
def test_a_denied_plugin_is_named_and_not_imported(site: Site, permits: Permits, by: str, hint: str) -> None:
    site.echo()
    registry = load_registry({"mine": Embedded()}, permits=permits)
    with pytest.raises(PluginDeniedError) as caught:
        registry.task_type("echo")
    assert caught.value.message == f"Plugin `hardpoint-echo` 1.0 for `echo` is {by}"
    assert caught.value.hint == hint
    row = next(row for row in registry.installed() if row.name == "echo")
    assert (row.state, row.problem) == (PluginState.DENIED, caught.value.message)
    assert registry.task_type("mine").name == "mine"
    assert "echo_plugin" not in sys.modules


def test_of_two_that_claim_a_name_the_one_that_is_let_in_runs_it(site: Site) -> None:
    site.echo("acme-echo", "echo_a")
    site.echo("hardpoint-echo", "echo_b")
    registry = load_registry(permits=Permits(deny=("acme-*",)))
    assert registry.task_type("echo").name == "echo"
    assert "echo_a" not in sys.modules
    assert {row.distribution: row.state for row in registry.installed() if row.name == "echo"} == {
        "acme-echo": PluginState.DENIED,
        "hardpoint-echo": PluginState.LOADED,
    }


def test_a_denied_extension_is_not_imported(site: Site) -> None:
    site.install(
        "acme-watch", extensions={"watch": "watch_mod:plugin"}, modules={"watch_mod": "raise ValueError"}
    )
    registry = load_registry(permits=Permits(deny=("acme-*",)))
    assert registry.observers() == ()
    assert "watch_mod" not in sys.modules
