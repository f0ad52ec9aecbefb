"""A killing rate: survival, modes, passages and the density that re-enters, against closed forms."""

import numpy as np
import pytest

import fokkerplanck as fp

GRID = fp.Grid((-6, 6), 300)


def test_uniform_killing_takes_its_share_and_leaves_the_shape():
    plain = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    killed = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, killing=0.3)
    a, b = (fp.solve(eq, GRID, fp.gaussian(1, 0.4), [1.0, 3.0]) for eq in (plain, killed))
    assert b.mass == pytest.approx(np.exp(-0.3 * b.times), rel=1e-6)
    assert (np.abs(b.mass - np.exp(-0.3 * b.times)) <= 3 * b.error["mass"]).all()
    assert b.density == pytest.approx(a.density * np.exp(-0.3 * b.times)[:, None], abs=1e-6)
    assert b.density.min() >= 0.0
    assert b.current(0) == pytest.approx(a.current(0) * np.exp(-0.3), abs=1e-6)  # killing carries nothing across faces


def test_uniform_killing_where_the_force_changes_in_time():
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.sin(t), diffusion=0.5, killing=0.3)
    sol = fp.solve(eq, GRID, fp.gaussian(1, 0.4), [1.0, 3.0])
    assert sol.mass == pytest.approx(np.exp(-0.3 * sol.times), rel=1e-6)


def rates_of_quadratic_killing(a, d, count):
    """Of dx = -x dt + sqrt(2 D) dW killed at a x^2: a harmonic oscillator of frequency s = sqrt(1 + 4 a D)."""
    s = np.sqrt(1 + 4 * a * d)
    return np.array([0.5 * (s - 1) + n * s for n in range(count)])


def test_modes_of_quadratic_killing():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, killing=lambda x: 0.7 * x**2)
    found = fp.spectrum(eq, GRID, 3)
    right = rates_of_quadratic_killing(0.7, 0.5, 3)
    assert found.rates == pytest.approx(right, rel=6e-4)
    assert (np.abs(found.rates - right) < 3 * found.error["rates"]).all()


def test_modes_of_quadratic_killing_converge_with_the_square_of_the_cells():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, killing=lambda x: 0.7 * x**2)
    right = rates_of_quadratic_killing(0.7, 0.5, 2)[1]
    off = [abs(fp.spectrum(eq, fp.Grid((-6, 6), n), 2, error=False).rates[1] - right) for n in (60, 120, 240)]
    assert np.log2(np.array(off[:-1]) / off[1:]) == pytest.approx([2.0, 2.0], abs=0.1)


def test_two_dimensions():
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5, killing=lambda x, y: 0.7 * x**2 + 0.0 * y)
    found = fp.spectrum(eq, fp.Grid([(-4, 4), (-4, 4)], [48, 48]), 2, error=False)
    assert found.rates == pytest.approx([rates_of_quadratic_killing(0.7, 0.5, 1)[0], 1 + found.rates[0]], rel=0.02)


def test_mean_time_and_ways_out():
    """D u'' - k u = -1 between absorbing walls: u = (1 - cosh(s (x - 1/2)) / cosh(s / 2)) / k, s = sqrt(k / D)."""
    k, s = 2.0, np.sqrt(2.0)
    f = fp.first_passage(fp.FokkerPlanck(diffusion=1.0, killing=k), fp.Grid((0, 1), 200, "absorbing"))
    x = f.grid.centers[0]
    assert f.mean == pytest.approx((1 - np.cosh(s * (x - 0.5)) / np.cosh(s / 2)) / k, abs=5e-6)
    assert sorted(f.ways_out) == ["killing", "x high", "x low"]
    assert f.ways_out["killing"].probability == pytest.approx(k * f.mean, rel=1e-10)
    assert f.ways_out["x high"].probability == pytest.approx(np.sinh(s * x) / np.sinh(s), abs=1e-4)
    assert sum(w.probability for w in f.ways_out.values()) == pytest.approx(np.ones(200), abs=1e-12)


