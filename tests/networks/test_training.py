"""Training of any loss in numpy functions and in JAX: the same laws, the same bits for any blocks, what is refused."""

import importlib.util
import sys
import warnings

import numpy as np
import pytest
from least_squares import Line

import fokkerplanck as fp
import fokkerplanck.networks as fn
from fokkerplanck.networks.function_training import step_weights
from fokkerplanck.networks.training import Rule

KINDS = ["network"] + ["jax_network"] * (importlib.util.find_spec("jax") is not None)


class TestWeights:
    @pytest.mark.parametrize("noise", ["sgd", "refined", "subset"])
    def test_gradient_has_the_mean_and_the_covariance_of_a_batch(self, noise):
        line, rng = Line(), np.random.default_rng(0)
        rule, w = Rule(noise, 0.1, 4, 0), np.array([1.0, -0.5, 0.3])
        gradients = line.errors(w)[:, None] * line.x
        weights = np.array([step_weights(rule, 12, rng) for _ in range(20_000)])
        drawn = weights @ gradients
        exact = line.noise(w) / 4
        error = np.sqrt(np.diagonal(exact) / 20_000)
        assert (np.abs(drawn.mean(axis=0) - gradients.mean(axis=0)) < 4.0 * error).all()
        np.testing.assert_allclose(np.cov(drawn, rowvar=False), exact, atol=0.06 * np.trace(exact))

    def test_subset_keeps_the_kurtosis_of_batches(self):
        # one sample in 50 carries the gradient: its weight in a batch of 2 is far from normal, and in a subset too
        gradients, rng = np.zeros(50), np.random.default_rng(1)
        gradients[0] = 1.0
        kurtosis = {}
        for noise in ("sgd", "refined", "subset"):
            weights = np.array([step_weights(Rule(noise, 0.1, 2, 0), 50, rng) for _ in range(20_000)])
            values = weights @ gradients
            kurtosis[noise] = np.mean((values - values.mean()) ** 4) / values.var() ** 2
        assert kurtosis["refined"] == pytest.approx(3.0, abs=0.3)
        assert kurtosis["sgd"] > 15.0
        assert kurtosis["subset"] > 6.0


