"""SGD over two steps as a diffusion, at and above the edge of stability, and the sliding mode of the central flow."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import wasserstein_distance

import fokkerplanck as fp
from fokkerplanck.sgd.two_step_model import TwoStepModel

ABOVE = pytest.mark.filterwarnings("ignore::fokkerplanck.ModelWarning")  # the first-order density above the edge


def quadratic(edge, **settings):
    """Curvature 1 and noise of deviation 1, so that `edge` is eta h."""
    return fp.SGD(fp.SampleLoss("(w-x)**2/2", ["w"], {"x": [-1.0, 1.0]}), edge, **settings)


def sharpening(noise):
    """y x^2/2 whose sharpness y is pulled to 21, the edge being 20."""
    loss = fp.SampleLoss(f"y*x**2/2 + 0.025*(y-21)**2 - {noise}*z*x", ["x", "y"], {"z": [-1.0, 1.0]})
    return fp.SGD(loss, 0.1, batch_size=1)


@pytest.mark.parametrize("edge", [0.1, 0.5, 0.8, 1.2, 1.5, 1.9, 1.99])
def test_quadratics_have_the_rate_and_variance_of_sgd(edge):
    """Rate -ln |1 - eta h| and stationary variance eta / (h (2 - eta h)), to the error of the approximants."""
    model, one = TwoStepModel(quadratic(edge)), np.ones(1)
    rate = -model.drift(one)[0]
    z = (1 - edge) ** 2 - 1
    if abs(z) < 0.8:  # nearer to -1 the logarithm grows without bound, its approximant to 2.5
        assert rate == pytest.approx(-np.log(abs(1 - edge)), rel=0.15 * abs(z) ** 3)
    assert model.diffusion(one)[0] / rate == pytest.approx(edge / (2 - edge), rel=0.04 * abs(z) ** 3 + 1e-9)
    eq = quadratic(edge).equation("refined", drift="two-step")
    grid = fp.Grid(8 * (edge / (2 - edge)) ** 0.5 * np.array([-1, 1]), 400)
    assert fp.stationary(eq, grid).covariance()[0, 0] == pytest.approx(edge / (2 - edge), rel=0.035)


def test_the_noise_bends_the_second_step():
    """Mean of two steps of w' = w - eta (w^3 + z), z = +-1, by listing the four pairs of batches."""
    eta, w = 0.1, 0.7
    sgd = fp.SGD(fp.SampleLoss("w**4/4 + z*w", ["w"], {"z": [-1.0, 1.0]}), eta)
    ends = [first - eta * (first**3 + z2) for z1 in (-1, 1) for z2 in (-1, 1) for first in [w - eta * (w**3 + z1)]]
    first = w - eta * w**3
    z = (1 - 3 * eta * first**2) * (1 - 3 * eta * w**2) - 1
    expected = 0.5 * (np.mean(ends) - w) * (1 + z / 6) / (1 + 2 * z / 3)
    assert TwoStepModel(sgd).drift(np.array([w]))[0] == pytest.approx(expected, rel=1e-6)


def test_noise_that_sgd_adds_itself_counts():
    sgd = quadratic(1.5, langevin_temperature=0.2)
    model, one = TwoStepModel(sgd), np.ones(1)
    variance = (1.5**2 + 2 * 1.5 * 0.2) / (1 - 0.25)
    assert model.diffusion(one)[0] / -model.drift(one)[0] == pytest.approx(variance, rel=0.02)


@ABOVE
@pytest.mark.parametrize(("height", "others"), [(19.0, 0.1), (21.5, 1.0)])
def test_sharpness_at_and_from_above_the_edge(height, others):
    """W1 of the sharpness to simulated SGD: two-step within sampling, or .11 from above; first order far off."""
    sgd, start = sharpening(0.3), fp.gaussian((0.0, height), (0.1, 0.1))
    true = sgd.simulate(start, [60, 200], n_paths=8000, seed=1).positions[:, :, 1]
    off = {}
    for name, settings in (("two-step", {"drift": "two-step"}), ("first-order", {})):
        eq = sgd.equation("refined", **settings)
        paths = fp.simulate(eq, start, [60.0, 200.0], 0.25, n_paths=800, seed=3, step_error=False)
        off[name] = [wasserstein_distance(*pair) for pair in zip(true, paths.positions[:, :, 1], strict=True)]
    assert max(off["two-step"]) < (0.012 if height < 20 else 0.11)
    assert max(off["first-order"]) > others


@ABOVE
def test_central_flow_slides_along_the_edge():
    """With little noise the sharpness comes to 20 and stays there, from below and from above; without the flow it goes on."""
    sgd = sharpening(0.003)
    for height in (19.9, 20.6):
        ends = {}
        for flow in (True, False):
            eq = sgd.equation("refined", central_flow=flow)
            start = np.array([0.0, height])
            ends[flow] = fp.simulate(eq, start, [400.0], 0.5, n_paths=50, seed=1, step_error=False).mean()[-1, 1]
        assert ends[True] == pytest.approx(20.0, abs=0.1)
        assert ends[False] > 20.7


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_descent_above_the_edge_is_said():
    sgd, grid = sharpening(0.3), fp.Grid([(-1.5, 1.5), (19.0, 24.0)], [48, 40])
    start = fp.gaussian((0.0, 22.5), (0.1, 0.2))
    with pytest.warns(fp.ModelWarning, match="overshoots, which the central flow does not know: drift='two-step' does"):
        fp.solve(sgd.equation("refined", central_flow=True), grid, start, [1.0], error=False)


