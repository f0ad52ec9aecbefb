"""Densities in time of what enters again when it has left, or is put in from outside: against closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.generator import compressed_rows, padded
from fokkerplanck.solvers.evolution.chebyshev import shifted
from fokkerplanck.solvers.kernels.matvec import apply

OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2)


def spread(x, t, center=0.0, variance=0.0, d=0.5):
    """The free density at t from a normal law around `center`."""
    v = variance + 2 * d * t
    return np.exp(-((x - center) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)


def test_stochastic_resetting_in_time():
    """p = e^(-rt) G(t) + r int_0^t e^(-ru) G(u) du, with G the free density (Evans and Majumdar 2011)."""
    r, start = 0.8, fp.gaussian(1.0, 0.3)
    eq = fp.FokkerPlanck(diffusion=0.5, killing=r)
    sol = fp.solve(eq, fp.Grid((-13, 13), 521), start, [0.5, 2.0], reset=start)
    assert sol.mass == pytest.approx(1.0, abs=1e-6)
    assert sol.rate == pytest.approx(r, rel=1e-6)
    x = sol.grid.centers[0][200:360:20]
    for t, density, error in zip(sol.times, sol.density, sol.error["density"], strict=True):
        again = [quad(lambda u, a=a: r * np.exp(-r * u) * spread(a, u, 1.0, 0.09), 0, t)[0] for a in x]
        right = np.exp(-r * t) * spread(x, t, 1.0, 0.09) + again
        assert density[200:360:20] == pytest.approx(right, abs=error)
        assert error < 2e-3


def test_firing_rate_after_the_start_is_a_sum_of_first_passages():
    """rate = g + g * rate (renewal), g the density of the passage from where it starts anew; in the end Siegert's rate."""
    eq = fp.FokkerPlanck(drift=lambda v: 1.3 - v, diffusion=0.05)
    box, zero = fp.Grid((-1.5, 1), 300, ("reflecting", "absorbing")), fp.point(0.0)
    t = np.linspace(0, 8, 801)
    sol = fp.solve(eq, box, zero, t[1:], reset=zero, error=False)
    g = np.append(0.0, fp.first_passage(eq, box, error=False).ways_out["x high"].density(t[1:], zero))
    u = np.zeros(t.size)
    for n in range(1, t.size):  # the trapezoidal rule; g and u vanish at 0
        u[n] = g[n] + 0.01 * (g[n - 1 : 0 : -1] * u[1:n]).sum()
    assert np.abs(sol.rate - u[1:]).max() < 2e-4
    assert sol.rate.max() > 1.1 * sol.rate[-1]  # they fire together at first
    at_rest = fp.stationary(eq, box, reset=zero, error=False)
    assert sol.rate[-1] == pytest.approx(at_rest.rate, rel=1e-3)
    assert sol.mass == pytest.approx(1.0, abs=1e-9)


def test_a_refractory_time():
    """rate(t) = g(t) + g * rate(t - d), g the density of the first passage; the mass that is not in the box waits."""
    eq, d = fp.FokkerPlanck(drift=lambda v: 1.3 - v, diffusion=0.05), 0.3
    box, zero = fp.Grid((-1.5, 1), 300, ("reflecting", "absorbing")), fp.point(0.0)
    t = np.linspace(0, 8, 801)
    sol = fp.solve(eq, box, zero, t[1:], reset=zero, delay=d, error=False)
    g = np.append(0.0, fp.first_passage(eq, box, error=False).ways_out["x high"].density(t[1:], zero))
    u = np.zeros(t.size)
    for n in range(1, t.size):  # the trapezoidal rule; g and u vanish at 0
        late = np.append(np.zeros(30), u[: n - 30] if n > 30 else [])[: n + 1]
        late = np.append(late, np.zeros(n + 1 - late.size))
        u[n] = g[n] + 0.01 * (g[n:0:-1] * late[:n]).sum()
    assert np.abs(sol.rate - u[1:]).max() < 2e-4
    waiting = np.append(0.0, np.cumsum(0.5 * 0.01 * (u[1:] + u[:-1])))
    assert sol.mass[99::100] == pytest.approx(1 - (waiting[100::100] - waiting[70:771:100]), abs=2e-4)
    at_rest = fp.stationary(eq, box, reset=zero, delay=d, error=False)
    long = fp.solve(eq, box, zero, [200.0], reset=zero, delay=d, rtol=1e-8)
    assert long.rate[0] == pytest.approx(at_rest.rate, rel=1e-6)
    assert long.mass[0] == pytest.approx(at_rest.mass, rel=1e-6)
    assert long.stats.error_estimate < 1e-7


