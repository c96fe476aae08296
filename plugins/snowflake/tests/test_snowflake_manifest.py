"""The manifest says what the plugin declares."""

from __future__ import annotations

from hardpoint.plugin_api.testing.manifest import expect_current_manifest


def test_the_manifest_is_current() -> None:
    expect_current_manifest("hardpoint-snowflake")
