"""Forces between pairs: closed moments, a logarithmic gas, oscillators, clusters, kernels narrower than a cell."""

import warnings

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import iv

import fokkerplanck as fp

LINE = fp.Grid((-5, 5), 200)
NEAR_ONES = fp.PairForce(lambda z: -z * (abs(z) < 1), strength=4.0)


def evolved(pair, grid=LINE, start=None, times=(0.5,), drift=lambda x: -x, diffusion=0.5, error=False):
    eq = fp.FokkerPlanck(drift=drift, diffusion=diffusion, interaction=pair)
    return fp.solve(eq, grid, start or fp.gaussian(1, 0.8), list(times), error=error)


@pytest.mark.parametrize(
    "pair",
    [fp.PairForce(lambda z: -z, strength=2.0), fp.PairForce(potential=lambda z: 3 + z**2 / 2, strength=2.0)],
    ids=["force", "potential"],
)
def test_a_linear_force_is_a_swarm_to_second_order(pair):
    graded = fp.Grid.graded((-5, 5), lambda x: 0.04 + 0.02 * abs(x))
    off = []
    for grid in (fp.Grid((-5, 5), 160), fp.Grid((-5, 5), 320), graded, fp.Grid((-5, 5), 160, "absorbing")):
        both = [evolved(way, grid) for way in (fp.Swarm(2.0), pair)]
        off.append(np.abs(both[0].density - both[1].density).max())
        np.testing.assert_allclose(both[1].mean(), both[0].mean(), atol=1e-3)
    assert off[0] / off[1] == pytest.approx(4.0, abs=0.1)
    assert max(off) < 6e-4


def test_a_linear_force_is_a_swarm_of_paths():
    for walls in (None, fp.Grid((-1, 2), 30, "absorbing")):  # walls make swarms of unequal sizes
        one, other, third = (
            fp.simulate(
                fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=way),
                fp.point(0.5),
                [0.5],
                0.02,
                n_paths=300,
                seed=1,
                swarm_size=30,
                grid=walls,
                step_error=False,
            ).positions
            for way in (
                fp.Swarm(2.0),
                fp.PairForce(lambda z: -z, strength=2.0),
                fp.PairForce(potential=lambda z: z**2 / 2, strength=2.0),
            )
        )
        np.testing.assert_allclose(other, one, atol=1e-14)
        np.testing.assert_allclose(third, one, atol=1e-9)


def test_a_cubic_force_reads_three_moments():
    field = fp.MeanField(lambda x: [x, x**2, x**3], lambda x, m: -(x**3 - 3 * x**2 * m[0] + 3 * x * m[1] - m[2]))
    off = [
        np.abs(
            np.subtract(
                *(evolved(way, fp.Grid((-5, 5), n)).density for way in (field, fp.PairForce(lambda z: -(z**3))))
            )
        ).max()
        for n in (100, 200)
    ]
    assert off[1] < 3e-4
    assert off[0] / off[1] == pytest.approx(4.0, abs=0.3)


def test_a_gas_with_logarithmic_repulsion_has_a_closed_variance():
    """Dyson's gas: <x times the integral of p(y) / (x - y)> = 1/2, hence m2' = -2 m2 + strength + 2 D."""
    times = np.array([0.3, 1.0])
    rest = 0.5 * (1.0 + 2 * 0.1)
    exact = rest + (0.25 - rest) * np.exp(-2 * times)
    grid = fp.Grid((-4, 4), 200)
    for gas in (fp.PairForce(potential=lambda z: -np.log(abs(z))), fp.PairForce(lambda z: 1 / z)):
        sol = evolved(gas, grid, fp.gaussian(0, 0.5), times, diffusion=0.1, error=True)
        assert (np.abs(sol.covariance()[:, 0, 0] - exact) <= 2 * sol.error["covariance"][:, 0, 0]).all()
        np.testing.assert_allclose(sol.covariance()[:, 0, 0], exact, rtol=4e-4)
        assert sol.stats.mass_error < 1e-12
        assert sol.density.min() >= 0.0