def test_a_delay_from_everywhere_and_with_a_source():
    """Killed at the rate k and back after d, m' = s - k m + k m(t - d): by hand up to 2 d."""
    k, d, s = 0.7, 0.5, 0.4
    eq = fp.FokkerPlanck(diffusion=0.2, killing=k)
    sol = fp.solve(
        eq, fp.Grid((0, 1), 16), fp.uniform(0, 1), [0.3, 0.5, 0.9], reset=fp.uniform(0, 1), delay=d, source=s, rtol=1e-9
    )

    def alone(t):
        return s / k + (1 - s / k) * np.exp(-k * t)

    def back(t):  # int_0^t e^(-k (t - u)) k alone(u) du
        return s / k * (1 - np.exp(-k * t)) + (1 - s / k) * k * t * np.exp(-k * t)

    right = [alone(0.3), alone(0.5), alone(0.9) + back(0.4)]
    assert sol.mass == pytest.approx(right, abs=1e-8)


def test_a_start_at_the_wall_and_a_delay():
    """Half of what starts evenly is gone at once, as 1 / sqrt(t): the steps follow it, and its echo."""
    eq, grid = fp.FokkerPlanck(diffusion=0.5), fp.Grid((0, 1), 100, "absorbing")
    sol = fp.solve(eq, grid, fp.uniform(0, 1), [0.05, 0.2, 0.45, 1.0], reset=fp.point(0.5), delay=0.2, rtol=1e-6)
    fine = fp.solve(eq, grid, fp.uniform(0, 1), [0.05, 0.2, 0.45, 1.0], reset=fp.point(0.5), delay=0.2, rtol=1e-9)
    assert np.abs(sol.masses - fine.masses).sum(axis=1).max() < 1e-6
    k = np.pi * np.arange(1, 400, 2)
    assert sol.mass[1] == pytest.approx((8 / k**2 * np.exp(-0.5 * k**2 * 0.2)).sum(), abs=1e-4)  # nothing is back yet


def test_a_state_that_repeats_with_resets():
    """The first moment of what is killed and starts anew, m' = -(1 + k) m + a sin w t + k x, by hand."""
    k, w = 0.6, 2 * np.pi
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.sin(w * t), diffusion=0.2, killing=k)
    st = fp.stationary(eq, fp.Grid((-3, 4), 64), period=1.0, reset=fp.gaussian(1.0, 0.3))
    a = 1 + k
    right = k / a + (a * np.sin(w * st.times) - w * np.cos(w * st.times)) / (a**2 + w**2)
    assert (np.abs(st.mean()[:, 0] - right) < 1.5 * st.error["mean"][:, 0]).all()
    assert st.error["mean"].max() < 0.01
    assert st.rate == pytest.approx(k, rel=1e-6)
    assert st.mass == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(ValueError, match="delay"):
        fp.stationary(eq, st.grid, period=1.0, reset=fp.gaussian(1.0, 0.3), delay=0.1)


def test_a_reset_by_two_walls_is_shared_as_they_take():
    sol = fp.solve(
        fp.FokkerPlanck(diffusion=0.7), fp.Grid((0, 1), 100, "absorbing"), fp.point(0.3), 5.0, reset=fp.point(0.3)
    )
    assert sol.rates["x high"][-1] / sol.rate[-1] == pytest.approx(0.3, rel=1e-6)
    assert 1 / sol.rate[-1] == pytest.approx(0.3 * 0.7 / 1.4, rel=1e-6)
    assert "per time leave at the end" in repr(sol)


