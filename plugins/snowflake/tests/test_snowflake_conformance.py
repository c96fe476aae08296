"""The plugin keeps every promise of a job, at a stand-in that forgets request ids."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hardpoint_snowflake.testing.server import installed

NOT_ASKED = {
    "test_a_name_that_another_request_has_is_not_adopted",
    "test_one_token_is_one_job[conflict]",
}


def test_the_plugin_passes_its_check() -> None:
    installed()  # a case has a minute, and that may take longer
    hardpoint = Path(sys.executable).with_name("hardpoint")
    check = [str(hardpoint), "plugins", "check", "snowflake", "--json"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=600, check=False)
    report = json.loads(done.stdout)
    assert report["failures"] == []
    assert report["passed"] > 100
    assert {each["case"] for each in report["skipped"]} == NOT_ASKED
