"""Simulated paths with jumps and waiting: laws of the random numbers, and ensembles against densities.

Fixed seeds. Where a mean is compared the limit is 4 standard errors: a false alarm in 6e-5 of the comparisons, of which
there are some 40. The Wasserstein distance to the density is compared with its mean under sampling alone, which it exceeds
twofold in far less than 1e-3 of the cases (its spread is below 40 % of its mean), plus the bias of the step.
"""

import numpy as np
import pytest
from pymittagleffler import mittag_leffler
from scipy.integrate import quad
from scipy.special import gamma

import fokkerplanck as fp
from fokkerplanck.simulation.stable_variates import positive_stable, symmetric_stable, waiting_times
from fokkerplanck.simulation.waiting_times import step_counts
from fokkerplanck.simulation.walls_and_killing import fold

N = 40_000


def e_beta(z, beta):
    return complex(mittag_leffler(complex(z), beta, 1.0)).real


def check(samples, exact):
    assert abs(samples.mean() - exact) < 4 * samples.std() / np.sqrt(samples.size)


@pytest.mark.parametrize("a", [0.5, 1.0, 1.5, 2.0])
def test_symmetric_stable_numbers(a):
    x = symmetric_stable(np.random.default_rng(1), a, N)
    for k in (0.3, 1.0, 3.0):
        check(np.cos(k * x), np.exp(-(k**a)))


@pytest.mark.parametrize("b", [0.3, 0.7, 1.0])
def test_positive_stable_numbers_and_waiting_times(b):
    x, wait = positive_stable(np.random.default_rng(2), b, N), waiting_times(np.random.default_rng(3), b, N)
    for z in (0.3, 1.0, 3.0):
        if b < 1.0:
            check(np.exp(-z * x), np.exp(-(z**b)))
        check(np.exp(-z * wait), 1 / (1 + z**b))
        check((wait > z).astype(float), e_beta(-(z**b), b))


def test_step_counts_are_a_fractional_poisson_process():
    """P(N = 0) = E_b(-t^b), <N> = t^b / Gamma(1 + b), E s^N = E_b(-(1 - s) t^b)."""
    t = np.array([0.5, 4.0])
    counts = step_counts(np.random.default_rng(4), t, 0.6, N)
    for row, time in zip(counts, t, strict=True):
        check((row == 0).astype(float), e_beta(-(time**0.6), 0.6))
        check(row.astype(float), time**0.6 / gamma(1.6))
        check(0.5**row, e_beta(-0.5 * time**0.6, 0.6))


def test_walls_fold():
    x = np.array([-3.2, -0.4, 0.3, 1.4, 2.7])
    np.testing.assert_allclose(fold(x, 0.0, 1.0, "reflecting", "reflecting"), [0.8, 0.4, 0.3, 0.6, 0.7])
    np.testing.assert_allclose(fold(x, 0.0, 1.0, "periodic", "periodic"), [0.8, 0.6, 0.3, 0.4, 0.7])
    np.testing.assert_allclose(fold(x, 0.0, 1.0, "reflecting", "absorbing"), [3.2, 0.4, 0.3, 1.4, 2.7])
    np.testing.assert_allclose(fold(x, 0.0, 1.0, "absorbing", "reflecting"), [-3.2, -0.4, 0.3, 0.6, -0.7])


def compare(eq, grid, start, times, dt, n_paths=20_000, **options):
    solution = fp.solve(eq, grid, fp.point(start), times)
    ensemble = fp.simulate(eq, float(start), times, dt=dt, n_paths=n_paths, seed=5, **options)
    table = fp.compare({"density": solution, "paths": ensemble})
    for distance, noise in zip(table.column("W1"), table.column("W1_sampling"), strict=True):
        if distance is not None:
            assert distance < 2 * noise + 0.3 * dt
    return solution, ensemble


def test_ordinary_paths():
    solution, ensemble = compare(
        fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-5, 5), 400), 1.0, [0.5, 2], 0.01
    )
    assert np.abs(ensemble.mean() - solution.mean()).max() < 0.03


@pytest.mark.parametrize("convention", ["ito", "stratonovich", "klimontovich"])
def test_conventions(convention):
    """Case A3: D = (1 + x)^2 on a reflecting box, mean of the stationary density."""
    eq = fp.FokkerPlanck(diffusion=lambda x: 0.25 * (1 + x) ** 2, convention=convention)
    exact = {"ito": 0.3862943611, "stratonovich": 0.4426950409, "klimontovich": 0.5}[convention]
    ensemble = fp.simulate(eq, fp.uniform(0, 1), [4.0], dt=2e-3, n_paths=10_000, grid=fp.Grid((0, 1), 10))
    # folding at a wall is of order sqrt(dt) in the mean
    assert ensemble.mean()[0, 0] == pytest.approx(exact, abs=4 * 0.003 + 0.005)