def test_a_matrix_for_longer_vectors():
    """In both forms: of the entries more it makes nothing, and their diagonal can be shifted."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2)
    q, x = fp.generator(eq, fp.Grid((-2, 2), 9)), np.arange(1.0, 13.0)
    for near in (q.near_operator, compressed_rows(q.near_matrix)):
        result = np.empty(12)
        apply(padded(near, 3), x, result)
        assert result == pytest.approx([*(q.matrix @ x[:9]), 0.0, 0.0, 0.0], abs=1e-12)
        apply(shifted(padded(near, 3), 2.0, 0.5), x, result)
        assert result == pytest.approx([*(0.5 * (q.matrix @ x[:9]) + x[:9]), *x[9:]], abs=1e-12)


def test_a_source_in_a_closed_box_fills_it():
    sol = fp.solve(OU, fp.Grid((-4, 4), 64), None, [0.0, 0.5, 200.0], source=(1.5, fp.gaussian(1.0, 0.3)))
    assert sol.mass == pytest.approx([0.0, 0.75, 300.0], rel=1e-6)
    assert sol.supplied == pytest.approx([0.0, 0.75, 300.0], rel=1e-12)
    assert sol.rate.max() == 0.0
    center = 1.5 * (1 - np.exp(-sol.times[1:]))  # d<x>M/dt = -<x>M + 1.5
    assert (np.abs(sol.mean()[1:, 0] - center / sol.mass[1:]) < 1.5 * sol.error["mean"][1:, 0]).all()
    assert sol.error["mean"][1:].max() < 5e-3
    assert sol.density.min() >= 0.0


def test_a_source_between_absorbing_walls():
    """dp/dt = D p'' + s, empty at first: the parabola s x (1 - x) / 2D less its decaying sine modes."""
    d, s = 0.5, 2.0
    eq, grid = fp.FokkerPlanck(diffusion=d), fp.Grid((0, 1), 128, "absorbing")
    sol = fp.solve(eq, grid, None, [0.05, 0.4], source=lambda x: s)
    x = grid.centers[0]
    for t, density, error in zip(sol.times, sol.density, sol.error["density"], strict=True):
        k = np.pi * np.arange(1, 400, 2)[:, None]
        right = (4 * s / k / (d * k**2) * (1 - np.exp(-d * k**2 * t)) * np.sin(k * x)).sum(axis=0)
        assert np.abs(density - right).mean() < 1.5 * error + 1e-9
        assert error < 1e-3
    rest = fp.stationary(eq, grid, source=s)
    assert rest.density == pytest.approx(s * x * (1 - x) / (2 * d), abs=5e-5)
    assert abs(rest.mass - s / (12 * d)) < 1.5 * rest.error["mass"] + 1e-12
    assert rest.rate == pytest.approx(s, rel=1e-12)
    assert rest.rates["x low"] == pytest.approx(s / 2, rel=1e-9)
    assert rest.current[0, 0] == pytest.approx(-s / 2, rel=0.02)
    assert "source" in repr(rest)


def test_a_source_and_killing_balance():
    """The mass m' = s - k m, wherever the source is."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.3, killing=0.7)
    grid = fp.Grid((-5, 5), 100)
    sol = fp.solve(eq, grid, None, [1.0, 3.0], source=(1.2, fp.gaussian(0, 1)))
    assert sol.mass == pytest.approx(1.2 * (1 - np.exp(-0.7 * sol.times)) / 0.7, rel=1e-6)
    assert sol.rate == pytest.approx(0.7 * sol.mass, rel=1e-9)
    assert fp.stationary(eq, grid, source=(1.2, fp.gaussian(0, 1))).mass == pytest.approx(1.2 / 0.7, rel=1e-9)


def test_moments_where_the_drift_changes_in_time():
    """On a line, by the exponentials of steps, with a reset and a source at once."""
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.sin(3 * t), diffusion=0.2, killing=0.6)
    sol = fp.solve(
        eq,
        fp.Grid((-5, 5), 200),
        fp.gaussian(0, 0.5),
        [0.5, 2.0],
        reset=fp.gaussian(1.0, 0.3),
        source=(2.0, fp.gaussian(-1.0, 0.4)),
    )

    def slope(t, y):
        total, first = y
        return [2.0, -first + np.sin(3 * t) * total - 0.6 * first + 0.6 * total - 2.0]

    right = solve_ivp(slope, (0, 2), [1.0, 0.0], rtol=1e-10, atol=1e-12, t_eval=sol.times).y
    assert sol.mass == pytest.approx(right[0], rel=1e-6)
    assert (np.abs(sol.mean()[:, 0] - right[1] / right[0]) < 1.5 * sol.error["mean"][:, 0]).all()
    assert sol.error["mean"].max() < 2e-3


