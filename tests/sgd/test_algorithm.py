"""SGD and its simulation. Statistical comparisons allow 5 standard errors: a false alarm in 1.7 million each."""

import itertools

import numpy as np
import pytest

from fokkerplanck.model.equation import FokkerPlanck
from fokkerplanck.sgd import SGD, SampleLoss

PIT = "-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)"
QUADRATIC = "h*(w-c)**2/2"
DATA = {"h": [1.0, 3.0, 0.5], "c": [1.0, -1.0, 2.0]}
W = np.linspace(0.5, 1.5, 7)


class Gaussian:
    """A density with mean 0.5 and deviation 0.175."""

    def sample(self, rng, n):
        return rng.normal(0.5, 0.175, (n, 1))


def pit(**settings):
    return SGD(SampleLoss(PIT, ["w"], {"pit": [0, 1]}), **settings)


def quadratic(data=DATA, python=False, **settings):
    if not python:
        return SGD(SampleLoss(QUADRATIC, ["w"], data), **settings)
    loss = SampleLoss.from_gradient(lambda theta, s: s["h"] * (theta[0] - s["c"]), data, ["w"])
    return SGD(loss, **settings)


def assert_close(values, expected, sigmas=5.0):
    """The mean of `values` within 5 of its standard errors."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - expected) < sigmas * error, (values.mean(), expected, error)


def test_drift_and_diffusion_by_hand():
    a = 2 * (W - 2) * np.exp(-((W - 2) ** 2))
    b = 200 * (W - 1) * np.exp(-100 * (W - 1) ** 2)
    sgd = pit(learning_rate=0.05, batch_size=3)
    np.testing.assert_allclose(sgd.drift(W), -0.05 * (a + b / 2), rtol=1e-12)
    np.testing.assert_allclose(sgd.diffusion(W), 0.05**2 * b**2 / 4 / (2 * 3), rtol=1e-12)


def test_diffusion_without_replacement_and_full_batch():
    with_replacement = quadratic(batch_size=2).diffusion(W)
    without = quadratic(batch_size=2, replacement=False).diffusion(W)
    np.testing.assert_allclose(without, with_replacement * (3 - 2) / (3 - 1), rtol=1e-14)
    for settings in ({"batch_size": None}, {"batch_size": 3, "replacement": False}):
        assert not quadratic(**settings).diffusion(W).any()
    one = quadratic({"h": [1.0], "c": [0.0]}, replacement=False)
    assert one.diffusion(W).tolist() == [0.0] * 7


def test_shapes_in_two_dimensions():
    loss = SampleLoss("(v*x-y)**2/2 + u**2", ["v", "u"], {"x": [1.0, 2.0], "y": [0.0, 1.0]})
    sgd = SGD(loss, learning_rate=0.1)
    x, y = np.zeros((4, 1)), np.zeros(5)
    assert sgd.drift(x, y).shape == (2, 4, 5)
    assert sgd.diffusion(x, y).shape == (2, 2, 4, 5)


def test_equation():
    sgd = pit()
    equation = sgd.equation(convention="klimontovich")
    assert isinstance(equation, FokkerPlanck)
    assert equation.convention == "klimontovich"
    assert equation.drift == sgd.drift
    with pytest.raises(ValueError, match=r"`model` must be .* Did you mean 'first-order'"):
        sgd.equation("firstorder")


def enumerated_moments(start, eta, batch, replacement, steps):
    """Mean and variance after each step, over all sequences of batches, each as likely as any other."""
    h, c = np.array(DATA["h"]), np.array(DATA["c"])
    choose = itertools.product if replacement else itertools.permutations
    batches = [list(b) for b in (choose(range(3), repeat=batch) if replacement else choose(range(3), batch))]
    w, result = np.array([start]), []
    for _ in range(steps):
        w = np.concatenate([w - eta * np.mean([h[i] * (w - c[i]) for i in b], axis=0) for b in batches])
        result.append((w.mean(), w.var()))
    return result


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize(("batch", "replacement"), [(1, True), (2, True), (2, False), (5, True)])
def test_two_steps_have_the_moments_of_enumerated_batches(python, batch, replacement):
    sgd = quadratic(python=python, learning_rate=0.3, batch_size=batch, replacement=replacement)
    paths = sgd.simulate([0.7], steps=[1, 2], n_paths=30_000, seed=1).positions[:, :, 0]
    for values, (mean, variance) in zip(paths, enumerated_moments(0.7, 0.3, batch, replacement, 2), strict=True):
        assert_close(values, mean)
        assert_close((values - mean) ** 2, variance)


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize("settings", [{"batch_size": None}, {"batch_size": 3, "replacement": False}])
def test_full_batch_is_gradient_descent(python, settings):
    sgd = quadratic(python=python, learning_rate=0.1, **settings)
    end = sgd.simulate([0.7], steps=[50], n_paths=5).positions[0, :, 0]
    w = 0.7
    for _ in range(50):
        w = w - 0.1 * (1.0 * (w - 1) + 3 * (w + 1) + 0.5 * (w - 2)) / 3
    np.testing.assert_allclose(end, w, rtol=1e-13)


@pytest.mark.parametrize("n_samples", [2, 3, 5, 1000, 70_000])
def test_samples_are_drawn_uniformly_and_independently(n_samples):
    """With eta = h = 1 a step ends on the c it drew; chi-square over pairs of bins, within 6 deviations."""
    data = {"h": np.ones(n_samples), "c": np.arange(n_samples)}
    sgd = quadratic(data, learning_rate=1.0)
    drawn = sgd.simulate([0.0], steps=range(1, 41), n_paths=2000, seed=2).positions[:, :, 0]
    bins = min(n_samples, 7)
    label = (np.rint(drawn).astype(int) * bins) // n_samples
    p = np.bincount((np.arange(n_samples) * bins) // n_samples) / n_samples
    counts = np.bincount((label[:-1] * bins + label[1:]).ravel(), minlength=bins**2)
    expected = label[1:].size * np.outer(p, p).ravel()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    freedom = bins * (bins - 1)  # of pairs that overlap in a chain
    assert abs(chi2 - freedom) < 6 * np.sqrt(2 * (bins**2 - 1)) + bins


def test_quadratic_has_the_exact_stationary_variance():
    """Reference case F1, eta = 0.5: variance 1/3; the first-order model says 0.25, the second-order one 0.2."""
    data = {"h": [1.0, 1.0], "c": [-1.0, 1.0]}
    mc = quadratic(data, learning_rate=0.5).simulate([0.0], steps=[60], n_paths=30_000, seed=3)
    assert_close(mc.positions[0, :, 0] ** 2, 1 / 3)


def test_multiplicative_noise_has_the_exact_stationary_variance():
    """Reference case F6 with 1000 samples in place of the normal law: moments by averaging over these samples."""
    rng = np.random.default_rng(4)
    x, e = rng.normal(size=(2, 1000))
    eta, slope, push = 0.1, 1 - 0.1 * x**2, 0.1 * x * e
    mean = push.mean() / (1 - slope.mean())
    second = ((push**2).mean() + 2 * (slope * push).mean() * mean) / (1 - (slope**2).mean())
    mc = quadratic({"h": x**2, "c": e / x}, learning_rate=eta).simulate([0.0], [200], n_paths=30_000, seed=5)
    assert_close(mc.positions[0, :, 0], mean)
    assert_close(mc.positions[0, :, 0] ** 2, second)


def test_two_datapoint_landscape_fractions():
    """Reference case B2, T = 0.02, t = 1000: 0.0008 within 0.2 of 1, 0.9989 within 0.1 of 2 (both from 20,000 runs)."""
    mc = pit(learning_rate=0.02).simulate(Gaussian(), steps=[0, 1000], seed=6)
    assert mc.mean()[0, 0] == pytest.approx(0.5, abs=5 * 0.175 / np.sqrt(20_000))
    near_one, near_two = mc.fraction(lambda w: abs(w - 1) < 0.2), mc.fraction(lambda w: abs(w - 2) < 0.1)
    assert near_one.value[1] == pytest.approx(0.0008, abs=5 * 2**0.5 * 0.0002)
    assert near_two.value[1] == pytest.approx(0.9989, abs=5 * 2**0.5 * 0.00023)


@pytest.mark.parametrize("target", ["w > 1.3", lambda w: w > 1.3])
def test_escape_from_the_pit(target):
    """Reference case B3: 149.6 +- 1.1 steps by simulation, 148.8 by the transfer operator."""
    mc = pit().simulate(1.00745330, target=target, max_steps=4000, n_paths=10_000, seed=7)
    assert np.isfinite(mc.exit_times).all()
    assert_close(mc.exit_times, 149.0)
    assert (mc.positions > 1.3).all()
    assert "reached the target: 1" in repr(mc)


def test_unfinished_paths_have_infinite_exit_times_and_finished_ones_stay():
    mc = pit().simulate(Gaussian(), steps=[0, 100, 300], target="w > 1.3", n_paths=2000)
    late = pit().simulate(Gaussian(), steps=[0, 100, 300], target="w > 1.3", n_paths=2000, max_steps=350)
    done = np.isfinite(mc.exit_times)
    assert 0.1 < done.mean() < 0.9
    assert mc.exit_times[done].max() <= 300
    assert np.array_equal(np.isfinite(late.exit_times), done | (late.exit_times <= 350))
    early = mc.exit_times <= 100
    assert np.array_equal(mc.positions[1, early], mc.positions[2, early])
    assert np.array_equal(mc.positions[1, :, 0] > 1.3, early)


@pytest.mark.parametrize("python", [False, True])
def test_start_inside_the_target_exits_at_once(python):
    starts = np.array([0.0, 5.0, 0.1])
    mc = quadratic(python=python, learning_rate=0.01).simulate(
        starts, target="w > 4", max_steps=5, n_paths=3, steps=[0, 5]
    )
    assert mc.exit_times.tolist() == [np.inf, 0.0, np.inf]
    assert mc.positions[1, 1, 0] == 5.0


@pytest.mark.parametrize("python", [False, True])
def test_same_seed_same_bits_for_any_threads_and_steps(python):
    sgd = quadratic(python=python, learning_rate=0.1, batch_size=2)
    one = sgd.simulate(Gaussian(), [37, 100], n_paths=1500, seed=8, threads=1)
    two = sgd.simulate(Gaussian(), [0, 5, 100], n_paths=1500, seed=8, threads=2)
    assert np.array_equal(one.at(100), two.at(100))
    assert not np.array_equal(one.at(100), sgd.simulate(Gaussian(), [100], n_paths=1500, seed=9).at(100))


def test_diverged_paths_are_counted_and_reported():
    mc = quadratic({"h": [1.0, 9.0], "c": [0.0, 0.0]}, learning_rate=1.0).simulate([1.0], [0, 3000], n_paths=50)
    assert mc.diverged + mc.fraction(lambda w: w == 0).value[1] == 1.0  # h = 1 jumps to 0 at once
    always = quadratic({"h": [9.0], "c": [0.0]}, learning_rate=1.0).simulate([1.0], [0, 3000], n_paths=50)
    assert always.diverged == 1.0
    assert "diverged: 1" in repr(always)
    with pytest.warns(RuntimeWarning, match="50 of 50 paths diverged"):
        assert np.isnan(always.mean()[1, 0])


def test_settings_are_checked():
    loss = quadratic().loss
    for name, values in (("learning_rate", [0.0, -1.0, np.inf, np.nan]), ("batch_size", [0, -2])):
        for value in values:
            with pytest.raises(ValueError, match=f"`{name}` must be"):
                SGD(loss, **{name: value})
    for name, value in (("learning_rate", "1"), ("batch_size", 1.5), ("batch_size", True), ("replacement", "no")):
        with pytest.raises(TypeError, match=f"`{name}` must be"):
            SGD(loss, **{name: value})
    with pytest.raises(ValueError, match="`batch_size` must be at most the 3 samples without replacement"):
        SGD(loss, batch_size=4, replacement=False)
    with pytest.raises(TypeError, match="`loss` must be a SampleLoss"):
        SGD("w**2")


BAD_RUNS = [
    ("n_paths", ValueError, {"n_paths": 0}),
    ("n_paths", TypeError, {"n_paths": 1.5}),
    ("n_paths", ValueError, {"n_paths": 10**13}),
    ("seed", ValueError, {"seed": -1}),
    ("seed", TypeError, {"seed": "a"}),
    ("threads", ValueError, {"threads": 0}),
    *(("steps", ValueError, {"steps": s}) for s in (None, [], [3, 2], [1, 1], [-1])),
    *(("steps", TypeError, {"steps": s}) for s in ([0.5], "all", [[1, 2]], [[1], [2, 3]])),
    ("max_steps", ValueError, {"max_steps": 5}),
    ("max_steps", ValueError, {"steps": [9], "max_steps": 5, "target": "w > 1"}),
    ("max_steps", ValueError, {"max_steps": 0, "target": "w > 1"}),
    ("target", TypeError, {"target": 3}),
    *(("target", ValueError, {"target": t}) for t in ("w + 1", "v > 1", lambda w: w, lambda w: True)),
    *(("p0", ValueError, {"p0": p}) for p in ([0.0, 1.0], np.zeros((20_000, 2)), [np.nan], np.zeros(100))),
    *(("p0", TypeError, {"p0": p}) for p in ("here", None, [[1], [2, 3]])),
]


@pytest.mark.parametrize(("name", "error", "arguments"), BAD_RUNS)
def test_bad_runs_are_refused(name, error, arguments):
    with pytest.raises(error, match=f"`{name}` must be"):
        quadratic().simulate(**{"p0": [0.0], "steps": [1], **arguments})


def test_density_that_samples_another_dimension_is_refused():
    class Wrong:
        def sample(self, rng, n):
            return np.zeros((n, 2))

    with pytest.raises(ValueError, match="`p0` must be a density in 1 dimensions"):
        quadratic().simulate(Wrong(), [1])


def epoch_ends(start, eta, batch, momentum=0.0):
    """Position after one epoch for every order of the samples."""
    h, c = np.array(DATA["h"]), np.array(DATA["c"])
    ends = []
    for order in itertools.permutations(range(3)):
        w, v = start, 0.0
        for first in range(0, 3, batch):
            picked = list(order[first : first + batch])
            v = momentum * v - eta * np.mean(h[picked] * (w - c[picked]))
            w = w + v
        ends.append(w)
    return np.array(ends)


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize(("batch", "momentum"), [(1, 0.0), (2, 0.0), (1, 0.6)])
def test_epochs_visit_each_sample_once(python, batch, momentum):
    """Reference case F7, and all orders by hand: every end is one of theirs, each as often as it should be."""
    ends = epoch_ends(0.7, 0.01, batch, momentum)
    if (batch, momentum) == (1, 0.0):
        assert ends.mean() == pytest.approx(0.65869995, abs=5e-9)
    sgd = quadratic(python=python, learning_rate=0.01, batch_size=batch, shuffle=True, momentum=momentum)
    last = -(-3 // batch)
    mc = sgd.simulate([0.7], steps=[1, last, 2 * last], n_paths=6000, seed=13)
    values = mc.at(last)[:, 0]
    distinct, counts = np.unique(np.round(ends, 12), return_counts=True)
    found = np.abs(values[:, None] - distinct).argmin(axis=1)
    assert np.abs(values - distinct[found]).max() < 1e-12
    expected = 6000 * counts / 6
    assert (np.abs(np.bincount(found, minlength=distinct.size) - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("python", [False, True])
def test_heavy_ball_has_the_exact_stationary_variance(python):
    """Reference case F8: eta = 0.1, m = 0.9, h = 1, unit noise: the variance of the chain is 0.5135.

    By the Lyapunov equation of (w, v): w' = w + v', v' = m v - eta (w - c).
    """
    m, eta = 0.9, 0.1
    step, push = np.array([[1 - eta, m], [-eta, m]]), eta * np.ones((2, 1))
    from scipy.linalg import solve_discrete_lyapunov

    exact = solve_discrete_lyapunov(step, push @ push.T)
    assert exact[0, 0] == pytest.approx(0.5135, abs=5e-5)
    sgd = quadratic({"h": [1.0, 1.0], "c": [-1.0, 1.0]}, python=python, learning_rate=eta, momentum=m)
    mc = sgd.simulate([0.0], steps=[200], n_paths=20_000, seed=14)
    assert mc.positions.shape == (1, 20_000, 2)
    for k in range(2):
        assert_close(mc.positions[0, :, k] ** 2, exact[k, k])
    full = sgd.simulate([1.0, 0.5], steps=[0], n_paths=3).positions[0]
    assert full.tolist() == [[1.0, 0.5]] * 3
    assert (sgd.simulate(Gaussian(), steps=[0], n_paths=9).positions[0, :, 1] == 0.0).all()


def test_shuffled_paths_that_stop_keep_the_others_in_their_epochs():
    """The first sample drawn may be any; stopping some paths must not change the others' remaining samples."""
    sgd = quadratic({"h": [1.0] * 4, "c": [0.0, 1.0, 2.0, 3.0]}, learning_rate=1.0, shuffle=True)
    mc = sgd.simulate([-1.0], [0, 1, 2, 3, 4], n_paths=4000, seed=15, target="w > 2.5", max_steps=4)
    assert np.bincount(mc.exit_times.astype(int)).tolist()[0] == 0
    assert (np.abs(np.bincount(mc.exit_times.astype(int))[1:] - 1000) < 5 * np.sqrt(750)).all()


def test_epoch_settings_are_checked():
    loss = quadratic().loss
    assert SGD(loss, shuffle=True).replacement is False
    with pytest.raises(ValueError, match="`batch_size` must be at most the 3 samples with shuffling"):
        SGD(loss, batch_size=4, shuffle=True)
    for value, error in ((1.0, ValueError), (-0.1, ValueError), (np.nan, ValueError), ("m", TypeError)):
        with pytest.raises(error, match="`momentum` must be"):
            SGD(loss, momentum=value)
    with pytest.raises(TypeError, match="`shuffle` must be"):
        SGD(loss, shuffle=1)