@pytest.mark.parametrize("kind", KINDS)
class TestTraining:
    @pytest.mark.parametrize("noise", ["sgd", "langevin"])
    def test_same_bits_for_any_blocks(self, kind, noise):
        net = getattr(Line(), kind)()
        common = {"learning_rate": 0.1, "batch_size": 3, "seed": 4, "noise": noise, "keep": 9}
        together = net.train([0, 3, 10], 18, **common)
        blocks = [net.train([0, 10], n, first_run=first, **common) for first, n in ((0, 7), (7, 11))]
        joined = blocks[0].joined(blocks[1])
        assert np.array_equal(together.final, joined.final)
        assert np.array_equal(together.loss[[0, 2]], joined.loss)
        assert len(np.unique(together.final[:, 0])) == 18
        assert together.kept.shape == (3, 9, 3)
        assert np.array_equal(together.kept[-1], together.final[:9])

    def test_flow_is_gradient_descent(self, kind):
        line = Line()
        run = getattr(line, kind)().train([0, 50], 1, learning_rate=0.2, noise="flow")
        exact = line.minimum - np.linalg.matrix_power(np.eye(3) - 0.2 * line.hessian, 50) @ line.minimum
        np.testing.assert_allclose(run.final[0], exact, rtol=1e-10)
        assert run.loss[1, 0] == pytest.approx(0.5 * np.mean(line.errors(exact) ** 2), rel=1e-10)
        gradient = line.hessian @ (exact - line.minimum)
        assert run.gradient_norm[1, 0] == pytest.approx(np.linalg.norm(gradient), rel=1e-6)

    @pytest.mark.parametrize("noise", ["sgd", "refined", "langevin", "subset"])
    def test_noise_of_one_step(self, kind, noise):
        line = Line()
        runs = getattr(line, kind)().train([1], 2000, 0.1, 4, 7, noise=noise)
        steps = runs.final / 0.1
        exact = line.noise(np.zeros(3)) / 4
        if noise == "langevin":
            exact = np.trace(exact) / 3 * np.eye(3)
        np.testing.assert_allclose(np.cov(steps, rowvar=False), exact, atol=0.15 * np.trace(exact))
        error = np.sqrt(np.trace(exact) / 2000)
        assert np.linalg.norm(steps.mean(axis=0) - line.hessian @ line.minimum) < 3.5 * error

    def test_temperature_sets_the_stationary_variance(self, kind):
        # theta' = (1 - eta h) theta + sqrt(2 eta T) xi: variance 2 eta T / (1 - (1 - eta h)^2) in each eigendirection
        line = Line()
        runs = getattr(line, kind)().train([150], 600, 0.2, 4, noise="langevin", temperature=0.3)
        h, v = np.linalg.eigh(line.hessian)
        exact = 0.12 / (1.0 - (1.0 - 0.2 * h) ** 2)
        np.testing.assert_allclose(np.var(runs.final @ v, axis=0), exact, rtol=0.2)

    def test_an_epoch_meets_each_sample_once(self, kind):
        # the loss is linear here, so that an epoch moves by the sum of the gradients whatever the order
        x = np.arange(8.0)[:, None]
        if kind == "network":
            net = fn.Network.from_functions(lambda w, p: p @ x, lambda w: x @ w, params=[0.0])
        else:
            net = fn.Network(lambda w, x: x @ w, np.zeros(1), x, precision="float64")
        runs = net.train([3, 4, 8], 20, 0.1, 2, shuffle=True, keep=20)
        np.testing.assert_allclose(runs.kept[1:, :, 0], -0.1 * np.array([[14.0], [28.0]]) * np.ones(20), rtol=1e-12)
        assert runs.kept[0, :, 0].std() > 0.1
        without = net.train([1], 50, 0.1, 8, replacement=False)
        np.testing.assert_allclose(without.final, -0.35, rtol=1e-12)

    def test_optimizers_and_observables(self, kind):
        optax = pytest.importorskip("optax")
        net = getattr(Line(), kind)()
        momentum = net.train([0, 40], 2, 0.1, noise="flow", optimizer=optax.sgd(0.1, momentum=0.5))
        theta, velocity = np.zeros(3), np.zeros(3)
        for _ in range(40):
            velocity = 0.5 * velocity + net.gradient(theta)
            theta = theta - 0.1 * velocity
        np.testing.assert_allclose(momentum.final[0], theta, rtol=1e-6)
        seen = net.train([0, 5], 3, observe={"norm": lambda net, theta: theta @ theta, "theta": lambda net, t: t})
        assert seen.observed["norm"].shape == (2, 3)
        np.testing.assert_array_equal(seen.observed["theta"][1], seen.final)

    def test_starts_are_the_same_for_all_dynamics(self, kind):
        rows = np.random.default_rng(0).standard_normal((4, 3))
        net = getattr(Line(), kind)()
        for noise in ("sgd", "flow"):
            np.testing.assert_array_equal(net.train([0], 4, noise=noise, starts=rows).final, rows)

    def test_a_run_that_diverges_is_nan(self, kind):
        net = getattr(Line(), kind)()
        with np.errstate(all="ignore"):
            runs = net.train([0, 3000], 2, learning_rate=10.0, noise="flow")
        assert runs.diverged == 1.0
        assert np.isfinite(runs.loss[0]).all()
        assert "diverged" in repr(runs)

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            ({"noise": "gaussian"}, "`noise` must be one of"),
            ({"noise": "flow", "temperature": 1.0}, "`temperature`"),
            ({"batch_size": 13, "replacement": False}, "`batch_size` must be a whole number from 1 to 12"),
            ({"batch_size": 5, "shuffle": True}, "a divisor of the 12 samples"),
            ({"seed": 2**32}, "`seed`"),
            ({"optimizer": 0.1}, "`optimizer` must be an optax transformation"),
            ({"observe": lambda theta: theta}, "observe"),
            ({"starts": np.zeros((2, 3))}, "`starts`"),
            ({"learning_rate": -1.0}, "`learning_rate`"),
            ({"keep": -1}, "`keep`"),
        ],
    )
    def test_refusals(self, kind, options, word):
        with pytest.raises((ValueError, TypeError), match=word):
            getattr(Line(), kind)().train(10, 3, **options)


