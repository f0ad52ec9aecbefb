"""Forces between pairs in the plane: Swarm, gases whose second moment is known, oscillators, kernels that jump."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import iv

import fokkerplanck as fp

TO_EACH_OTHER = [
    fp.PairForce(lambda x, y: (-x, -y), strength=2.0),
    fp.PairForce(potential=lambda x, y: 1 + (x**2 + y**2) / 2, strength=2.0),
]


def solved(eq, cells, box=((-3, 3), (-3, 3)), start=None, time=0.2, error=False, **more):
    return fp.solve(eq, fp.Grid(list(box), cells, **more), start or fp.gaussian([0.5, -0.5], 0.6), time, error=error)


@pytest.mark.parametrize("pair", TO_EACH_OTHER, ids=["force", "potential"])
def test_a_linear_force_is_a_swarm(pair):
    """To second order from link to link, to rounding where a tensor reads the drift at the centers; paths to rounding."""
    off = {}
    for name, diffusion in (("axes", [0.5, 0.3]), ("tensor", [[0.5, 0.1], [0.1, 0.3]])):
        one, other = (
            fp.FokkerPlanck(drift=lambda x, y: [-x, x], diffusion=diffusion, interaction=way)
            for way in (fp.Swarm(2.0), pair)
        )
        for cells in (30, 60) if name == "axes" else (30,):
            time = 0.2 if name == "axes" else 0.01
            off[name, cells] = np.abs(
                solved(one, cells, time=time).density - solved(other, cells, time=time).density
            ).max()
        paths = [
            fp.simulate(eq, fp.gaussian([0.5, -0.5], 0.6), [0.2], 0.05, n_paths=40, swarm_size=10, seed=1).positions
            for eq in (one, other)
        ]
        np.testing.assert_allclose(*paths, atol=1e-8)
    assert off["axes", 30] / off["axes", 60] == pytest.approx(4.0, abs=0.25)
    assert off["axes", 60] < 1.1e-3
    assert off["tensor", 30] < 1e-9


@pytest.mark.parametrize(("strength", "diffusion"), [(1.0, 0.2), (-1.0, 0.5)], ids=["repulsion", "Keller-Segel"])
def test_the_second_moment_of_a_gas_grows_linearly(strength, diffusion):
    """d <|X|^2> / dt = 4 D + strength for W = -log |z|: x . z / |z|^2 counted for both of a pair gives 1."""
    exact = 2 * 0.49 + (4 * diffusion + strength) * 0.5
    found = []
    for gas in (
        fp.PairForce(potential=lambda x, y: -0.5 * np.log(x**2 + y**2), strength=strength),
        fp.PairForce(lambda x, y: np.array([x, y]) / (x**2 + y**2), strength=strength),
    ):
        eq = fp.FokkerPlanck(diffusion=diffusion, interaction=gas)
        sol = solved(eq, 40, [(-4, 4)] * 2, fp.gaussian([0, 0], 0.7), 0.5, error=True)
        error = sol.error["covariance"][-1]
        assert abs(np.trace(sol.covariance()[-1]) - exact) <= 2 * np.trace(error)
        assert np.trace(sol.covariance()[-1]) == pytest.approx(exact, rel=5e-3)
        assert sol.stats.mass_error < 1e-12
        assert sol.density.min() >= 0.0
        found.append(sol.density)
    np.testing.assert_allclose(found[0], found[1], atol=1e-7)


def test_oscillators_lock_round_a_tube():
    locked = brentq(lambda r: r - iv(1, 2 * 1.5 * r) / iv(0, 2 * 1.5 * r), 0.1, 1.0)
    start = lambda x, y: (1 + 0.3 * np.cos(x)) / (2 * np.pi) + 0 * y  # noqa: E731
    found = []
    for pair in (
        fp.PairForce(lambda x, y: (-np.sin(x), 0 * y), strength=1.5),
        fp.PairForce(potential=lambda x, y: -np.cos(x), strength=1.5),
    ):
        eq = fp.FokkerPlanck(diffusion=0.5, interaction=pair)
        walls = ["periodic", "reflecting"]
        sol = solved(eq, (48, 5), [(-np.pi, np.pi), (0, 1)], start, 30.0, boundary=walls)
        found.append(abs((sol.masses[-1].sum(axis=1) * np.exp(1j * sol.grid.centers[0])).sum()))
    assert found[0] == pytest.approx(found[1], abs=1e-7)
    assert found[0] == pytest.approx(locked, abs=1e-3)


def test_a_force_that_jumps_and_one_much_narrower_than_a_cell():
    """Within a disk of radius 1; and a repulsion of range 1e-3, which is D' = D + p (its second moment: 4 D + 2 int p^2)."""
    disk = fp.PairForce(lambda x, y: -np.array([x, y]) * (x**2 + y**2 < 1), strength=2.0)
    sol = solved(fp.FokkerPlanck(diffusion=0.5, interaction=disk), 40)
    free = solved(fp.FokkerPlanck(diffusion=0.5, interaction=TO_EACH_OTHER[0]), 40)
    assert np.trace(free.covariance()[-1]) < np.trace(sol.covariance()[-1]) < 0.72 + 0.4
    narrow = fp.PairForce(potential=lambda x, y: np.exp(-(x**2 + y**2) / 2e-6) / (2e-6 * np.pi))
    eq = fp.FokkerPlanck(diffusion=0.1, interaction=narrow)
    step, start = 0.01, fp.gaussian([0, 0], 0.7)
    sol = solved(eq, 60, start=start, time=step)
    begin = fp.solve(eq, fp.Grid([(-3, 3)] * 2, 60), start, 0.0, error=False)
    growth = (np.trace(sol.covariance()[-1]) - np.trace(begin.covariance()[-1])) / step
    assert growth == pytest.approx(4 * 0.1 + 2 / (4 * np.pi * 0.49), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"force": lambda x, y: -x}, "`force` must be 2 fields, one an axis"),
        ({"force": lambda x, y: (-x, -y, 0)}, "`force` must be 2 fields, one an axis"),
        ({"force": lambda x, y: (-x, y[:2])}, "`force` must be 2 fields, one an axis"),
        ({"potential": lambda x, y: np.nan * x}, "`potential` must be finite"),
        ({"potential": lambda x, y: (x**2 + y**2) ** -1.0}, "`potential` must be smooth but on single lines"),
        ({"potential": lambda x, y: np.sin(1e6 * x)}, "`potential` must be smooth but on single lines"),
    ],
)
def test_refusals(arguments, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        solved(fp.FokkerPlanck(diffusion=0.5, interaction=fp.PairForce(**arguments)), 12)


def test_places_where_it_does_not_apply():
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=TO_EACH_OTHER[0])
    graded = fp.Grid.from_edges([np.linspace(-1, 1, 11) ** 3, np.linspace(-1, 1, 11)])
    with pytest.raises(ValueError, match="`grid` must be of equal cells for a PairForce in a plane"):
        fp.solve(eq, graded, lambda x, y: 0.25 + 0 * x, 0.1)
    tilted = fp.FokkerPlanck(diffusion=0.5, interaction=fp.PairForce(potential=lambda x, y: x + 0 * y))
    with pytest.raises(ValueError, match="`potential` must be periodic along x"):
        solved(tilted, 12, boundary="periodic")
