"""Divergence, walls and boxes of SGD are recognised: by the operator, its diffusion, simulation and the central flow."""

import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.sgd.diffusion_models import noise_temperature

RANDOM_SLOPES = fp.SampleLoss("x*w**2/2 + c*w", ["w"], {"x": [0.2, 3.0], "c": [0.3, -0.3]})
VALLEY = fp.SampleLoss("(a*b - 1)**2 / 2 + 0*x", ["a", "b"], {"x": [0.0, 1.0]})


def descend(loss, rate, start, steps):
    x = np.array(start, dtype=float)
    for _ in range(steps):
        x = x - rate * loss.gradient(*x)
    return x


class TestOperator:
    def test_walls_met_by_a_diverging_sgd_warn_of_divergence(self):
        """<ln |1 - 0.8 x|> = (ln 0.84 + ln 1.4) / 2 > 0: the variance after 200 steps is some 1e23."""
        operator = fp.SGD(RANDOM_SLOPES, 0.8).transfer_operator(fp.Grid((-3, 3), 600))
        assert operator.growth == pytest.approx(0.5 * np.log(0.84 * 1.4), abs=0.02)
        with pytest.warns(fp.ResolutionWarning, match="SGD diverges"):
            operator.evolve(fp.gaussian(0, 0.3), [200])
        with pytest.warns(fp.ResolutionWarning, match="SGD diverges"):
            operator.stationary()

    def test_a_box_that_holds_mass_back_warns_of_the_box(self):
        """39 % of the mass would leave; the mean on a larger box is 1.595."""
        sgd = fp.SGD(fp.landscapes.two_datapoints().loss, 0.3)
        with pytest.warns(fp.ResolutionWarning, match="Enlarge the box"):
            sgd.transfer_operator(fp.Grid((-0.5, 2.5), 600)).evolve(fp.gaussian(0.5, 0.175), [50])

    def test_a_box_that_holds_everything_does_not_warn(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fp.SGD(RANDOM_SLOPES, 0.1).transfer_operator(fp.Grid((-3, 3), 1200)).evolve(fp.gaussian(0, 0.3), [50])

    @pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
    @pytest.mark.parametrize("rate", [0.1, 0.8, 3.0])
    def test_walls_never_make_the_numerical_diffusion_negative(self, rate):
        operator = fp.SGD(RANDOM_SLOPES, rate).transfer_operator(fp.Grid((-3, 3), 100))
        assert operator.stationary().stats["smearing"][0] >= 0.0


class TestDiffusion:
    def test_the_diffusion_of_an_unstable_descent_warns(self):
        sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]}), 3.0)
        with pytest.warns(fp.ModelWarning, match="descent is unstable"):
            fp.solve(sgd.equation(), fp.Grid((-20, 20), 400), fp.gaussian(0, 0.3), [2.0])

    def test_momentum_widens_the_stable_rates(self):
        """Heavy-ball descent on curvature 1 is stable for eta < 2 (1 + m)."""
        for rate, unstable in ((3.0, False), (4.0, True)):
            sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]}), rate, momentum=0.9)
            eq, grid = sgd.equation("momentum"), fp.Grid([(-1, 1), (-1, 1)], [4, 4])
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                points = np.stack([x.ravel() for x in np.meshgrid(*grid.centers, indexing="ij")])
                eq.assumption(points, np.ones(grid.size) / grid.size)
            assert bool(caught) == unstable

    @pytest.mark.parametrize("ask", ["solve", "stationary", "simulate"])
    def test_no_density_where_the_loss_is_not_finite(self, ask):
        """The gradient of log(w) is 1 / w for negative w, too, and the density went there in silence."""
        eq = fp.SGD(fp.SampleLoss("(w + x)**2 / 2 - .1 * log(w)", ["w"], {"x": [0.2, 0.6]}), 0.1).equation()
        grid, start = fp.Grid((-3, 3.01), 200), fp.gaussian(0.5, 0.1)
        rest = fp.FokkerPlanck(drift=eq.drift, diffusion=0.05, assumption=eq.assumption)
        asked = {
            "solve": lambda: fp.solve(rest, grid, start, [50.0], error=False),
            "stationary": lambda: fp.stationary(rest, grid, fp.gaussian(-1, 0.1), error=False),
            "simulate": lambda: fp.simulate(rest, start, [50.0], dt=0.5, n_paths=200, step_error=False),
        }
        with pytest.raises(
            ValueError, match=r"`loss` must be finite where the density lies, .*% at places such as \(-"
        ):
            asked[ask]()

    def test_a_loss_that_is_finite_where_the_density_lies(self):
        """At w < 0 it is not, and the box reaches there."""
        sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2 + 1e-3 * sqrt(w)", ["w"], {"x": [1.8, 2.2]}), 0.1)
        points = np.linspace(-1, 3, 401)[None]
        sgd.equation().assumption(points, np.exp(-((points[0] - 2) ** 2) / 0.02))