def test_waiting_paths():
    """Case D1, and the mean square besides."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0, time_order=0.7)
    _, ensemble = compare(eq, fp.Grid((-12, 12), 800), 2.0, [0.1, 1.0, 10.0], 0.02)
    exact = np.array([1.61831808205, 0.799223956231, 0.154725904001])
    assert (np.abs(ensemble.mean() - exact[:, None]) < 4 * ensemble.standard_error() + 0.004).all()


def test_forces_in_physical_time():
    """As for the density: d<x>/dt = F(t) t^(b-1) / Gamma(b)."""
    eq = fp.FokkerPlanck(drift=lambda x, t: np.cos(3 * t) + 0 * x, diffusion=0.05, time_order=0.6)
    ensemble = fp.simulate(eq, 0.0, [0.5, 2.0], dt=0.01, n_paths=20_000, seed=6)
    exact = [quad(lambda s: np.cos(3 * s ** (1 / 0.6)), 0, t**0.6)[0] / gamma(1.6) for t in (0.5, 2.0)]
    assert (np.abs(ensemble.mean()[:, 0] - exact) < 4 * ensemble.standard_error()[:, 0] + 0.01).all()


def test_jumping_paths():
    """Case E1: characteristic function."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.5))
    ensemble = fp.simulate(eq, 1.0, [2.0], dt=0.01, n_paths=N, seed=7)
    for k, exact in {0.5: 0.79751189, 1.0: 0.52589106, 2.0: 0.16060197}.items():
        values = np.cos(k * ensemble.positions[0, :, 0])
        assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(N) + 0.004


@pytest.mark.parametrize("boundary", ["absorbing", "reflecting", [("reflecting", "absorbing")]])
def test_jumps_at_walls(boundary):
    grid = fp.Grid((-1, 1), 400, boundary)
    eq = fp.FokkerPlanck(drift=0.5, jumps=fp.LevyJumps(1.3, lambda x: 0.6 + 0.2 * x))
    solution = fp.solve(eq, grid, fp.point(0.2), [0.3, 1.0])
    ensemble = fp.simulate(eq, 0.2, [0.3, 1.0], dt=1e-3, n_paths=10_000, seed=8, grid=grid)
    inside = ensemble.fraction(lambda x: (x > -1) & (x < 1))
    assert (np.abs(inside.value - solution.mass) < 4 * inside.standard_error + 0.005).all()
    left = ensemble.fraction(lambda x: (x > -1) & (x < 0))
    exact = solution.masses[:, :200].sum(axis=1)
    assert (np.abs(left.value - exact) < 4 * left.standard_error + 0.005).all()
    if grid.absorbs:
        assert np.isfinite(ensemble.exit_times).mean() == pytest.approx(1 - inside.value[-1])


def test_waiting_and_jumping_survival():
    grid = fp.Grid((0, 1), 300, "absorbing")
    eq = fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, 0.5), time_order=0.7)
    times = [0.2, 1.0, 10.0]
    solution = fp.solve(eq, grid, fp.point(0.5), times)
    ensemble = fp.simulate(eq, 0.5, times, dt=5e-3, n_paths=3000, seed=9, grid=grid)
    alive = ensemble.fraction(lambda x: (x > 0) & (x < 1))
    assert (np.abs(alive.value - solution.mass) < 4 * alive.standard_error + 0.02).all()


@pytest.mark.parametrize("kind", ["isotropic", "axes", [[1.0, 0.5], [0.5, 0.6]]])
def test_planar_jumps(kind):
    """A linear trap in the plane: the characteristic function is exp(-psi(k) (1 - e^(-a t)) / a)."""
    a = 1.5
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], jumps=fp.LevyJumps(a, 1.0, kind))
    ensemble = fp.simulate(eq, [0.0, 0.0], [1.0], dt=0.01, n_paths=N, seed=10)
    solution = fp.solve(eq, fp.Grid([(-12, 12)] * 2, [181, 181], "absorbing"), fp.point([0.0, 0.0]), [1.0])
    x, y = solution.grid.coordinates()
    for k in ([1.0, 0.0], [0.0, 1.0], [0.7, 0.7], [0.7, -0.7]):
        shape = np.eye(2) if isinstance(kind, str) else np.array(kind)
        psi = (np.abs(k) ** a).sum() if kind == "axes" else (k @ shape @ k) ** (a / 2)
        exact = np.exp(-psi * (1 - np.exp(-a)) / a)
        values = np.cos(ensemble.positions[0] @ k)
        assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(N) + 0.004
        assert (solution.masses[0] * np.cos(k[0] * x + k[1] * y)).sum() == pytest.approx(exact, abs=0.012)


