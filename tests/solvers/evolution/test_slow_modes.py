"""Slow modes by propagation are those of factors, several at one rate and oscillating ones included."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.evolution import slow_modes
from fokkerplanck.solvers.linear.spectrum import generator_modes

BOX = fp.Grid([(-2, 2)] * 3, [10, 8, 9])
CASES = {
    "well": (fp.FokkerPlanck(potential=lambda x, y, z: (x**2 - 1) ** 2 + y**2 + 0.7 * z**2, diffusion=0.2), BOX, 5),
    "one rate": (
        fp.FokkerPlanck(drift=lambda x, y, z: [-x, -y, -z], diffusion=0.3),
        fp.Grid([(-2, 2)] * 3, [8] * 3),
        8,
    ),
    "turning": (fp.FokkerPlanck(drift=lambda x, y, z: [-x - 20 * y, 20 * x - y, -2 * z], diffusion=0.5), BOX, 5),
    "tensor": (
        fp.FokkerPlanck(
            drift=lambda x, y, z: [-x - y, x - 2 * y, y - z],
            diffusion=[[0.5, 0.2, 0.1], [0.2, 0.4, 0.05], [0.1, 0.05, 0.3]],
        ),
        BOX,
        4,
    ),
    "walls": (
        fp.FokkerPlanck(drift=lambda x, y, z: [0 * x, y, 0 * z], diffusion=1.0),
        fp.Grid([(-2, 2)] * 3, [10, 8, 9], boundary=["absorbing", "periodic", "reflecting"]),
        6,
    ),
}


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("name", CASES)
def test_modes_are_those_of_factors(name, monkeypatch):
    eq, grid, k = CASES[name]
    q = generator(eq, grid)
    monkeypatch.setattr(slow_modes, "many", lambda grid, cells: True)
    found, expected = slow_modes.slow_modes(q, k), generator_modes(q, k)
    assert not found.missed
    assert np.sort_complex(found.values) == pytest.approx(np.sort_complex(expected.values), rel=1e-8, abs=1e-10)
    assert q.matrix @ found.right == pytest.approx(found.right * found.values, abs=1e-9)
    assert q.adjoint @ found.left == pytest.approx(found.left * found.values, abs=1e-7 * np.abs(found.left).max())
    assert found.left.T @ found.right == pytest.approx(np.eye(found.values.size), abs=1e-7)


def test_many_cells_are_not_factored(monkeypatch):
    """Three ways in which the slowest modes of an isotropic well decay as they do along one axis."""
    line = fp.spectrum(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.3), fp.Grid((-3, 3), 22), 2, error=False)
    monkeypatch.setattr(slow_modes, "generator_modes", None)
    eq = fp.FokkerPlanck(drift=lambda x, y, z: [-x, -y, -z], diffusion=0.3)
    found = fp.spectrum(eq, fp.Grid([(-3, 3)] * 3, [22] * 3), 4, error=False)
    assert found.eigenvalues[1:] == pytest.approx([line.eigenvalues[1]] * 3, rel=1e-3)


def test_what_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr(slow_modes, "many", lambda grid, cells: True)
    monkeypatch.setattr(slow_modes, "RESTARTS", 1)
    monkeypatch.setattr(slow_modes, "_duration", lambda q, k: 1e-6)
    monkeypatch.setattr(slow_modes._dominant, "__defaults__", (1,))
    eq, grid, k = CASES["well"]
    with pytest.raises(fp.ConvergenceError, match="take fewer cells"):
        slow_modes.slow_modes(generator(eq, grid), k)