def test_killing_alone_ends_a_passage_and_stops_a_committor():
    f = fp.first_passage(fp.FokkerPlanck(diffusion=1.0, killing=0.5), fp.Grid((0, 1), 40))
    assert f.mean == pytest.approx(np.full(40, 2.0), rel=1e-12)
    assert f.deviation == pytest.approx(np.full(40, 2.0), rel=1e-12)
    eq = fp.FokkerPlanck(diffusion=1.0, killing=2.0)
    u = fp.committor(eq, fp.Grid((-1, 2), 300), lambda x: x < 0, lambda x: x > 1)
    assert u.at(0.5) == pytest.approx(np.sinh(np.sqrt(0.5)) / np.sinh(np.sqrt(2)), abs=3e-5)


def test_stochastic_resetting():
    """Free diffusion that is sent back to 0 at the rate r: p = (s / 2) exp(-s |x|), s = sqrt(r / D) (Evans, Majumdar 2011)."""
    r, d = 0.8, 0.5
    st = fp.stationary(fp.FokkerPlanck(diffusion=d, killing=r), fp.Grid((-15, 15), 1001), reset=fp.point(0.0))
    s = np.sqrt(r / d)
    x = st.grid.centers[0]
    away = np.abs(x) > 0.1
    assert st.density[away] == pytest.approx(0.5 * s * np.exp(-s * np.abs(x[away])), abs=2e-4)
    assert st.rate == pytest.approx(r, rel=1e-10)
    assert st.rates == {"killing": pytest.approx(r, rel=1e-10)}
    assert st.covariance()[0, 0] == pytest.approx(2 / s**2, rel=2e-3)


def test_rates_given_on_cells_and_jumps_inside_cells():
    grid = fp.Grid((0, 1), 10)
    q = fp.generator(fp.FokkerPlanck(diffusion=1.0, killing=lambda x: np.where(x > 0.55, 4.0, 0.0)), grid)
    assert q.escape == pytest.approx([0] * 5 + [2.0] + [4.0] * 4)
    q = fp.generator(fp.FokkerPlanck(diffusion=1.0, killing=np.arange(10.0)), grid)
    assert q.escape == pytest.approx(np.arange(10.0))


def test_what_does_not_fit_is_refused():
    start = fp.gaussian(0, 1)
    for make, word in [
        (lambda: fp.FokkerPlanck(diffusion=1.0, killing=lambda x, t: x * t), "coordinates alone"),
        (lambda: fp.FokkerPlanck(diffusion=1.0, killing=1.0, time_order=0.5), "time_order"),
        (lambda: fp.solve(fp.FokkerPlanck(diffusion=1.0, killing=lambda x: x), GRID, start, 1.0), "nowhere negative"),
        (lambda: fp.stationary(fp.FokkerPlanck(diffusion=1.0, killing=1.0), GRID), "killing, that take everything"),
    ]:
        with pytest.raises(ValueError, match=word):
            make()


@pytest.mark.parametrize(("low", "high"), [(0.31, 0.3505), (0.336746, 0.356842), (0.453690488, 0.53953699)])
def test_errors_hold_where_the_rate_jumps_inside_cells(low, high):
    eq = fp.FokkerPlanck(diffusion=1.0, killing=lambda x: 50.0 * ((x > low) & (x < high)))
    passage = fp.first_passage(eq, fp.Grid((-1, 1), 100))
    # u'' = -1 outside and u'' - 50 u = -1 inside, u and u' continuous, no slope at the mirrors: c cosh + s sinh + 1/50 inside
    k, width = np.sqrt(50.0), high - low
    left, right = low + 1.0, 1.0 - high  # slopes at the strip: -left and right
    s = -left / k
    c = (right - k * s * np.cosh(k * width)) / (k * np.sinh(k * width))
    exact = c + 1.0 / 50.0 + 0.5 * (left**2 - 0.5**2)
    assert abs(passage.at(-0.5) - exact) < 2.5 * passage.error_at(-0.5)
    assert passage.at(-0.5) == pytest.approx(exact, rel=3e-3)
    assert passage.error.cap == 1.0
