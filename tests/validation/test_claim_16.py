"""The study of claim 16 at its coarse level. Seeds are fixed."""

import importlib

import pytest

from validation import claim


@pytest.mark.slow
def test_intervals_cover_and_those_of_moments_do_not(tmp_path):
    result = claim.run(importlib.import_module("validation.16_coverage"), quick=True, out=tmp_path)
    assert [row for row in result.rows if not row.good] == []
    assert sum(row.control for row in result.rows) == 6
    assert (tmp_path / "16_coverage.png").stat().st_size > 20_000
