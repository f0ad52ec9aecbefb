"""The study of claim 13 at its coarse level. Seeds are fixed."""

import importlib

import pytest

from validation import claim


@pytest.mark.slow
def test_inference_holds_and_wrong_estimates_are_caught(tmp_path):
    result = claim.run(importlib.import_module("validation.13_inference"), quick=True, out=tmp_path)
    assert [row for row in result.rows if not row.good] == []
    assert sum(row.control for row in result.rows) > 8
    assert (tmp_path / "13_inference.png").stat().st_size > 20_000
    assert len({(row.case, row.level) for row in result.rows}) == len(result.rows)
    assert claim.false_alarm(result.rows) < 5e-3
