"""Diffusion that jumps: layered media solved by hand, in every convention, wherever the jumps lie within cells."""

import numpy as np
import pytest

import fokkerplanck as fp

EDGES, VALUES = np.array([0.0, 0.49, 0.51, 1.0]), np.array([1.0, 1e-4, 1.0])
CONVENTIONS = {"ito": 0.0, "stratonovich": 0.5, "klimontovich": 1.0}


def membrane(x):
    return np.where(np.abs(x - 0.5) < 0.01, 1e-4, 1.0)


def passage_time(alpha, x0):
    """Mean time from x0 to 1, reflected at 0: the integral of s(y) times that of m from 0 to y, both constant in each layer."""
    total = held = 0.0
    for low, high, d in zip(EDGES, EDGES[1:], VALUES, strict=False):
        start = np.clip(x0, low, high)
        speed, scale = d ** (alpha - 1.0), d**-alpha
        total += scale * (held * (high - start) + 0.5 * speed * ((high - low) ** 2 - (start - low) ** 2))
        held += speed * (high - low)
    return total


@pytest.mark.parametrize(("alpha", "value"), [(0.0, 100.49), (0.5, 4.4402), (1.0, 100.49)])
def test_the_formula_for_layers_gives_the_known_times(alpha, value):
    assert passage_time(alpha, 0.0) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("cells", [50, 100, 101, 827])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_passage_of_a_membrane_is_exact(convention, cells):
    """Edges on centers, on faces and anywhere. Logarithmic means gave 161.1 and 3.385 at 100 cells."""
    grid = fp.Grid((0, 1), cells, boundary=("reflecting", "absorbing"))
    eq = fp.FokkerPlanck(diffusion=membrane, convention=convention)
    got = fp.first_passage(eq, grid)
    # on the chain from the first cell, whose own time adds an eighth of its squared width
    want = passage_time(CONVENTIONS[convention], 0.0)
    assert got.mean[0] == pytest.approx(want, rel=1e-9)
    assert got.stats["order"] == 2


@pytest.mark.parametrize("cells", [64, 65, 97])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_equilibrium_with_a_jump_and_a_drift(convention, cells):
    """D = 1 | .05 at 0 and mu = .5: p = D^(alpha-1) exp(mu x / D). The ratio of the sides was off by .17 at 64 cells."""
    alpha = CONVENTIONS[convention]
    grid = fp.Grid((-1, 1), cells)
    st = fp.stationary(
        fp.FokkerPlanck(drift=0.5, diffusion=lambda x: np.where(x < 0, 1.0, 0.05), convention=convention), grid
    )
    left, right = (1 - np.exp(-0.5)) / 0.5, 0.05**alpha * (np.exp(10.0) - 1.0) / 0.5
    share = st.masses[grid.centers[0] < -1e-9].sum() + 0.5 * st.masses[np.abs(grid.centers[0]) < 1e-9].sum()
    middle = st.masses[np.abs(grid.centers[0]) < 1e-9].sum()
    assert share == pytest.approx(left / (left + right), rel=0.03, abs=0.6 * middle + 1e-12)
    x = grid.centers[0]
    inside = np.abs(x) > 2.0 / cells
    want = np.where(x < 0, 1.0, 0.05 ** (alpha - 1.0)) * np.exp(np.where(x < 0, 0.5, 10.0) * x)
    ratio = st.density[inside] / want[inside]
    assert np.ptp(ratio) < 1e-9 * ratio.mean()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_second_order_in_time_with_jumps_on_faces(convention):
    """Three media and a drift, by refinement."""
    eq = fp.FokkerPlanck(
        drift=lambda x: 1.0 - 2.0 * x,
        diffusion=lambda x: np.select([x < 0.32, x < 0.7], [0.5, 0.05], 1.0),
        convention=convention,
    )
    means = [
        fp.solve(eq, fp.Grid((0, 1), n), fp.uniform(0, 1), [0.1], rtol=1e-10).mean()[0, 0] for n in (50, 100, 200, 400)
    ]
    change = np.abs(np.diff(means))
    np.testing.assert_allclose(np.log2(change[:-1] / change[1:]), 2.0, atol=0.15)
    assert change[-1] < 1e-4  # the mean moves by some .02


def test_no_warning_where_the_rates_are_integrals():
    """Pytest turns warnings into errors: the Ito membrane was called first order twice."""
    eq = fp.FokkerPlanck(diffusion=membrane)
    grid = fp.Grid((0, 1), 100, boundary=("reflecting", "absorbing"))
    # coarser grids cut the membrane, and know nothing of the error of this one
    assert fp.solve(eq, grid, fp.point(0.2), [0.1, 1.0], error=False).stats["order"] == 2
    assert fp.first_passage(eq, grid).stats["order"] == 2


@pytest.mark.parametrize("cells", [40, 41])
def test_a_membrane_across_one_axis_of_a_plane(cells):
    eq = fp.FokkerPlanck(diffusion=[lambda x, y: membrane(x), 0.1], convention="klimontovich")
    grid = fp.Grid([(0, 1), (0, 1)], [cells, 6], boundary=[("reflecting", "absorbing"), "reflecting"])
    np.testing.assert_allclose(fp.first_passage(eq, grid).mean[0], 100.49, rtol=1e-9)


def test_a_membrane_that_bends_across_a_plane():
    """D jumps at x = .3 + .2 y, cutting cells obliquely: first order there. Ito without drift leaves p ~ 1 / D."""

    def jump(x, y):
        return np.where(x < 0.3 + 0.2 * y, 0.1, 1.0)

    grid = fp.Grid([(0, 1), (0, 1)], [40, 30])
    with pytest.warns(fp.ResolutionWarning, match="the error of the density is about"):
        st = fp.stationary(fp.FokkerPlanck(diffusion=[jump, jump]), grid)
    inner = st.density[0, 0] / st.density[-1, -1]
    assert inner == pytest.approx(10.0, rel=0.02)
    assert st.masses.sum() == pytest.approx(1.0)
    left = 0.4 * 10 / (0.4 * 10 + 0.6)
    x, y = np.broadcast_arrays(*grid.coordinates())
    assert st.masses[x < 0.3 + 0.2 * y].sum() == pytest.approx(left, abs=0.01)


def test_a_jump_on_a_ring():
    """Through the joint of a periodic axis: the flux of a constant drift is the same in every convention at rest."""

    def d(x):
        return np.where((x < 0.1) | (x > 0.7), 0.2, 2.0)

    currents = []
    for cells in (50, 53, 400):
        grid = fp.Grid((0, 1), cells, boundary="periodic")
        st = fp.stationary(fp.FokkerPlanck(drift=0.5, diffusion=d, convention="klimontovich"), grid)
        assert np.ptp(st.current) < 1e-10
        currents.append(st.current.mean())
    np.testing.assert_allclose(currents[:2], currents[2], rtol=2e-4)
