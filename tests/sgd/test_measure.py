"""What SGD says of its own noise. Fixed seeds; an interval of 95 % misses by chance once in twenty: tests allow twice that."""

import contextlib

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.sgd.measure import whitened_noise
from fokkerplanck.simulation.stable_variates import symmetric_stable
from fokkerplanck.statistics.stable_law import NORMAL_QUARTILES

RNG = np.random.default_rng


def noise_data(draw, n=20_000, seed=3):
    return {"x": draw(RNG(seed), n)}


def normal(rng, n):
    return rng.normal(size=n)


def heavy(rng, n):
    return symmetric_stable(rng, 1.5, n)


def test_heteroscedastic_gaussian_noise_is_not_heavy_tailed():
    """Noise (.1 + 12 cos 6w) x is 100 times stronger at some places: steps together look heavy-tailed, whitened do not."""
    loss = fp.SampleLoss("w**2/2 + (w/10 + 2*sin(6*w))*x", ["w"], noise_data(normal, 2000))
    sgd = fp.SGD(loss, 0.02)
    found = sgd.measure(fp.uniform(-1.0, 1.0), 400, 60, seed=1)
    paths = sgd.simulate(fp.uniform(-1.0, 1.0), range(401), 60, seed=1).positions
    assert fp.tail_test(np.diff(paths[:, :, 0], axis=0).ravel()).verdict != "gaussian"
    assert found.tail.verdict == "gaussian"
    assert found.stability == (2.0, 2.0, 2.0)
    assert found.scale.value == pytest.approx(1.0, abs=0.04)
    assert "stability" not in found.refinements
    assert found.sentences[0].startswith("Noise: no heavier than Gaussian")


def test_heavy_tailed_data_are_heavy_tailed():
    """The same noise with stable samples: the index is theirs, though their covariance is finite in any sample."""
    loss = fp.SampleLoss("w**2/2 + x*w", ["w"], noise_data(heavy))
    found = fp.SGD(loss, 0.05).measure(0.0, 200, 40, seed=2)
    assert found.tail.verdict == "stable"
    wide = found.stability.high - found.stability.low
    assert abs(found.stability.value - 1.5) < wide < 0.2
    assert found.refinements["stability"] == found.stability.value
    assert found.refinements["anisotropic"] is True
    assert 0.0 < found.scale.low < found.scale.value < found.scale.high < 0.5  # quartiles beside a large deviation


@pytest.mark.parametrize(
    ("kwargs", "d"), [({}, 1), ({"momentum": 0.7}, 1), ({"langevin_temperature": 0.1}, 1), ({"batch_size": 3}, 2)]
)
def test_whitened_noise_has_unit_covariance(kwargs, d):
    """By the definition of C, with momentum and added noise too."""
    formula, names = (
        ("w**2/2 + (w + cos(w))*x", ["w"]) if d == 1 else ("(w**2 + v**2)/2 + w*x + w*v*x + v*y", ["w", "v"])
    )
    data = noise_data(normal, 500) | ({"y": RNG(8).normal(size=500)} if d == 2 else {})
    sgd = fp.SGD(fp.SampleLoss(formula, names, data), 0.05, **kwargs)
    z = whitened_noise(sgd, sgd.simulate([0.3] * d, range(301), 50, seed=2).positions)
    assert z.shape == (15_000, d)
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(d), atol=0.06)  # 4 standard errors sqrt(2 / 15000)


def test_noise_of_rank_one_is_whitened_along_its_direction():
    """Of the scalar net (a b x - y)^2 / 2 every gradient is a multiple of (b, a)."""
    x = RNG(4).normal(size=300)
    loss = fp.SampleLoss("(a*b*x - y)**2/2", ["a", "b"], {"x": x, "y": x + 0.5 * RNG(5).normal(size=300)})
    sgd = fp.SGD(loss, 0.02, 4)
    z = whitened_noise(sgd, sgd.simulate([1.0, 1.0], range(301), 30, seed=2).positions)
    assert z.shape[1] == 1
    assert (z**2).mean() == pytest.approx(1.0, abs=0.1)


def test_a_confined_trajectory_does_not_wait():
    """It comes back over and over, and its mean square stops growing; it never stays."""
    found = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], noise_data(normal, 100)), 0.2).measure(0.0, 500, 20, seed=1)
    assert found.time_order == (1.0, 1.0, 1.0)
    assert "time_order" not in found.refinements
    assert found.edge == pytest.approx((0.2, 0.2, 0.2))
    assert found.edge_distance == pytest.approx((1.8, 1.8, 1.8))
    assert found.refinements == {"drift": "second-order"}


