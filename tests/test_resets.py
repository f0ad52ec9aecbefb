"""What leaves enters again, and which way out was taken: against closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfcx

import fokkerplanck as fp


def siegert(mu, d, threshold, reset, delay):
    """Firing rate of dv = (mu - v) dt + sqrt(2 D) dW (Siegert 1951; Ricciardi 1977)."""
    ends = [(v - mu) / np.sqrt(2 * d) for v in (reset, threshold)]
    return 1 / (delay + np.sqrt(np.pi) * quad(lambda z: erfcx(-z), *ends)[0])


@pytest.mark.parametrize(("mu", "d", "delay"), [(0.8, 0.1, 0.1), (1.3, 0.02, 0.0), (0.2, 0.15, 1.0)])
def test_firing_rate_of_the_leaky_neuron(mu, d, delay):
    eq = fp.FokkerPlanck(drift=lambda v: mu - v, diffusion=d)
    st = fp.stationary(eq, fp.Grid((-2.5, 1), 700, ("reflecting", "absorbing")), reset=fp.point(0.0), delay=delay)
    right = siegert(mu, d, 1.0, 0.0, delay)
    assert st.rate == pytest.approx(right, rel=3e-4)
    assert abs(st.rate - right) < 3 * st.error["rate"]
    assert st.mass == pytest.approx(1 - delay * st.rate, abs=1e-10)
    assert st.density.min() >= 0.0
    assert not st.is_equilibrium
    assert st.current[0, -2] == pytest.approx(st.rate, rel=1e-6)  # above the reset all flows to the threshold


def test_a_neuron_that_hardly_fires():
    """Behind a barrier of 25 kT and more the time until it fires is where it spends it, to round-off."""
    for d in (0.02, 0.005):
        st = fp.stationary(
            fp.FokkerPlanck(drift=lambda v: -v, diffusion=d),
            fp.Grid((-1, 1), 800, ("reflecting", "absorbing")),
            reset=fp.point(0.0),
        )
        right = siegert(0.0, d, 1.0, 0.0, 0.0)
        assert st.rate == pytest.approx(right, rel=5e-3)
        assert abs(st.rate - right) < 1.5 * st.error["rate"]
        assert st.mass == pytest.approx(1.0, rel=1e-9)


def test_perfect_neuron():
    """Drift v alone takes 1 / v from 0 to 1, whatever the noise."""
    eq = fp.FokkerPlanck(drift=1.5, diffusion=0.2)
    st = fp.stationary(eq, fp.Grid((-3, 1), 800, ("reflecting", "absorbing")), reset=fp.point(0.0))
    assert st.rate == pytest.approx(1.5, rel=1e-4)
    assert abs(st.rate - 1.5) < 3 * st.error["rate"]


def test_what_exits_at_either_end_enters_in_between():
    """Free diffusion on (0, L) from c: the cycle takes c (L - c) / 2 D, a share c / L leaves above, p is piecewise linear."""
    c, d = 0.3, 0.7
    st = fp.stationary(fp.FokkerPlanck(diffusion=d), fp.Grid((0, 1), 200, "absorbing"), reset=fp.point(c))
    assert 1 / st.rate == pytest.approx(c * (1 - c) / (2 * d), rel=1e-8)
    assert st.rates["x high"] / st.rate == pytest.approx(c, rel=1e-8)
    assert sum(st.rates.values()) == pytest.approx(st.rate, rel=1e-10)
    x = st.grid.centers[0]
    p = 2 / (c * (1 - c)) * np.where(x < c, x * (1 - c), c * (1 - x))
    assert np.abs(st.density - p).max() < 1e-8


def test_two_dimensions_along_one_axis_are_one():
    eq = fp.FokkerPlanck(drift=lambda v, w: [0.8 - v, -w], diffusion=[0.1, 0.3])
    grid = fp.Grid([(-2, 1), (-3, 3)], [150, 30], [("reflecting", "absorbing"), "reflecting"])
    st = fp.stationary(eq, grid, reset=fp.gaussian([0.0, 0.0], [0.1, 0.5]), error=False)
    line = fp.stationary(
        fp.FokkerPlanck(drift=lambda v: 0.8 - v, diffusion=0.1),
        fp.Grid((-2, 1), 150, ("reflecting", "absorbing")),
        reset=fp.gaussian(0.0, 0.1),
        error=False,
    )
    assert st.rate == pytest.approx(line.rate, rel=1e-6)


def test_ways_out_of_free_diffusion():
    """From x in (0, L): probability x / L of leaving above, in the mean time (L^2 - x^2) / 6 D."""
    length, d = 2.0, 0.5
    f = fp.first_passage(fp.FokkerPlanck(diffusion=d), fp.Grid((0, length), 100, "absorbing"))
    assert sorted(f.ways_out) == ["x high", "x low"]
    high = f.ways_out["x high"]
    x = f.grid.centers[0]
    assert np.abs(high.probability - x / length).max() < 1e-10
    assert high.mean == pytest.approx((length**2 - x**2) / (6 * d), abs=1e-3)
    assert high.probability_at(0.5) == pytest.approx(0.25, abs=1e-10)
    total = sum(w.probability * w.mean for w in f.ways_out.values())
    assert total == pytest.approx(f.mean, rel=1e-10)


def test_biased_choice_between_two_bounds():
    """Drift v between -a and b: P(b) = (1 - e^(-v (x + a) / D)) / (1 - e^(-v (a + b) / D))."""
    v, d, x = 0.7, 0.5, 0.2
    f = fp.first_passage(fp.FokkerPlanck(drift=v, diffusion=d), fp.Grid((-1, 1.5), 400, "absorbing"))
    high = f.ways_out["x high"]
    right = (1 - np.exp(-v * (x + 1) / d)) / (1 - np.exp(-v * 2.5 / d))
    assert high.probability_at(x) == pytest.approx(right, abs=1e-5)
    assert abs(high.probability_at(x) - right) < 3 * high.error_at(x)
    t = np.linspace(0.01, 20, 2000)
    density = high.density(t, fp.point(x))
    assert density.min() > -1e-9
    assert np.trapezoid(density, t) == pytest.approx(right, abs=1e-4)
    assert np.trapezoid(t * density, t) == pytest.approx(high.mean_at(x) * right, rel=1e-3)


def test_target_is_a_way_out_beside_the_walls():
    f = fp.first_passage(
        fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 100, ("absorbing", "reflecting")), lambda x: x > 0.75
    )
    assert sorted(f.ways_out) == ["target", "x low"]
    assert f.ways_out["target"].probability_at(0.375) == pytest.approx(0.5, abs=1e-8)


def test_resets_that_are_not_certain_are_refused():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    with pytest.raises(ValueError, match="left for certain"):
        fp.stationary(eq, fp.Grid((-3, 3), 24), reset=fp.point(0.0))
    with pytest.raises(ValueError, match="`reset` must be alone"):
        fp.stationary(eq, fp.Grid((-3, 3), 24, "absorbing"), fp.point(0.0), reset=fp.point(0.0))
    with pytest.raises(ValueError, match="`delay` must be"):
        fp.stationary(eq, fp.Grid((-3, 3), 24, "absorbing"), delay=1.0)


def test_a_saved_state_keeps_its_rates(tmp_path):
    eq = fp.FokkerPlanck(drift=lambda v: 0.8 - v, diffusion=0.1, killing=0.2)
    grid = fp.Grid((-2.5, 1), 140, ("reflecting", "absorbing"))
    st = fp.stationary(eq, grid, reset=fp.point(0.0), delay=0.1)
    st.save(tmp_path / "a.nc")
    back = fp.load(tmp_path / "a.nc")
    assert isinstance(back, fp.Solution)
    assert (back.rate, back.rates, back.delay) == (st.rate, st.rates, 0.1)
    assert set(back.rates) == {"x high", "killing"}
    assert back.error["rate"] == [st.error["rate"]]
    np.testing.assert_array_equal(back.at(np.inf), st.density)
    np.testing.assert_array_equal(back.current(-1), st.current)
    by = ", ".join(f"{rate:.6g} by {name}" for name, rate in st.rates.items())
    assert all(f"  rate       {st.rate:.6g} resets per time ({by})" in repr(result) for result in (st, back))
    back.save(tmp_path / "b.nc")
    assert fp.load(tmp_path / "b.nc").rates == st.rates
    data = back.to_xarray()
    assert (float(data.rate[0]), float(data.rate_x_high[0]), float(data.delay[0])) == (st.rate, st.rates["x high"], 0.1)
    assert len(data.to_dataframe()) == 140


@pytest.mark.parametrize(("name", "value"), [("rate", -1.0), ("rates", np.nan), ("delay", np.inf)])
def test_rates_that_are_none_are_refused(tmp_path, name, value):
    """A checksum of such contents is no excuse."""
    eq = fp.FokkerPlanck(drift=1.5, diffusion=0.2)
    st = fp.stationary(eq, fp.Grid((-3, 1), 80, ("reflecting", "absorbing")), reset=fp.point(0.0), error=False)
    object.__setattr__(st, name, {"x high": value} if name == "rates" else value)
    st.save(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"damaged one\. It is .*: its rates? .* (negative or not finite|below 0)"):
        fp.load(tmp_path / "a.nc")


@pytest.mark.parametrize("unit", [1e-20, 1e7])
def test_the_error_of_the_rate_in_any_unit_of_time(unit):
    def state(t):
        eq = fp.FokkerPlanck(drift=lambda x: 1.5 / t + 0.0 * x, diffusion=0.3 / t)
        return fp.stationary(eq, fp.Grid((-3, 1), 120, ("reflecting", "absorbing")), reset=fp.point(0.0))

    plain, scaled = state(1.0), state(unit)
    assert scaled.rate * unit == pytest.approx(plain.rate, rel=1e-9)
    assert scaled.error["rate"] * unit == pytest.approx(plain.error["rate"], rel=1e-6)