def test_moments_in_the_plane_with_a_full_tensor():
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x + y, -y - x], diffusion=[[0.3, 0.1], [0.1, 0.2]], killing=0.6)
    sol = fp.solve(
        eq,
        fp.Grid([(-5, 5)] * 2, 64),
        fp.gaussian([0, 0], 0.5),
        [1.0],
        reset=fp.gaussian([1.0, 0.0], 0.4),
        source=(0.5, fp.gaussian([0.0, -1.0], 0.4)),
    )

    def slope(t, y):
        m, total = y[:2], y[2]
        return [-m[0] + m[1] - 0.6 * m[0] + 0.6 * total, -m[1] - m[0] - 0.6 * m[1] - 0.5, 0.5]

    right = solve_ivp(slope, (0, 1), [0, 0, 1.0], rtol=1e-10, atol=1e-12).y[:, -1]
    assert sol.mass == pytest.approx(1.5, rel=1e-6)
    assert (np.abs(sol.mean()[0] - right[:2] / right[2]) < 1.5 * sol.error["mean"][0]).all()


def test_jumps_with_resets_and_with_a_source():
    """d<x>M/dt of an Ornstein-Uhlenbeck process driven by symmetric jumps knows nothing of them."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(stability=1.7, scale=0.2), killing=0.5)
    grid, there = fp.Grid((-12, 12), 800), fp.gaussian(1.0, 0.3)
    sol = fp.solve(eq, grid, fp.gaussian(0, 0.5), [1.0, 3.0], reset=there)
    assert sol.mass == pytest.approx(1.0, abs=1e-6)
    assert (np.abs(sol.mean()[:, 0] - (1 - np.exp(-1.5 * sol.times)) / 3) < 1.5 * sol.error["mean"][:, 0]).all()
    assert sol.error["mean"].max() < 5e-3
    fed = fp.solve(eq, grid, None, [1.0, 3.0], source=(1.0, there))
    assert fed.mass == pytest.approx(2 * (1 - np.exp(-0.5 * fed.times)), rel=1e-5)


def test_what_arrives_at_exit_boundaries_from_a_source():
    """Genetic drift keeps the mean: what is fixed at 1, and what is on its way, add up to what was put in."""
    eq = fp.FokkerPlanck(diffusion=lambda x: x * (1 - x) / 2)
    sol = fp.solve(eq, fp.Grid((0, 1), 200), fp.gaussian(0.5, 0.05), [1.0, 6.0], source=(2.0, fp.gaussian(0.3, 0.05)))
    assert sol.mass == pytest.approx(1.0 + 2.0 * sol.times, rel=1e-6)
    assert sol.atoms[1.0] + sol.masses @ sol.grid.centers[0] == pytest.approx(0.5 + 0.6 * sol.times, rel=1e-4)


def test_a_swarm_is_fed():
    eq = fp.FokkerPlanck(drift=lambda x: 0 * x, diffusion=0.1, interaction=fp.Swarm(1.0))
    sol = fp.solve(eq, fp.Grid((-5, 5), 100), fp.gaussian(0, 0.5), [1.0, 3.0], source=(1.0, fp.gaussian(1.0, 0.3)))
    assert sol.mass == pytest.approx(1.0 + sol.times, rel=1e-6)
    assert sol.mean()[:, 0] * sol.mass == pytest.approx(sol.times, rel=1e-4)  # an attraction moves no mean

    def slope(t, y):  # the second moment is drawn to that of the mean, t / (1 + t)
        return 0.2 * (1 + t) - 2 * (y - t**2 / (1 + t)) + 1.09

    second = solve_ivp(slope, (0, 3), [0.25], rtol=1e-10, t_eval=sol.times).y[0]
    variance = second / sol.mass - (sol.times / sol.mass) ** 2
    assert (np.abs(sol.covariance()[:, 0, 0] - variance) < 1.5 * sol.error["covariance"][:, 0, 0]).all()
    assert sol.error["covariance"].max() < 0.01


def test_a_tolerance_holds_and_rates_are_extrapolated():
    eq, walls = fp.FokkerPlanck(drift=lambda x: 0.8 - x, diffusion=0.1), ("reflecting", "absorbing")
    there = fp.gaussian(0.0, 0.1)
    fine = fp.solve(eq, fp.Grid((-2, 1), 4096, walls), there, [1.0], reset=there, error=False)
    found = fp.solve(eq, fp.Box((-2, 1), walls), there, [1.0], reset=there, tol=1e-3)
    assert found.error["density"][0] <= 1e-3
    assert abs(found.rate[0] - fine.rate[0]) < 1.5 * found.error["rate"][0]
    plain = fp.solve(eq, fp.Grid((-2, 1), 128, walls), there, [1.0], reset=there)
    better = plain.extrapolated()
    assert abs(better.rate[0] - fine.rate[0]) < 1.5 * better.error["rate"][0] < abs(plain.rate[0] - fine.rate[0])
    rest = fp.stationary(eq, fp.Grid((-2, 1), 64, walls), reset=there)
    assert rest.extrapolated().error["rate"] < rest.error["rate"]
    assert rest.extrapolated().current.shape == (1, 64)
    assert fp.stationary(eq, fp.Box((-2, 1), walls), source=(2.0, there), tol=1e-3).error["density"] <= 1e-3


def test_open_systems_are_saved(tmp_path):
    eq, grid = (
        fp.FokkerPlanck(drift=lambda x: 0.8 - x, diffusion=0.1),
        fp.Grid((-2, 1), 60, ("reflecting", "absorbing")),
    )
    sol = fp.solve(eq, grid, None, [0.0, 1.0, 2.0], source=(2.0, fp.gaussian(0.0, 0.2)))
    sol.save(tmp_path / "open.nc")
    read = fp.load(tmp_path / "open.nc")
    assert isinstance(read, fp.OpenSolution)
    for name in ("rate", "supplied", "density"):
        assert np.array_equal(getattr(read, name), getattr(sol, name)), name
    assert np.array_equal(read.rates["x high"], sol.rates["x high"])
    assert read.error["rate"] == pytest.approx(sol.error["rate"])
    assert sol.to_xarray()["rate_x_high"].values == pytest.approx(sol.rate)
    rest = fp.stationary(eq, grid, source=(2.0, fp.gaussian(0.0, 0.2)))
    rest.save(tmp_path / "rest.nc")
    read = fp.load(tmp_path / "rest.nc")
    assert read.rates["x high"][0] == rest.rates["x high"]
    assert read.mass[0] == pytest.approx(rest.mass)


@pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e30])
def test_whatever_unit_mass_is_counted_in(unit):
    """Errors, and what is warned of, are judged beside the mass that is put in."""
    eq, grid = (
        fp.FokkerPlanck(drift=lambda x: 0.8 - x, diffusion=0.1),
        fp.Grid((-2, 1), 100, ("reflecting", "absorbing")),
    )
    one, other = (fp.solve(eq, grid, None, [1.0], source=(s, fp.gaussian(0.0, 0.1))) for s in (1.0, unit))
    for name in ("density", "mass", "rate"):
        assert getattr(other, name) == pytest.approx(unit * getattr(one, name), rel=1e-9)
        assert other.error[name] == pytest.approx(unit * one.error[name], rel=1e-6)
    assert other.error["mean"] == pytest.approx(one.error["mean"], rel=1e-6)
    assert "of the mass that was put in" in other.error.note
    one, other = (fp.stationary(eq, grid, source=(s, fp.gaussian(0.0, 0.1))) for s in (1.0, unit))
    assert other.density == pytest.approx(unit * one.density, rel=1e-9)
    for name in ("density", "mass", "current"):
        assert other.error[name] == pytest.approx(unit * one.error[name], rel=1e-6, abs=1e-12 * unit), name
    assert other.extrapolated().mass == pytest.approx(unit * one.extrapolated().mass, rel=1e-9)


def test_a_rate_that_no_grid_resolves_is_warned_of():
    """A reset nearer to the absorbing wall than the cells are wide."""
    eq, grid = (
        fp.FokkerPlanck(drift=lambda v: 0.8 - v, diffusion=0.1),
        fp.Grid((-2, 1), 100, ("reflecting", "absorbing")),
    )
    with pytest.warns(fp.GridErrorWarning, match="rate of leaving"):
        fp.stationary(eq, grid, reset=fp.point(0.999))


def test_a_density_goes_on_where_a_source_is_switched():
    """Half way with a source, then without: the mass decays from what it had."""
    eq, grid = fp.FokkerPlanck(diffusion=0.5, killing=1.0), fp.Grid((0, 1), 32)
    first = fp.solve(eq, grid, fp.uniform(0, 1), 2.0, source=1.0, error=False)
    assert first.mass[-1] == pytest.approx(1.0, rel=1e-6)  # s = k: it was, and stays, at rest
    assert fp.solve(eq, grid, first, 1.0, error=False).mass[-1] == pytest.approx(np.exp(-1.0), rel=1e-5)


def test_simulated_paths_start_anew():
    """Killed at the rate k a path has started anew k t times on average, from another place than its first."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2, killing=0.8)
    paths = fp.simulate(eq, fp.point(0.0), [0.0, 1.0, 3.0], 0.01, n_paths=20_000, reset=fp.gaussian(1.0, 0.2), seed=1)
    sol = fp.solve(eq, fp.Grid((-5, 6), 220), fp.point(0.0), [1.0, 3.0], reset=fp.gaussian(1.0, 0.2))
    counts = paths.resets.mean(axis=1)
    assert counts[0] == 0
    assert np.abs(counts[1:] - [0.8, 2.4]).max() < 4 * np.sqrt(2.4 / 20_000)
    assert paths.resets[2].var() == pytest.approx(2.4, rel=0.06)  # of a Poisson law
    assert np.abs(paths.mean()[1:] - sol.mean()).max() < 4 * paths.standard_error().max() + 0.005
    assert np.abs(paths.covariance()[1:] - sol.covariance()).max() < 0.01
    assert paths.exit_times is None


