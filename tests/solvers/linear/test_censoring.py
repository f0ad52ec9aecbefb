"""Weights of wells by the chain watched in their bottoms, beside state reduction and closed forms."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.linear import stationary
from fokkerplanck.solvers.linear.censoring import censored_null_vector


def driven_wells(d, tilt, swirl=0.5):
    """Two wells with a current around each: U = (x^2 - 1)^2 / 4 + tilt x + y^2, and a force that is not its gradient."""

    def drift(x, y):
        return -(x**3 - x + tilt) + (2 * swirl + 0.2) * y, -2 * y - swirl * (x**3 - x + tilt)

    return fp.FokkerPlanck(drift=drift, diffusion=d)


@pytest.mark.parametrize("d", [0.02, 0.01, 0.003])
def test_beside_state_reduction(d):
    """Barriers of 12 to 80 kT: one factorisation with a cell held loses 1e-6 at 25 kT and everything at 80."""
    q = generator(driven_wells(d, 0.1 * d), fp.Grid([(-1.6, 1.6), (-1.2, 1.2)], 48))
    cells = np.arange(q.grid.size)
    right = stationary._reduced(q, cells, np.inf)
    found, lost = censored_null_vector(q.matrix, stationary._leads(q, cells))
    away = np.abs(found / found.sum() / (right / right.sum()) - 1.0)
    assert away[right > 1e-200 * right.max()].max() < 1e-11
    assert lost < 1e-11


def test_weights_on_many_cells(monkeypatch):
    """exp(-U / D) is stationary where the swirl is that of U; without state reduction, as beyond 400^2 cells."""
    monkeypatch.setattr(stationary, "QUICK", 0.0)
    monkeypatch.setattr(stationary, "REDUCTION", 0.0)
    d, tilt, swirl = 0.01, 0.003, 0.5

    def drift(x, y):
        force = x**3 - x + tilt
        return -force + 2 * swirl * y, -2 * y - swirl * force

    result = fp.stationary(
        fp.FokkerPlanck(drift=drift, diffusion=d), fp.Grid([(-1.6, 1.6), (-1.2, 1.2)], 200), error=False
    )
    x = np.linspace(-1.6, 1.6, 4001)
    weight = np.exp(-((x**2 - 1) ** 2 / 4 + tilt * x) / d)
    right = weight[x > 0].sum() / weight.sum()
    assert result.masses[100:].sum() == pytest.approx(right, rel=0.03)


def test_many_wells_are_left_to_others():
    leads = np.repeat(np.arange(0, 120, 3), 3)
    assert censored_null_vector(np.eye(120), leads) is None


def test_what_underflows_is_left_to_others():
    """Two cells a side, between which nothing passes that is a number."""
    rates = np.zeros((4, 4))
    rates[0, 1] = rates[3, 2] = 1e200
    rates[1, 0] = rates[2, 3] = rates[2, 1] = rates[1, 2] = 1e-200
    rates -= np.diag(rates.sum(axis=0))
    assert censored_null_vector(rates, np.array([0, 0, 3, 3])) is None
