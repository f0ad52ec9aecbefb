"""Elliptic stable noise of networks: its law, its scale, the same for numpy functions and JAX, and what is refused."""

import importlib.util
import math

import numpy as np
import pytest
from least_squares import Line

from fokkerplanck.networks.elliptic_noise import quartile_scale
from fokkerplanck.networks.function_training import step_weights
from fokkerplanck.networks.training import Rule

KINDS = ["network"] + ["jax_network"] * (importlib.util.find_spec("jax") is not None)


def test_characteristic_function_of_the_gradient():
    """x = s sqrt(R) N(0, v): E exp(ikx) = E exp(-R s^2 v k^2 / 2) = exp(-(s^2 v k^2 / 2)^(a/2))."""
    line, w, rng = Line(), np.array([1.0, -0.5, 0.3]), np.random.default_rng(0)
    rule = Rule("refined", 0.1, 4, 0, stability=1.5, scale=0.7)
    along = line.errors(w) * line.x[:, 0]
    noise = np.array([step_weights(rule, 12, rng) for _ in range(20_000)]) @ along - along.mean()
    for k in np.array([0.3, 1.0, 3.0]) / along.std():
        right = math.exp(-((0.49 * along.var() / 4 * k**2 / 2) ** 0.75))
        assert np.cos(k * noise).mean() == pytest.approx(right, abs=4 / math.sqrt(2 * 20_000))


@pytest.mark.parametrize("stability", [1.3, 1.8])
def test_its_quartiles_are_those_of_batches(stability):
    """Along the coordinates together, where the network starts; of batches large enough to be nearly normal."""
    line, rng = Line(n=200), np.random.default_rng(1)
    net, w = line.network(), np.zeros(3)
    rule = Rule("refined", 0.1, 20, 0, stability=stability, scale=quartile_scale(net, 20, stability))
    gradients = line.errors(w)[:, None] * line.x
    spans = []
    for drawn in (rule, Rule("sgd", 0.1, 20, 0)):
        weights = np.array([step_weights(drawn, 200, rng) for _ in range(8000)])
        spans.append(np.ptp(np.quantile(weights @ gradients, [0.25, 0.75], axis=0), axis=0).sum())
    assert spans[0] == pytest.approx(spans[1], rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
class TestTraining:
    def test_stability_two_is_gaussian(self, kind):
        net = getattr(Line(), kind)()
        plain = net.train([0, 20], 4, noise="refined", seed=1)
        assert np.array_equal(net.train([0, 20], 4, noise="refined", stability=2.0, seed=1).final, plain.final)
        assert not np.array_equal(net.train([0, 20], 4, noise="refined", stability=1.9, seed=1).final, plain.final)

    def test_its_tails_are_stable(self, kind):
        """One step from the minimum, where the gradient vanishes: P(|x| > r) falls as r^-1.5, so by 2^1.5 on doubling r."""
        line = Line()
        net = getattr(line, kind)(line.minimum)
        away = net.train([0, 1], 20_000, 1.0, 4, noise="refined", stability=1.5, seed=3).final - line.minimum
        far = np.abs(away[:, 0]) / np.quantile(np.abs(away[:, 0]), 0.5)
        counts = [(far > r).sum() for r in (6.0, 12.0)]
        assert counts[0] / counts[1] == pytest.approx(2**1.5, abs=3 * counts[0] / counts[1] / math.sqrt(counts[1]))
        assert np.abs(away).max() > 30 * np.abs(away).mean()

    def test_kept_runs_go_on_to_the_same_bits(self, kind, tmp_path, monkeypatch):
        from fokkerplanck.networks import training

        def ask(runs, folder=None, seed=2):
            net = getattr(Line(), kind)()
            options = {"noise": "refined", "stability": 1.6, "seed": seed, "keep": 3, "resume": folder}
            return net.train([0, 5, 9], runs, 0.1, 3, observe={"size": lambda net, theta: theta @ theta}, **options)

        whole, made = ask(20), training._block_of_runs

        def interrupted(*args):
            if args[4][0] == 16:
                raise KeyboardInterrupt
            return made(*args)

        monkeypatch.setattr(training, "_block_of_runs", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(20, tmp_path)
        assert len(list(tmp_path.iterdir())) == 1
        monkeypatch.setattr(training, "_block_of_runs", made)
        found = ask(20, tmp_path)
        monkeypatch.setattr(training, "_block_of_runs", interrupted)
        again = ask(20, tmp_path)
        for runs in (found, again):
            for name in ("loss", "gradient_norm", "final", "kept"):
                assert np.array_equal(getattr(runs, name), getattr(whole, name))
            assert np.array_equal(runs.observed["size"], whole.observed["size"])
        with pytest.raises(KeyboardInterrupt):
            ask(20, tmp_path, seed=3)  # another seed is trained anew

    def test_optimizers_take_it(self, kind):
        optax = pytest.importorskip("optax")
        net = getattr(Line(), kind)()
        for noise, options in (("refined", {"stability": 1.5}), ("refined", {}), ("sgd", {}), ("subset", {})):
            runs = net.train([0, 30], 3, 0.05, 3, noise=noise, optimizer=optax.adam(0.05), **options)
            assert runs.loss[-1].mean() < runs.loss[0].mean()
            assert np.abs(runs.final).max() < 30 * 0.1, "a step of Adam is bounded, whatever the noise"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stability": 1.0}, r"`stability` must be in \(1, 2\]"),
        ({"stability": 1.5, "noise": "sgd"}, '`stability` must be None unless noise="refined"'),
        ({"resume": 3}, "`resume`"),
        ({"resume": __file__}, "`resume` must be a folder"),
    ],
)
def test_refusals(options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        Line().network().train([0, 5], 2, **({"noise": "refined"} | options))


def test_batches_that_are_mostly_alike_have_no_stable_law():
    line = Line(n=100)
    line.x[1:], line.y[1:] = 0.0, 0.0  # 99 of 100 samples have no gradient
    with pytest.raises(ValueError, match="`batch_size` must be large enough for its noise to have distinct quartiles"):
        line.network().train([0, 1], 2, 0.1, 2, noise="refined", stability=1.5)