@pytest.mark.parametrize(
    "pair",
    [fp.PairForce(np.sin, strength=-1.5), fp.PairForce(potential=lambda z: -np.cos(z), strength=1.5)],
    ids=["force", "potential"],
)
def test_oscillators_lock_round_a_ring(pair):
    """Kuramoto's model: r = I_1(K r / D) / I_0(K r / D), from links and cells of equal width and of unequal ones."""
    locked = brentq(lambda r: r - iv(1, 2 * 1.5 * r) / iv(0, 2 * 1.5 * r), 0.1, 1.0)
    start = lambda x: (1 + 0.3 * np.cos(x)) / (2 * np.pi)  # noqa: E731
    width = lambda x: 0.1 + 0.03 * np.cos(x)  # noqa: E731
    off = []
    rings = [fp.Grid((-np.pi, np.pi), n, "periodic") for n in (64, 320)]
    for ring in (*rings, fp.Grid.graded((-np.pi, np.pi), width, "periodic")):
        sol = evolved(pair, ring, start, [30.0], drift=None)
        off.append(abs(abs((sol.masses[-1] * np.exp(1j * ring.centers[0])).sum()) - locked))
    assert off[0] < 3e-4
    assert off[1] < off[0] / 20
    assert off[2] < 3e-4


def test_a_constant_force_round_a_ring_is_a_drift():
    """It is not antisymmetric: two that feel it both move on."""
    ring = fp.Grid((0, 1), 400, "periodic")
    start = lambda x: 1 + 0.5 * np.cos(2 * np.pi * x)  # noqa: E731
    pushed = evolved(fp.PairForce(lambda z: 0 * z + 1.0), ring, start, [0.3], drift=None, diffusion=0.1)
    moved = evolved(None, ring, start, [0.3], drift=1.0, diffusion=0.1)
    np.testing.assert_allclose(pushed.density, moved.density, atol=2e-6)


def test_those_who_listen_to_near_ones_form_clusters():
    """Hegselmann and Krause: groups beyond the reach of each other stay apart; densities and paths agree."""
    centres, weights = np.array([0.5, 1.2, 3.5]), np.array([0.3, 0.2, 0.5])

    def start(x):
        return sum(
            w * np.exp(-((x - c) ** 2) / 0.02) / np.sqrt(0.02 * np.pi) for w, c in zip(weights, centres, strict=True)
        )

    sol = evolved(NEAR_ONES, fp.Grid((-1, 5), 600), start, [3.0], drift=None, diffusion=0.01)
    x, p = sol.grid.centers[0], sol.masses[-1]
    low = x < 2.3
    assert p[low].sum() == pytest.approx(0.5, abs=1e-3)
    assert (p * x)[low].sum() / 0.5 == pytest.approx(0.6 * 0.5 + 0.4 * 1.2, abs=5e-3)  # no pair moves its own mean
    rng = np.random.default_rng(3)
    starts = np.repeat(centres, (weights * 400).astype(int)) + 0.1 * rng.standard_normal(400)
    paths = fp.simulate(
        fp.FokkerPlanck(diffusion=0.01, interaction=NEAR_ONES), starts[:, None], [3.0], 0.02, n_paths=400, seed=1
    ).positions[-1, :, 0]
    spread = np.sqrt((p * x**2)[low].sum() / 0.5 - ((p * x)[low].sum() / 0.5) ** 2)
    assert (paths < 2.3).mean() == 0.5
    assert paths[paths < 2.3].mean() == pytest.approx(starts[starts < 2.3].mean(), abs=0.04)
    assert paths[paths < 2.3].std() == pytest.approx(spread, rel=0.2)


def barenblatt(x, t):
    """Of p_t = (p p_x)_x, with mass one (Barenblatt 1952)."""
    c = (3 / (4 * np.sqrt(6))) ** (2 / 3)
    return t ** (-1 / 3) * np.maximum(c - x**2 / 6 * t ** (-2 / 3), 0)


