"""The plugin keeps every promise of a job, at a stand-in that runs the SQL."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hardpoint.plugin_api.testing.standins import StandinMissingError
from hardpoint_bigquery.testing import standin


def test_the_plugin_passes_its_check() -> None:
    try:
        standin.installed()  # a case has a minute, and that may take longer
    except StandinMissingError as error:
        pytest.skip(f"platform: {error}")
    hardpoint = Path(sys.executable).with_name("hardpoint")
    check = [str(hardpoint), "plugins", "check", "bigquery", "--json"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=600, check=False)
    report = json.loads(done.stdout)
    assert report["failures"] == []
    assert report["passed"] > 100
    assert {each["case"] for each in report["skipped"]} == {"test_duplicates_are_told_and_left_alone"}