def test_stays_of_a_geometric_law_are_no_waiting_either():
    """Nine batches in ten have no gradient: stays of ten steps and more, which fall exponentially."""
    loss = fp.SampleLoss("k*(w - x)**2/2", ["w"], {"k": [0.0] * 18 + [1.0, 1.0], "x": [0.0] * 18 + [-1.0, 1.0]})
    found = fp.SGD(loss, 0.1).measure(0.0, 2000, 8, seed=1)
    assert found.time_order.high == 1.0
    assert 0.9 < found.time_order.low < 1.0  # told from many stays, not from none
    assert "time_order" not in found.refinements


def test_two_samples_are_no_heavier_than_gaussian_and_the_edge_is_told():
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 1.5)
    found = sgd.measure(0.0, 400, 8, seed=1)
    assert found.tail.verdict == "gaussian"
    assert found.edge.value == pytest.approx(1.5)
    assert found.refinements == {"drift": "second-order", "central_flow": True}
    assert sgd.equation("refined", **found.refinements).settings["model"] == "refined"
    assert repr(found).startswith("Measurement of SGD:\n  Noise: no heavier than Gaussian")


def elliptic_data(stability, n=20_000, seed=50):
    """A heavy-tailed length times a turned normal law: E exp(ik.x) = exp(-|L^T k|^a)."""
    rng = RNG(seed)
    angle, e, half = rng.uniform(0.0, np.pi, n), rng.exponential(size=n), 0.5 * stability
    length = np.sin(half * angle) / np.sin(angle) ** (1 / half) * (np.sin((1 - half) * angle) / e) ** (1 / half - 1)
    x, y = (np.sqrt(2.0 * length)[:, None] * rng.normal(size=(n, 2)) @ np.array([[1.0, 0.8], [0.0, 0.3]])).T
    return {"x": x, "y": y}


PLANE = "(w**2 + v**2)/2 + w*x + v*y"


@pytest.mark.parametrize(
    ("stability", "settings"),
    [
        (1.2, {}),
        (1.5, {"batch_size": 4}),
        (1.5, {"momentum": 0.5}),
        (1.5, {"langevin_temperature": 0.02}),
        (1.8, {"shuffle": True, "batch_size": 3}),
    ],
)
def test_elliptic_stable_batch_noise(stability, settings):
    """Of 20 data sets for each setting the index was covered in 17 to 19; the scale is that of the samples themselves."""
    data = elliptic_data(stability)
    sgd = fp.SGD(fp.SampleLoss(PLANE, ["w", "v"], data), 0.05, **settings)
    found = sgd.measure([0.0, 0.0], 400, 40, seed=4)
    wide = found.stability.high - found.stability.low
    assert abs(found.stability.value - stability) < wide < 0.12
    if sgd.batch_size == 1:
        rows = np.column_stack([data["x"], data["y"]])
        axes = np.linalg.eigh(np.cov(rows.T, bias=True))
        low, high = np.quantile(rows @ axes[1] / np.sqrt(axes[0]), [0.25, 0.75], axis=0)
        share = (high - low).mean() / NORMAL_QUARTILES
        assert abs(found.scale.value - share) < found.scale.high - found.scale.low
    if sgd.momentum:
        assert found.refinements == {}
        assert "Momentum: no refinement" in found.sentences[-1]
        return
    about = pytest.warns(fp.ModelWarning, match="independent batches") if sgd.shuffle else contextlib.nullcontext()
    with about:
        eq = sgd.equation("refined", **found.refinements)
    assert eq.jumps.stability == found.stability.value


def test_gaussian_noise_is_none_of_jumps_whatever_the_setting():
    """Of 120 Gaussian data sets none is called stable; one was, by an index of 1.98 in a step and 2.000 in sums of 30."""
    assert fp.tail_test(RNG(69).normal(size=(16_000, 2))).verdict == "gaussian"
    loss = fp.SampleLoss("w**2/2 + x*w", ["w"], noise_data(normal, 1000))
    for settings in ({"batch_size": 300, "shuffle": True}, {"batch_size": 7}, {"momentum": 0.9}):
        found = fp.SGD(loss, 0.05, **settings).measure(0.0, 300, 20, seed=3)
        assert found.tail.verdict == "gaussian"
        assert found.scale.value == pytest.approx(1.0, abs=0.06)
        assert found.refinements == {}