class TestSimulation:
    def test_paths_where_the_loss_is_not_finite_are_warned_of(self):
        sgd = fp.SGD(fp.SampleLoss("log(w) * x", ["w"], {"x": [1.0, 2.0]}), 0.1)
        with pytest.warns(fp.ModelWarning, match=r"The loss is not finite where paths are, .*% at places such as \(-"):
            sgd.simulate(fp.gaussian(1, 0.3), [50], n_paths=100)

    def test_paths_count_as_diverged_long_before_they_overflow(self):
        paths = fp.SGD(RANDOM_SLOPES, 0.8).simulate(fp.gaussian(0, 0.3), [10, 1000], n_paths=500)
        assert np.isfinite(paths.positions).all()
        assert paths.diverged == 1.0
        with pytest.warns(RuntimeWarning, match="500 of 500 paths diverged"):
            assert np.isnan(paths.mean()[-1]).all()

    def test_paths_that_only_travel_far_have_not_diverged(self):
        flat = fp.SGD(fp.SampleLoss("-w + 0*x", ["w"], {"x": [0.0, 1.0]}), 0.5)
        assert flat.simulate(0.0, [10_000], n_paths=20).diverged == 0.0


class TestCentralFlow:
    @pytest.mark.parametrize(
        ("rate", "start"), [(0.12, (4.3, 0.02)), (0.12, (4.3, 1 / 4.3 + 0.01)), (0.2, (3.3, 0.3)), (0.12, (4.15, 0.2))]
    )
    def test_a_start_above_the_edge_ends_where_descent_ends(self, rate, start):
        """Descent overshoots the edge; pinned there, the flow would end at a curvature of 2 / eta."""
        flow = fp.SGD(VALLEY, rate, batch_size=None).central_flow(start, [0, 4000])
        assert flow.descent_steps > 0
        assert flow.sharpness[0] > 2.0 / rate > flow.sharpness[-1] + 0.3
        assert np.abs(flow.positions[-1] - descend(VALLEY, rate, start, 4000)).max() < 1e-3

    def test_descent_that_diverges_is_refused(self):
        with pytest.raises(fp.ConvergenceError, match="diverges within"):
            fp.SGD(VALLEY, 0.5, batch_size=None).central_flow((5.0, 0.9), [0, 1000])

    def test_a_start_below_the_edge_needs_no_descent(self):
        assert fp.SGD(VALLEY, 0.12, batch_size=None).central_flow((3.0, 0.1), [0, 10]).descent_steps == 0


def test_the_temperature_on_a_valley_of_minima_does_not_depend_on_the_box():
    loss = fp.landscapes.scalar_net(1.0, 0.5).loss
    found = [
        noise_temperature(fp.SGD(loss, 0.05), box).value
        for box in ([(-2, 2), (-2, 2)], [(0, 3), (0, 3)], [(0.1, 4), (-2, 2)], None)
    ]
    assert found == pytest.approx([0.00625] * 4, rel=1e-4)  # eta tr Sigma / (2 d) at x = y = 1


def test_more_steps_than_a_day_holds_are_refused_before_the_first():
    sgd = fp.SGD(fp.landscapes.two_datapoints().loss, 0.1)
    with pytest.raises(ValueError, match=r"`steps` must be at most 1.0e\+13 over all paths.*Ask the transfer operator"):
        sgd.simulate(0.5, [10**12], n_paths=100)


def test_simulations_of_minutes_are_announced(monkeypatch):
    monkeypatch.setattr("fokkerplanck.simulation.sgd_paths.WORTH_A_WORD", 10_000)
    sgd = fp.SGD(fp.landscapes.two_datapoints().loss, 0.1)
    with pytest.warns(UserWarning, match="100 paths of 1000 steps take some 0 minutes on one core"):
        sgd.simulate(0.5, [1000], n_paths=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sgd.simulate(0.5, [100], n_paths=100)
