"""The cross-check with FiPy of `validation/11_fipy.py`, at coarse levels."""

import importlib
import importlib.util

import numpy as np
import pytest

from validation import claim

study = importlib.import_module("validation.11_fipy")
needs_fipy = pytest.mark.skipif(importlib.util.find_spec("fipy") is None, reason="FiPy is not installed")


@pytest.fixture(scope="module")
def rows():
    return study.study((32, 64))


@needs_fipy
def test_difference_falls_with_order_two_and_the_control_is_caught(rows):
    assert [row.case for row in rows if not row.good] == []
    assert sum("order" in row.case for row in rows) == 2
    assert sum(row.control for row in rows) == 2


@needs_fipy
def test_without_the_noise_induced_drift_it_does_not_fall(rows):
    coarse, fine = (row.measured for row in rows if row.control)
    assert fine > 0.9 * coarse
    agreed = [row.measured for row in rows if "variable D" in row.case and row.level == 64 and not row.control]
    assert fine > 10.0 * agreed[0]


@needs_fipy
@pytest.mark.filterwarnings("ignore")
def test_fipy_keeps_its_mass():
    n, side = 32, 2 * study.VARIABLE.half
    x = side * ((np.arange(n) + 0.5) / n - 0.5)
    start = study.VARIABLE.start(x[:, None], x)
    assert study.fipy_steps(study.VARIABLE, n, 16).sum() == pytest.approx(start.sum(), rel=1e-10)


def test_without_fipy_the_claim_is_skipped_with_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = claim.run(study, quick=True, out=tmp_path)
    assert (outcome.verdict, outcome.trouble) == ("skipped", "skipped: FiPy is not installed")
    assert outcome.good
    assert "skipped: FiPy is not installed" in outcome.section