class TestNetwork:
    def test_derivatives_of_functions_and_of_jax_are_those_of_the_line(self):
        line, w, v = Line(), np.array([0.3, -1.0, 2.0]), np.array([1.0, 0.5, -0.2])
        for kind in KINDS:
            net = getattr(line, kind)()
            np.testing.assert_allclose(net.losses(w), 0.5 * line.errors(w) ** 2, rtol=1e-12)
            np.testing.assert_allclose(net.gradient(w), line.hessian @ (w - line.minimum), rtol=1e-10)
            np.testing.assert_allclose(net.hessian_product(w, v), line.hessian @ v, rtol=1e-7)
            np.testing.assert_allclose(net.slopes(w, v[:, None])[:, 0], line.errors(w) * (line.x @ v), rtol=1e-6)
            np.testing.assert_allclose(net.noise_product(w, v), line.noise(w) @ v, rtol=1e-6)
            rows = np.array([3, 0])
            np.testing.assert_allclose(net.sample_gradients(w, rows), line.errors(w)[rows, None] * line.x[rows])

    def test_refusals(self):
        with pytest.raises(ValueError, match="weighted_grad"):
            fn.Network.from_functions(lambda w, p: p, lambda w: np.ones(4), params=[0.0])
        with pytest.raises(ValueError, match="per_sample"):
            fn.Network.from_functions(lambda w, p: w, lambda w: np.float64(1.0), params=[0.0])
        with pytest.raises(ValueError, match="`theta` must be finite"):
            Line().network().gradient(np.zeros(4))

    def test_a_gradient_of_another_function_warns(self):
        """A mean in place of a sum trains n_samples times too slowly, and no number showed it."""
        line = Line()
        x, n = line.x, len(line.x)

        def gradient(w, p):
            return x.T @ (p * line.errors(w))

        def losses(w):
            return 0.5 * line.errors(w) ** 2

        start = np.ones(x.shape[1])
        for wrong in (lambda w, p: gradient(w, p) / n, lambda w, p: -gradient(w, p)):
            with pytest.warns(fp.ModelWarning, match="`weighted_grad` is not the gradient of `per_sample`"):
                fn.Network.from_functions(wrong, losses, params=start)
        with pytest.warns(fp.ModelWarning, match="`hvp` is not the Hessian of the mean loss"):
            fn.Network.from_functions(gradient, losses, lambda w, v: 2.0 * line.hessian @ v, params=start)
        with pytest.raises(ValueError, match="`weighted_grad` must be finite at the start"):
            fn.Network.from_functions(lambda w, p: np.nan * w, losses, params=start)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fn.Network.from_functions(gradient, losses, lambda w, v: line.hessian @ v, params=start)
            fn.Network.from_functions(  # single precision, and a kink at the start
                lambda w, p: p @ (x * (x @ w > 0.0)[:, None]),
                lambda w: np.maximum(x @ w, 0.0).astype(np.float32),
                params=np.zeros(x.shape[1]) + 1e-4,
            )

    def test_without_jax_one_sentence_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "jax", None)
        with pytest.raises(ImportError, match=r"fokkerplanck\[networks\]"):
            fn.parity()


