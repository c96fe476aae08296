"""What an attempt prints without end is cut in the middle; what others printed before stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor.pool.log_cut import cut


@given(st.binary(max_size=20), st.binary(max_size=200), st.integers(2, 80))
def test_beginning_and_end_of_an_attempt_are_kept(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, own: bytes, kept: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "w.out"
    path.write_bytes(before + own)
    end = cut(path, len(before), len(before) + len(own), kept)
    found = path.read_bytes()
    assert len(found) == end
    assert found.startswith(before)
    part = found[len(before) :]
    if len(own) <= kept:
        assert part == own
    else:
        half = kept // 2
        left_out = len(own) - 2 * half
        said = f"\n[hardpoint left out {left_out} bytes here]\n".encode()
        assert part == own[:half] + said + own[len(own) - half :]


def test_a_file_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    assert cut(tmp_path / "none", 0, 100, 10) == 100