def test_repulsion_much_narrower_than_a_cell_is_nonlinear_diffusion():
    width = 1e-3  # of cells of 0.05
    pair = fp.PairForce(potential=lambda z: np.exp(-((z / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi)))
    sol = evolved(pair, fp.Grid((-2.5, 2.5), 100), lambda x: barenblatt(x, 0.3), [0.7], None, 0.0, error=True)
    x = sol.grid.centers[0]
    exact = 0.05 * (barenblatt(x, 1.0) * x**2).sum()
    assert abs(sol.covariance()[0, 0, 0] - exact) <= 2 * sol.error["covariance"][0, 0, 0]
    assert sol.covariance()[0, 0, 0] == pytest.approx(exact, rel=0.04)


def test_attraction_much_narrower_than_a_cell_is_said():
    """The density falls in until the width of the kernel holds it, which no cell here resolves."""
    pair = fp.PairForce(potential=lambda z: -500 * np.exp(-((z / 1e-3) ** 2) / 2) / np.sqrt(2 * np.pi))
    with pytest.warns(fp.GridErrorWarning, match="does not resolve the density"):
        evolved(pair, fp.Grid((-2, 2), 60), fp.gaussian(0, 0.5), [0.3], diffusion=0.05, error=True)


def test_the_force_is_seen_where_displacements_meet_its_singular_point():
    """Paths at one place have no displacement: what is infinite there is refused, what is not is taken."""
    eq = fp.FokkerPlanck(diffusion=0.1, interaction=fp.PairForce(lambda z: 1 / z))
    with pytest.raises(
        ValueError, match=r"`force` must be finite at displacements that occur, got nan at|got inf at 0"
    ):
        fp.simulate(eq, fp.point(0.0), [0.1], 0.05, n_paths=10, seed=1)
    soft = fp.FokkerPlanck(diffusion=0.1, interaction=fp.PairForce(lambda z: z / (z**2 + 1e-4)))
    assert np.isfinite(fp.simulate(soft, fp.point(0.0), [0.1], 0.05, n_paths=10, seed=1).positions).all()


def test_paths_that_run_away_diverge():
    """A swarm that its own repulsion blows up is lost; the calm one beside it is not."""
    eq = fp.FokkerPlanck(diffusion=0.0, interaction=fp.PairForce(lambda z: z**3, strength=5.0))
    starts = np.concatenate([np.linspace(-3, 3, 10), 1e-3 * np.linspace(-3, 3, 10)])[:, None]
    paths = fp.simulate(eq, starts, [5.0], 0.1, n_paths=20, swarm_size=10, seed=1, step_error=False).positions[-1, :, 0]
    assert not np.isfinite(paths[:10]).any()
    np.testing.assert_allclose(paths[10:], starts[10:, 0], rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "`force` must be given, or `potential` instead of it, got 'neither'"),
        ({"force": np.sin, "potential": np.cos}, "got 'both'"),
        ({"force": 2.0}, "`force` must be a function of the displacement, got 2.0. Such as"),
        ({"force": lambda x, y: x}, "`force` must be a function of 1 argument"),
        ({"force": lambda z: z[:3]}, "`force` must be one field of the shape of each displacement"),
        ({"force": lambda z: np.nan * z}, "`force` must be finite"),
        ({"force": lambda z: -z if z < 1 else 0}, r"Write np\.where"),
        ({"force": lambda z: np.sign(z) / z**2}, "`force` must be such that its mean over a cell is finite"),
        ({"force": lambda z: 1 / abs(z)}, "`force` must be such that its mean over a cell is finite"),
        ({"potential": lambda z: 1 / abs(z)}, "`potential` must be such that its mean over a cell is finite"),
        ({"force": lambda z: np.sin(1e7 * z)}, "`force` must be smooth but for single jumps and kinks"),
        ({"force": np.sin, "strength": np.nan}, "`strength` must be a finite number"),
    ],
)
def test_refusals(arguments, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        evolved(fp.PairForce(**arguments), times=[0.1])


def test_where_it_does_not_apply():
    with pytest.raises(ValueError, match="`potential` must be periodic where the walls are"):
        evolved(fp.PairForce(potential=lambda z: z), fp.Grid((0, 1), 50, "periodic"), lambda x: 1 + 0 * x, drift=None)
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=NEAR_ONES)
    with pytest.raises(TypeError, match="`force` must be a function of 2 argument"):
        fp.solve(eq, fp.Grid([(-1, 1), (-1, 1)], 16), fp.gaussian([0, 0], 0.2), 0.1)
    with pytest.raises(ValueError, match="`interaction` must be a Swarm or a MeanField in three dimensions"):
        fp.solve(eq, fp.Grid([(-1, 1)] * 3, 8), fp.gaussian([0, 0, 0], 0.2), 0.1)
    with pytest.raises(ValueError, match=r"Follow it in time with fp\.solve"):
        fp.spectrum(eq, LINE)


def test_nothing_is_said_of_a_resolved_kernel():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sol = evolved(NEAR_ONES, fp.Grid((-4, 4), 160), fp.gaussian(0, 0.6), [0.5], error=True)
    assert sol.error["density"].max() < 0.01