def test_simulated_paths_that_leave_by_a_wall_start_anew():
    """The perfect neuron fires once in 1 / v, and no path is outside."""
    eq, grid = fp.FokkerPlanck(drift=2.0, diffusion=0.05), fp.Grid((-2, 1), 8, ("reflecting", "absorbing"))
    paths = fp.simulate(eq, fp.point(0.0), [1.0, 4.0], 1e-3, n_paths=2000, grid=grid, reset=fp.point(0.0), seed=2)
    assert (np.diff(paths.resets, axis=0) / 3.0).mean() == pytest.approx(2.0, rel=0.03)
    assert paths.positions.max() <= 1.0


def test_simulated_paths_wait_outside_for_a_refractory_time():
    """As the density has it: who is in the box, where, and how often they enter again."""
    eq, d = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2, killing=0.8), 0.7
    there, times = fp.gaussian(1.0, 0.2), [0.5, 1.5, 3.0]
    paths = fp.simulate(eq, fp.point(0.0), times, 0.01, n_paths=20_000, reset=there, delay=d, seed=1)
    sol = fp.solve(eq, fp.Grid((-5, 6), 220), fp.point(0.0), times, reset=there, delay=d)
    inside = 1.0 - paths.outside.mean(axis=1)
    assert np.abs(inside - sol.mass).max() < 4 * np.sqrt(0.25 / 20_000)
    assert paths.density(sol.grid)[1].sum() * sol.grid.volumes.flat[0] == pytest.approx(inside[1], abs=1e-3)
    assert np.isnan(paths.positions[paths.outside]).all()
    assert np.abs(paths.mean() - sol.mean()).max() < 4 * paths.standard_error().max() + 0.005
    assert paths.diverged == 0.0
    # who has entered again by t left by t - d: 1 - the mass then, as nobody had come back before d
    left = 1.0 - np.exp(-0.8 * 0.5), 0.8 * np.exp(-0.8 * 0.8)
    assert paths.resets[0].max() == 0
    early = fp.simulate(eq, fp.point(0.0), [0.7, 1.2], 0.01, n_paths=20_000, reset=there, delay=d, seed=2)
    rate = early.reset_rate()
    assert abs(rate.value[1] * 0.5 - left[0]) < 4 * 0.5 * rate.standard_error[1]
    assert rate.standard_error[1] == pytest.approx(np.sqrt(left[0] * (1 - left[0]) / 20_000) / 0.5, rel=0.02)
    both = paths.joined(fp.simulate(eq, fp.point(0.0), times, 0.01, n_paths=10, reset=there, delay=d, seed=5))
    assert both.resets.shape == both.outside.shape == (3, 20_010)