def test_noise_in_one_step_of_ten_is_no_jump_process():
    """Sums of as many steps as a thousand samples allow hold no noise in most cases, and do not tell a law."""
    data = {"k": np.repeat([1.0, 0.0], [100, 900]), "x": RNG(1).normal(size=1000)}
    found = fp.SGD(fp.SampleLoss("w**2/2 + k*x*w", ["w"], data), 0.05).measure(0.0, 400, 40, seed=1)
    assert found.tail is None
    assert found.refinements == {}
    assert "in too few steps" in found.sentences[0]


def trapping(order, n=1000):
    """Places that let go of a step with the probability v^(1/order), v uniform: stays of P(T > t) = order B(order, t + 1)."""
    rng = RNG(2)
    data = {"u": (rng.permutation(n) + 0.5) / n, "x": rng.normal(size=n)}

    def gradient(theta, sample):
        letting_go = np.mod(1000.0 * theta[0], 1.0) ** (1.0 / order)
        return np.where(sample["u"] < np.maximum(letting_go, 4.0 / n), sample["x"], 0.0)[None]

    return fp.SGD(fp.SampleLoss.from_gradient(gradient, data, ["w"]), 0.1)


def test_sgd_that_waits():
    """Its moves are Gaussian; whitened with the stays among them they would be stable, or of no law."""
    sgd = trapping(0.6)
    found = sgd.measure(fp.uniform(-1.0, 1.0), 2500, 8, seed=1)
    assert abs(found.time_order.value - 0.6) < found.time_order.high - found.time_order.low < 0.3
    assert found.refinements == {"time_order": found.time_order.value}
    assert found.sentences[0].startswith("Noise of the steps that move: no heavier than Gaussian")
    paths = sgd.simulate(fp.uniform(-1.0, 1.0), range(2501), 8, seed=1).positions
    moves = whitened_noise(sgd, paths, moves_only=True)
    assert (moves**2).mean() == pytest.approx(1.0, abs=0.25)
    assert fp.tail_test(whitened_noise(sgd, paths), [1, 3]).verdict != "gaussian"
    assert sgd.equation("subdiffusive", **found.refinements).time_order == found.time_order.value


def test_the_edge_is_the_mean_curvature_of_the_stationary_state():
    sgd = fp.SGD(fp.SampleLoss("w**4/4 + w**2/2 + x*w", ["w"], {"x": [-3.0, -1.0, 1.0, 3.0]}), 0.1)
    found = sgd.measure(fp.uniform(-1.0, 1.0), 800, 60, seed=3)
    still = sgd.transfer_operator(fp.Grid((-3, 3), 600)).stationary()
    w = still.grid.centers[0]
    mean = 0.1 * float((1.0 + 3.0 * w**2) @ still.masses / still.masses.sum())
    assert abs(found.edge.value - mean) < found.edge.high - found.edge.low < 0.05
    assert mean > 0.15  # of .1 at the minimum itself
    assert found.refinements["drift"] == "second-order"


def test_without_noise_nothing_is_said_of_jumps():
    found = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.05, None).measure(1.0, 150, 2, seed=1)
    assert found.tail is None
    assert np.isnan(found.stability).all()
    assert found.refinements == {}
    assert found.sentences[0].startswith("Noise: none")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"steps": 1}, "`steps` must be"),
        ({"n_paths": 1}, "`n_paths` must be"),
        ({"steps": 20, "n_paths": 2}, "`steps` must be such that steps times n_paths is 200 at least, got 20"),
    ],
)
def test_bad_measurements_are_refused(change, text):
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}))
    with pytest.raises(ValueError, match=text):
        sgd.measure(0.0, **change)


def test_a_schedule_is_measured_at_one_rate():
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1, schedule="1/(1 + t)")
    with pytest.raises(ValueError, match=r"`schedule` must be None for a measurement.*sgd\.at\(step\)"):
        sgd.measure(0.0)
    assert sgd.at(1).measure(0.0, 200, 2, seed=1).edge.value == pytest.approx(0.05)


def test_the_noise_of_runs_that_diverge_is_that_of_their_first_steps():
    """Where the runs are far out, the noise is the rounding of a difference: its index was .73."""
    x = np.random.default_rng(0).normal(size=400)
    found = fp.SGD(fp.SampleLoss("w**2/2 + x*w", ["w"], {"x": x}), 2.1, batch_size=1).measure(0.0)
    assert found.stability.high == 2.0
    assert found.scale.value == pytest.approx(1.0, abs=0.1)
    assert "no diffusion stands for this" in found.sentences[2]