@pytest.mark.skipif(len(KINDS) == 1, reason="needs jax")
class TestToys:
    @pytest.mark.parametrize(
        ("make", "parameters", "samples"),
        [(lambda: fn.parity(6, 2), 129, 64), (lambda: fn.modular(5), 517, 25), (fn.superposition, 18, 4096)],
    )
    def test_toys_train(self, make, parameters, samples):
        net = make()
        assert (net.n_parameters, net.n_samples) == (parameters, samples)
        runs = net.train([0, 200], 3, 0.05, 16, seed=1)
        assert (runs.loss[1] < runs.loss[0]).all()
        assert np.ptp(runs.loss[0]) > 0.0  # each run has its own start
        assert net.flat(net.unflatten(runs.final[0])) == pytest.approx(runs.final[0])

    def test_untrained_losses(self):
        # cross-entropy of equal scores is ln(classes), parity of a zero output 1/2
        assert fn.modular(7).loss(np.zeros(14 * 32 + 32 + 7 * 33)) == pytest.approx(np.log(7), rel=1e-6)
        assert fn.parity(4, 2).loss(np.zeros(97)) == pytest.approx(0.5, rel=1e-6)

    def test_superposition_at_zero_is_the_mean_square(self):
        net = fn.superposition(6, 2, density=0.3)
        assert net.loss(np.zeros(18)) == pytest.approx(6 * 0.3 / 3, rel=0.06)  # 4096 samples: 1.7 %

    def test_digits(self):
        pytest.importorskip("sklearn")
        net = fn.digits(16)
        assert (net.n_parameters, net.n_samples) == (1210, 1797)
        assert net.shapes == ((16, 64), (16,), (10, 16), (10,))
        assert net.loss(np.zeros(1210)) == pytest.approx(np.log(10), rel=1e-6)
        # with all weights zero only the last biases have a slope: softmax less the share of each digit
        counts = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
        gradient = net.gradient(np.zeros(1210))
        assert not gradient[:-10].any()
        assert gradient[-10:] == pytest.approx(0.1 - counts / 1797, abs=1e-6)

    def test_digits_ask_for_their_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "sklearn", None)
        monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
        with pytest.raises(ImportError, match="scikit-learn"):
            fn.digits()

    def test_classifier_refuses_labels_that_are_not_whole(self):
        with pytest.raises(ValueError, match="`labels` must be whole numbers"):
            fn.classifier(np.zeros((3, 2)), [0.5, 0.0, 1.0])

    def test_deep_linear_training_is_that_of_the_package(self):
        from fokkerplanck import deep_linear as dl

        x = np.random.default_rng(0).standard_normal((40, 4))
        deep = dl.DeepLinear((4, 6, 3), [2.0, 1.0], 0.02, 5, inputs=x)
        net = fn.linear(deep)
        start = dl.small_start(1.5).draw(deep, np.random.default_rng(1))
        theirs = dl.train(deep, start, [0, 100, 300], n_runs=1, generator="flow")
        ours = net.train([0, 100, 300], 1, 0.02, noise="flow", starts=deep.flatten(start))
        np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-9)
        np.testing.assert_allclose(ours.final[0], deep.flatten(theirs.final)[0], rtol=1e-9)


@pytest.mark.parametrize("how", [{}, {"noise": "langevin", "temperature": 0.01}])
def test_what_is_compiled_serves_every_learning_rate_and_temperature(how):
    pytest.importorskip("jax")
    runs = {}
    for together in (True, False):
        net = fn.parity(3, 2, hidden=2)
        for rate in (0.1, 0.3):
            net = net if together else fn.parity(3, 2, hidden=2)
            runs[together, rate] = net.train([0, 20], 3, rate, 2, **how).final
        assert len(net._trainers) == 1
    for rate in (0.1, 0.3):
        assert np.array_equal(runs[True, rate], runs[False, rate])
    assert not np.array_equal(runs[True, 0.1], runs[True, 0.3])