def test_a_neuron_with_a_refractory_time_fires_as_its_density_does():
    eq, zero = fp.FokkerPlanck(drift=lambda v: 1.3 - v, diffusion=0.05), fp.point(0.0)
    box, times = fp.Grid((-1.5, 1), 300, ("reflecting", "absorbing")), np.arange(1.0, 7.0)
    paths = fp.simulate(eq, zero, times, 5e-4, n_paths=4000, grid=box, reset=zero, delay=0.3, seed=3)
    sol = fp.solve(eq, box, zero, np.linspace(0, 5.7, 571)[1:], reset=zero, delay=0.3, error=False)
    rates = np.append(0.0, sol.rate)
    left = np.append(0.0, np.cumsum(0.005 * (rates[1:] + rates[:-1])))  # by each time; they enter again 0.3 later
    right = np.diff(left[np.rint((times - 0.3) * 100).astype(int)], prepend=0.0)
    rate = paths.reset_rate()
    # an absorbing wall is looked at after each step: it takes effect 0.58 sqrt(2 D dt) further out, 0.4 % of the way
    assert np.abs(rate.value - right).max() < 4 * rate.standard_error.max() + 0.01


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"delay": 0.1}, "0, or with `reset` more"),
        ({"reset": 0.5}, "can be sampled"),
        ({"reset": fp.point(0.5)}, "nothing leaves"),
        ({"reset": fp.point(0.5), "target": lambda x: x > 1}, "None with a target"),
    ],
)
def test_resets_of_paths_that_make_no_sense(more, words):
    with pytest.raises((ValueError, TypeError), match=words):
        fp.simulate(OU, fp.point(0.0), [1.0], 0.1, n_paths=10, **more)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"source": fp.point(0.5)}, r"a function, an array or \(rate, density\)"),
        ({"source": "1"}, r"a function, an array or \(rate, density\), got '1'"),
        ({"source": lambda x, t: x - t}, "nowhere negative"),
        ({"source": (lambda t: t - 0.5, fp.point(0.0))}, "a rate not below 0"),
        ({"source": -1.0}, "above 0"),
        ({"source": lambda x: x - 1}, "nowhere negative"),
        ({"source": (0.0, fp.point(0.5))}, "a rate above 0"),
        ({"source": 1.0, "method": "rational"}, "'auto' or 'chebyshev'"),
        ({"reset": 3}, "an initial density"),
        ({"delay": 1.0}, "or with `reset` more"),
        ({"reset": fp.point(0.0), "delay": -1.0}, "or with `reset` more"),
    ],
)
def test_what_makes_no_sense_is_refused(more, words):
    with pytest.raises((ValueError, TypeError), match=words):
        fp.solve(OU, fp.Grid((-4, 4), 32), fp.gaussian(0, 1), 1.0, **more)


def test_where_no_balance_is_and_waiting_are_refused():
    with pytest.raises(ValueError, match="source"):
        fp.stationary(OU, fp.Grid((-4, 4), 32), source=1.0)
    with pytest.raises(ValueError, match="time_order"):
        fp.solve(fp.FokkerPlanck(diffusion=1, time_order=0.5), fp.Grid((0, 1), 8), fp.uniform(0, 1), 1.0, source=1.0)
    with pytest.raises(ValueError, match="alone"):
        fp.stationary(OU, fp.Grid((-4, 4), 32, "absorbing"), source=1.0, reset=fp.point(0.0))
    with pytest.raises(TypeError, match="source="):
        fp.FokkerPlanck(diffusion=1.0, source=1.0)
