"""Full tensors at reflecting walls: what is put back, and the order of eigenvalues that comes of it."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.tensor_walls import missing_diffusion


def turned(degrees, thin):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([1.0, thin]) @ turn.T


def order(value, sizes):
    """Of convergence, from three sizes that double."""
    coarse, middle, fine = (value(n) for n in sizes)
    return np.log2(np.abs((coarse - middle) / (middle - fine)))


def test_what_is_missing_by_hand():
    """Links (1, 1) of weight r and (1, 0), (0, 1) of weights s: D_nn = r + s, D_nt = r; P = (s, -r) / (r + s)."""
    offsets = np.array([[[1, 0], [0, 1], [1, 1]]])
    r, s = 0.7, 0.4
    found = missing_diffusion(offsets, np.array([[9.0, s, r]]), axis=1)
    across = 0.5 * (s * (r / (r + s)) ** 2 + r * (s / (r + s)) ** 2)
    assert found[0, 0, 0] == pytest.approx(across, rel=1e-14)
    diagonal = missing_diffusion(offsets, np.array([[9.0, s, 0.0]]), axis=1)
    assert diagonal[0, 0, 0] == 0.0


def test_rows_that_adjust_themselves_by_minimisation():
    """The dissipation of a long strip with free rows, minimised, against the bulk's: links that reach two rows far."""
    offsets, weights = np.array([[1, 0], [1, 1], [1, 2]]), np.array([0.5, 0.6, 0.3])
    rows = 400
    normal, mixed = (weights * offsets[:, 1] ** 2).sum(), (weights * offsets[:, 1] * offsets[:, 0]).sum()
    slope = -mixed / normal
    stiffness, acting, free = np.zeros((rows, rows)), np.zeros(rows), 0.0
    for (t, b), rho in zip(offsets, weights, strict=True):
        pull = t + b * slope
        for j in range(rows - b):
            free += rho * pull**2
            if b == 0:
                continue
            acting[[j, j + b]] += rho * pull * np.array([-1.0, 1.0])
            stiffness[np.ix_([j, j + b], [j, j + b])] += rho * np.array([[1.0, -1.0], [-1.0, 1.0]])
    minimum = free - acting @ np.linalg.lstsq(stiffness, acting, rcond=1e-12)[0]
    bulk = rows * (weights * (offsets @ [1.0, slope]) ** 2).sum()
    found = missing_diffusion(offsets[None], weights[None], axis=1)[0, 0, 0]
    # the strip has two walls; turned by half a turn one is the other
    assert bulk - minimum == pytest.approx(2.0 * found, rel=1e-8)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize(("degrees", "thin"), [(45, 0.5), (30, 0.2), (-30, 0.2), (30, 0.05)])
def test_eigenvalues_of_a_turned_tensor_are_second_order(degrees, thin):
    """They were of first order: 1.0."""
    eq = fp.FokkerPlanck(diffusion=turned(degrees, thin).tolist())
    found = order(lambda n: fp.spectrum(eq, fp.Grid([(0, 1), (0, 1.3)], n), 2).eigenvalues[1].real, (16, 32, 64))
    assert found == pytest.approx(2.0, abs=0.35)


def test_a_turned_tensor_agrees_with_coordinates_in_which_it_is_round():
    """On a box of 1 by 1 with D = [[1, a], [a, 1]], a = .5: the slowest rate by a Galerkin basis of polynomials."""
    a, m = 0.5, 12
    x, w = np.polynomial.legendre.leggauss(40)
    basis = np.stack([np.polynomial.legendre.Legendre.basis(k)(x) for k in range(m)])
    slope = np.stack([2.0 * np.polynomial.legendre.Legendre.basis(k).deriv()(x) for k in range(m)])  # on (0, 1)
    mass, stiff, mixed = (
        np.einsum("iq,jq,q->ij", u, v, 0.5 * w) for u, v in ((basis, basis), (slope, slope), (slope, basis))
    )
    energy = np.kron(stiff, mass) + np.kron(mass, stiff) + a * (np.kron(mixed, mixed.T) + np.kron(mixed.T, mixed))
    root = np.diag(1.0 / np.sqrt(np.diagonal(np.kron(mass, mass))))
    rate = np.sort(np.linalg.eigvalsh(root @ energy @ root))[1]
    eq = fp.FokkerPlanck(diffusion=[[1.0, a], [a, 1.0]])
    z = [-fp.spectrum(eq, fp.Grid([(0, 1)] * 2, n), 2).eigenvalues[1].real for n in (20, 40)]
    assert abs(z[1] / rate - 1.0) < 2e-3
    assert np.log2((z[0] - rate) / (z[1] - rate)) == pytest.approx(2.0, abs=0.15)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("convention", ["ito", "klimontovich"])
def test_second_order_with_drift_and_a_tensor_that_varies(convention):
    d = turned(30, 0.2)

    def entry(i, j):
        return lambda x, y: d[i, j] * (1 + 0.4 * np.sin(2 * x) + 0.3 * y)

    eq = fp.FokkerPlanck(
        drift=lambda x, y: (-1.7 * x + 1.5 * y, -2.5 * x - 0.6 * y),
        diffusion=[[entry(i, j) for j in (0, 1)] for i in (0, 1)],
        convention=convention,
    )
    box = [(-0.7, 1.0), (-0.8, 0.9)]
    rate = order(lambda n: np.abs(fp.spectrum(eq, fp.Grid(box, n), 2).eigenvalues[1]), (20, 40, 80))
    mean = order(lambda n: fp.stationary(eq, fp.Grid(box, n)).mean()[0], (20, 40, 80))
    assert rate == pytest.approx(2.0, abs=0.35)
    assert mean == pytest.approx(2.0, abs=0.35)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_second_order_in_three_dimensions():
    eq = fp.FokkerPlanck(diffusion=[[1.0, 0.3, 0.2], [0.3, 0.5, 0.1], [0.2, 0.1, 0.4]])
    found = order(lambda n: fp.spectrum(eq, fp.Grid([(0, 1)] * 3, n), 2).eigenvalues[1].real, (5, 10, 20))
    assert found == pytest.approx(2.0, abs=0.35)


def test_a_flat_density_stays_flat():
    grid = fp.Grid([(0, 1), (100, 102)], [15, 18])
    st = fp.stationary(fp.FokkerPlanck(diffusion=turned(20, 0.02).tolist()), grid)
    np.testing.assert_allclose(st.density, 0.5, rtol=1e-12)
    assert st.is_equilibrium
