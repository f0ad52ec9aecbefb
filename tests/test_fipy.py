"""The cross-check with FiPy of `validation/11_fipy.py`, at coarse levels."""

import importlib

import numpy as np
import pytest

pytest.importorskip("fipy")
study = importlib.import_module("validation.11_fipy")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def table():
    return study.study((32, 64))


def test_difference_falls_with_order_two(table):
    orders = [row["order"] for row in table if "order" in row]
    assert len(orders) == 2
    assert orders == [pytest.approx(2.0, abs=0.3)] * 2
    assert max(row["difference"] for row in table if row["cells"] == 64) < 0.025


def test_without_the_noise_induced_drift_it_does_not(table):
    coarse, fine = (row["control"] for row in table if "control" in row)
    assert fine > 0.9 * coarse
    agreed = [row["difference"] for row in table if "control" in row]
    assert fine > 10.0 * agreed[-1]


def test_fipy_keeps_its_mass():
    n, side = 32, 2 * study.VARIABLE.half
    x = side * ((np.arange(n) + 0.5) / n - 0.5)
    start = study.VARIABLE.start(x[:, None], x)
    assert study.fipy_steps(study.VARIABLE, n, 16).sum() == pytest.approx(start.sum(), rel=1e-10)


def test_the_page_says_what_was_measured(table, tmp_path):
    text = study.markdown(table)
    assert "| variable D, Ito | 64^2 |" in text
    study.figure(table, tmp_path / "d.png")
    assert (tmp_path / "d.png").stat().st_size > 10_000