def test_waiting_sgd_obeys_the_fractional_step_equation():
    """D_t^b P = (T - 1) P: for a linear step with mean factor r and mean-square factor q, E_b(-(1 - r) t^b) and so on."""
    loss = fp.SampleLoss("0.5*(w-x)**2", parameters=["w"], data={"x": [-1.0, 1.0]})
    sgd = fp.SGD(loss, learning_rate=0.2, batch_size=1)
    times = [1.0, 5.0, 20.0]
    ensemble = fp.simulate_waiting(sgd, [2.0], times, time_order=0.7, n_paths=20_000, seed=11)
    # w' = 0.8 w + 0.2 x: <w> -> 0.8 <w>, <w^2> -> 0.64 <w^2> + 0.04
    limit = 0.04 / 0.36
    for t, w in zip(times, ensemble.positions[:, :, 0], strict=True):
        check(w, 2.0 * e_beta(-0.2 * t**0.7, 0.7))
        check(w**2, limit + (4.0 - limit) * e_beta(-0.36 * t**0.7, 0.7))


def test_same_seed_same_numbers():
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.5), time_order=0.8)
    one, two, other = (fp.simulate(eq, 0.0, [0.5], dt=0.1, n_paths=100, seed=s).positions for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_bad_input():
    eq = fp.FokkerPlanck(diffusion=1.0)
    with pytest.raises(TypeError, match="`eq` must be a FokkerPlanck equation"):
        fp.simulate(None, 0.0, [1.0], dt=0.1)
    with pytest.raises(ValueError, match=r"`dt` must be a positive number, got -0.1"):
        fp.simulate(eq, 0.0, [1.0], dt=-0.1)
    with pytest.raises(ValueError, match="`times` must be increasing and not below 0"):
        fp.simulate(eq, 0.0, [1.0, 0.5], dt=0.1)
    with pytest.raises(TypeError, match="`target` must be a function of the coordinates"):
        fp.simulate(eq, 0.0, [1.0], dt=0.1, target=3.0)
    with pytest.raises(TypeError, match="`grid` must be a Grid, whose walls act, or None"):
        fp.simulate(eq, 0.0, [1.0], dt=0.1, grid=(0, 1))
    swarm = fp.FokkerPlanck(diffusion=1.0, interaction=fp.Swarm(1.0), time_order=0.5)
    with pytest.raises(ValueError, match="`eq` must be without interaction for a simulation with time_order below 1"):
        fp.simulate(swarm, 0.0, [1.0], dt=0.1)
    with pytest.raises(ValueError, match=r"`stability` must be in \(0, 2\], got 3"):
        symmetric_stable(np.random.default_rng(0), 3, 10)
    with pytest.raises(ValueError, match=r"`stability` must be in \(0, 1\] for positive numbers"):
        positive_stable(np.random.default_rng(0), 1.5, 10)
    sgd = fp.SGD(fp.SampleLoss("w**2", parameters=["w"], data={"x": [0.0]}))
    with pytest.raises(ValueError, match=r"`time_order` must be from 0.01 to 1, got 1.5"):
        fp.simulate_waiting(sgd, [1.0], [1.0], 1.5)
    with pytest.raises(ValueError, match="`scale` must be a positive number"):
        fp.simulate_waiting(sgd, [1.0], [1.0], 0.5, scale=0.0)


def test_paths_that_run_away_are_counted_and_the_others_go_on():
    """One jump beyond sqrt(2 / dt), and Euler steps of the drift -x^3 grow without bound until it overflows."""
    eq = fp.FokkerPlanck(drift=lambda x: -(x**3), diffusion=0.1, jumps=fp.LevyJumps(1.2, 0.5))
    paths = fp.simulate(eq, 0.0, [1.0, 5.0], dt=0.05, n_paths=2000, step_error=False)
    assert 0.005 < paths.diverged < 0.5
    kept = paths.positions[1][np.isfinite(paths.positions[1]).all(axis=1)]
    assert np.abs(kept).max() < 1e3
    assert len(kept) == round(2000 * (1 - paths.diverged))


def test_an_undefined_coefficient_is_no_divergence():
    eq = fp.FokkerPlanck(drift=lambda x: -np.sqrt(np.where(x < 0.0, np.nan, x)), diffusion=0.1)
    with pytest.raises(ValueError, match="`drift` must be finite everywhere"):
        fp.simulate(eq, 1.0, [5.0], dt=0.1, n_paths=100)