def test_what_two_steps_do_not_go_with_is_refused():
    sgd = sharpening(0.3)
    for settings, name in (({"central_flow": True}, "central_flow"), ({"stability": 1.7}, "stability and several")):
        with pytest.raises(ValueError, match=f"`drift` must be another than 'two-step' with {name}"):
            sgd.equation("refined", drift="two-step", **settings)
    with pytest.raises(ValueError, match="another than 'two-step' with a schedule"):
        fp.SGD(sgd.loss, 0.1, schedule="1/(1+t)").equation("refined", drift="two-step")
    no_hessian = fp.SampleLoss.from_gradient(lambda theta, sample: theta - sample, np.array([0.0, 1.0]), ["w"])
    with pytest.raises(ValueError, match="`drift` must be 'first-order' where the loss has no Hessian"):
        fp.SGD(no_hessian, 0.1).equation("refined", drift="two-step")


@pytest.mark.parametrize("edge", [0.05, 0.7, 1.0, 1.5, 1.9])
@pytest.mark.parametrize("stability", [0.6, 1.5, 1.95])
def test_jumps_have_the_stationary_law_of_sgd(edge, stability):
    """theta -> J theta + eta xi rests in the stable law of scale^a = eta^a / (1 - |J|^a), a flow of rate r in s^a / (a r)."""
    eq = quadratic(edge, batch_size=1).equation("refined", drift="two-step", stability=stability, scale=1.0)
    rate, scale = -eq.drift(np.ones(1))[0], eq.jumps.scale_at((np.array([0.0, 3.0]),))
    rest = scale**stability / (stability * rate)
    assert rest == pytest.approx(edge**stability / (1 - abs(1 - edge) ** stability), rel=1e-9)


def test_jumps_at_two_are_the_diffusion_and_added_noise_stays():
    sgd, at = quadratic(1.5, batch_size=1), np.array([0.3])
    two = sgd.equation("refined", drift="two-step", stability=2.0)  # by default of the first-order diffusion
    assert two.jumps.scale_at((at,)) ** 2 == pytest.approx(TwoStepModel(sgd).diffusion(at), rel=0.02)
    assert not two.diffusion(at).any()
    warm = quadratic(1.5, batch_size=1, langevin_temperature=0.2)
    added = warm.equation("refined", drift="two-step", stability=1.5, scale=1.0).diffusion(at)
    assert TwoStepModel(sgd).diffusion(at) + added == pytest.approx(TwoStepModel(warm).diffusion(at))


@pytest.mark.filterwarnings("ignore::UserWarning")  # tails beyond the box
@pytest.mark.parametrize("factor", [-0.9, -0.5])
def test_jumps_over_two_steps_against_sgd(factor):
    """Interquartile range of 10^5 runs with Cauchy-like noise, of one scale and of one that grows with w, after even steps.

    Its standard error is .6 %; the scale of two steps without the logarithm would give .90 and .56 of it at rest.
    """
    rng, steps, a = np.random.default_rng(3), [4, 20], 1.5
    sgd = quadratic(1 - factor, batch_size=1)
    for size in (0.05, lambda w: 0.05 + 0.03 * np.tanh(w)):
        eq = sgd.equation("refined", drift="two-step", stability=a, scale=size)
        solution = fp.solve(eq, fp.Grid((-6, 6), 1000), fp.gaussian(0.0, 0.1), steps, error=False)
        w, ranges = rng.normal(0.0, 0.1, 100_000), []
        for step in range(1, steps[-1] + 1):
            noise = stats.levy_stable.rvs(a, 0.0, size=w.size, random_state=rng)
            w = factor * w + (1 - factor) * (size(w) if callable(size) else size) * noise
            if step in steps:
                ranges.append(np.subtract(*np.quantile(w, [0.75, 0.25])))
        below = np.cumsum(solution.masses, axis=1) / solution.mass[:, None]
        found = [np.subtract(*np.interp([0.75, 0.25], row, solution.grid.edges[0][1:])) for row in below]
        assert found == pytest.approx(ranges, rel=0.03)


def test_jumps_over_two_steps_where_the_loss_bends_are_refused():
    """Before a density asks, or where it looks and no probe did; a kink counts, though no Hessian shows it."""
    for text in ("w**4/4 - x*w", "(w - x)**2/2 + w**3/1000", "abs(w) - x*w/2"):
        sgd = fp.SGD(fp.SampleLoss(text, ["w"], {"x": [-1.0, 1.0]}), 0.1, batch_size=1)
        with pytest.raises(ValueError, match="with stability where the gradient is not linear"):
            sgd.equation("refined", drift="two-step", stability=1.5)
    sgd = fp.SGD(fp.SampleLoss("(w-x)**2/2 + exp(-50*(w-3)**2)", ["w"], {"x": [-1.0, 1.0]}), 0.1, batch_size=1)
    eq = sgd.equation("refined", drift="two-step", stability=1.5)
    with pytest.raises(ValueError, match=r"not linear, got one that is off a line by 6.* at 3\.1"):
        fp.solve(eq, fp.Grid((-5, 5), 100), fp.gaussian(0.0, 0.3), [1.0])
    line = fp.SampleLoss(
        "(x*w - y)**2/2",
        ["w"],
        {"x": [1e3, -2e3], "y": [1e4, 2e4]},
    ).within([(-1e6, 1e6)])
    fp.SGD(line, 1e-7, batch_size=1).equation("refined", drift="two-step", stability=1.5)  # rounding is no bend
