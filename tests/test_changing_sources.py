"""Sources that change with time, and the states that repeat with them: against moments' equations by hand."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import fokkerplanck as fp

K, W = 0.7, 2 * np.pi
KILLED = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2, killing=K)
THERE = fp.gaussian(1.0, 0.3)
GRID = fp.Grid((-4, 4), 100)


def shaped(x, t):
    return (1 + np.sin(3 * t)) * np.exp(-((x - 1) ** 2) / 0.18) / np.sqrt(0.18 * np.pi)


def pulse(t):
    return 2.0 * ((t > 0.5) & (t < 0.7))


@pytest.mark.parametrize(
    ("source", "rate"),
    [
        ((lambda t: 1 + np.sin(3 * t), THERE), lambda t: 1 + np.sin(3 * t)),
        (shaped, lambda t: 1 + np.sin(3 * t)),
        ((pulse, THERE), pulse),
        ((lambda t: 2.0 if 0.5 < t < 0.7 else 0.0, THERE), pulse),
    ],
)
def test_moments_of_what_a_changing_source_puts_in(source, rate):
    """m' = s(t) - k m and, M the first moment, M' = s(t) - (1 + k) M; a pulse is found and no step crosses its ends."""
    times = [0.5, 2.0, 5.0]
    sol = fp.solve(KILLED, GRID, None, times, source=source)
    mass, first, given = solve_ivp(
        lambda t, y: [rate(t) - K * y[0], rate(t) - (1 + K) * y[1], rate(t)],
        (0, 5), [0, 0, 0], t_eval=times, rtol=1e-10, atol=1e-12, max_step=0.005,
    ).y  # fmt: skip
    assert sol.mass == pytest.approx(mass, abs=3e-6)
    assert sol.supplied == pytest.approx(given, abs=3e-6)
    assert sol.rate == pytest.approx(K * mass, abs=3e-6)
    off = np.abs(sol.mass * np.nan_to_num(sol.mean()[:, 0]) - first)
    assert (off < sol.mass * np.nan_to_num(1.5 * sol.error["mean"][:, 0]) + 3e-6).all()


def test_a_changing_source_in_a_closed_box_gives_all_it_has():
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.sin(t), diffusion=0.2)
    sol = fp.solve(eq, GRID, THERE, [1.0, 4.0], source=(lambda t: np.exp(-t), fp.point(0.0)))
    assert sol.mass == pytest.approx(2.0 - np.exp(-sol.times), abs=2e-6)


def test_what_arrives_at_exit_boundaries_from_a_changing_source():
    """Genetic drift keeps the mean: as much is fixed at 1 and on its way as was put in, times where."""
    eq = fp.FokkerPlanck(diffusion=lambda x: x * (1 - x) / 2)
    sol = fp.solve(eq, fp.Grid((0, 1), 100), None, [1.0, 4.0], source=(lambda t: 2 * t, fp.gaussian(0.3, 0.05)))
    assert sol.mass == pytest.approx(sol.times**2, rel=1e-5)
    assert sol.atoms[1.0] + sol.masses @ sol.grid.centers[0] == pytest.approx(0.3 * sol.times**2, rel=1e-3)


def periodic_response(k, t):
    """The periodic solution of y' = 1 + sin(w t) - k y."""
    return 1 / k + (k * np.sin(W * t) - W * np.cos(W * t)) / (k * k + W * W)


def test_a_state_that_repeats_with_its_source():
    st = fp.stationary(KILLED, GRID, period=1.0, source=(lambda t: 1 + np.sin(W * t), THERE))
    assert st.mass == pytest.approx(periodic_response(K, st.times), abs=1e-6)
    assert st.rate == pytest.approx(K * st.mass, rel=1e-6)
    assert st.masses[0] == pytest.approx(st.masses[-1], abs=1e-6)
    off = np.abs(st.mass * st.mean()[:, 0] - periodic_response(1 + K, st.times))
    assert (off < 1.5 * st.mass * st.error["mean"][:, 0]).all()
    assert st.error["mean"].max() < 2e-3
    assert st.supplied[-1] - st.supplied[0] == pytest.approx(1.0, abs=1e-6)  # in a period, as much as leaves
    assert np.mean(st.rate[1:]) == pytest.approx(1.0, abs=1e-6)


def test_a_state_that_repeats_with_its_drift_in_the_plane():
    """Moments m' = s - k m, M' = (A - k) M + c m cos(w t) + s x, in complex numbers: x + i y turns."""
    eq = fp.FokkerPlanck(drift=lambda x, y, t: (-x + y + 0.5 * np.cos(W * t), -y - x), diffusion=0.2, killing=K)
    st = fp.stationary(eq, fp.Grid([(-4, 4)] * 2, 48), period=1.0, source=(2.0, fp.gaussian([1.0, 0.0], 0.4)))
    m, a = 2.0 / K, -1.0 - 1.0j - K
    assert st.mass == pytest.approx(np.full(33, m), rel=1e-6)
    turning = -2.0 / a + 0.25 * m * (
        np.exp(1j * W * st.times) / (1j * W - a) + np.exp(-1j * W * st.times) / (-1j * W - a)
    )
    right = np.stack([turning.real, turning.imag], axis=1) / m
    assert (np.abs(st.mean() - right) < 1.5 * st.error["mean"] + 1e-6).all()
    assert st.error["mean"].max() < 0.02


def test_a_source_that_hardly_leaves_between_its_pulses():
    """Over a barrier a walker stays for hundreds of periods: the mass is the source times that (Little's law)."""
    eq, box = (
        fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.06),
        fp.Grid((-2, 0.9), 60, ("reflecting", "absorbing")),
    )
    st = fp.stationary(eq, box, period=1.0, source=(lambda t: 1 + np.sin(W * t), fp.point(-1.0)), error=False)
    time = float((fp.point(-1.0).masses(box) * fp.first_passage(eq, box, error=False).mean).sum())
    assert time > 200
    assert np.mean(st.mass[1:]) == pytest.approx(time, rel=1e-4)
    assert np.mean(st.rate[1:]) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"source": (1.0, THERE)}, "a coefficient or a source that depends on `t`"),
        ({"source": (lambda t: 1 + np.sin(W * t), THERE), "reset": THERE}, "alone"),
        ({"source": (lambda t: 1 + np.sin(W * t), THERE), "period": 0.9}, "a time after which all coefficients repeat"),
        ({"source": (lambda t: np.sin(W * t), THERE)}, "a rate not below 0"),
        ({"source": (lambda t: 0.0 * t, THERE)}, "positive somewhere at some time"),
    ],
)
def test_periods_of_sources_that_make_no_sense(more, words):
    with pytest.raises(ValueError, match=words):
        fp.stationary(KILLED, GRID, **{"period": 1.0} | more)


def test_where_a_changing_source_has_no_state():
    wave = (lambda t: 1 + np.sin(W * t), THERE)
    closed = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2)
    with pytest.raises(ValueError, match=r"left out where nothing leaves the box.*grows without end"):
        fp.stationary(closed, GRID, period=1.0, source=wave)
    with pytest.raises(ValueError, match="independent of time without `period`"):
        fp.stationary(KILLED, GRID, source=wave)
    with pytest.raises(ValueError, match="0 beside a source that changes"):
        fp.solve(KILLED, GRID, THERE, 1.0, source=wave, reset=THERE, delay=0.1)
    with pytest.raises(ValueError, match="positive somewhere"):
        fp.solve(KILLED, GRID, None, 1.0, source=(lambda t: 0.0 * t, THERE))
