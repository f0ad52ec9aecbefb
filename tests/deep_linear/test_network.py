"""Deep linear networks: gradients, Hessians, starts, and the law of the gradient noise, each against a second way."""

import math

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck import deep_linear as dl
from fokkerplanck.deep_linear.batch_noise import layer_metric, sample_moments
from fokkerplanck.deep_linear.hessian import frobenius_norm
from fokkerplanck.deep_linear.training import quartile_scale
from fokkerplanck.statistics.stable_law import stable_quartiles

RNG = np.random.default_rng(5)
ROWS = RNG.standard_normal((40, 3)) @ np.array([[1.0, 0.4, 0.0], [0.0, 0.8, 0.3], [0.0, 0.0, 1.5]])
LAWS = {"gaussian": "gaussian", "student": ("student", 12.0), "given": ROWS}


def small(inputs="gaussian", widths=(3, 5, 4, 2), **options):
    settings = {"teacher": [[1.0, 0.3, -0.2], [0.4, -0.7, 0.5]], "learning_rate": 0.05, "batch_size": 4}
    return dl.DeepLinear(widths, **(settings | options), inputs=inputs)


def weights_of(net, seed=1):
    return net.unflatten(0.6 * np.random.default_rng(seed).standard_normal(net.n_parameters))


class TestClosedForms:
    @pytest.mark.parametrize("law", LAWS)
    @pytest.mark.parametrize("widths", [(3, 2), (3, 5, 2), (3, 5, 4, 2), (3, 2, 4, 4, 2)])
    def test_gradient_against_finite_differences(self, law, widths):
        net = small(LAWS[law], widths)
        theta = net.flatten(weights_of(net))
        step = 1e-5 * np.eye(theta.size)
        difference = (net.loss(net.unflatten(theta + step)) - net.loss(net.unflatten(theta - step))) / 2e-5
        np.testing.assert_allclose(net.flatten(net.gradient(net.unflatten(theta))), difference, atol=1e-8)

    @pytest.mark.parametrize("law", LAWS)
    @pytest.mark.parametrize("widths", [(3, 2), (3, 5, 2), (3, 5, 4, 2), (3, 2, 4, 4, 2)])
    def test_hessian_product_against_finite_differences_of_the_gradient(self, law, widths):
        net = small(LAWS[law], widths)
        theta = net.flatten(weights_of(net))
        v = np.random.default_rng(2).standard_normal(theta.size)
        up, down = (net.flatten(net.gradient(net.unflatten(theta + h * v))) for h in (1e-5, -1e-5))
        product = net.flatten(net.hessian_product(net.unflatten(theta), net.unflatten(v)))
        np.testing.assert_allclose(product, (up - down) / 2e-5, atol=1e-7)

    def test_depth_one_is_linear_regression(self):
        # by hand: M = (W - W*) S, Hessian 1 (x) S, W after n steps of gradient descent W* + (W - W*)(1 - eta S)^n
        net = small(ROWS, (3, 2), learning_rate=0.1)
        start = [np.zeros((2, 3))]
        s = ROWS.T @ ROWS / 40
        np.testing.assert_allclose(net.gradient(start)[0], -net.target @ s, atol=1e-14)
        np.testing.assert_allclose(dl.dense_hessian(net, start), np.kron(np.eye(2), s), atol=1e-14)
        run = dl.train(net, start, [0, 50], n_runs=1, generator="flow")
        decay = np.linalg.matrix_power(np.eye(3) - 0.1 * s, 50)
        np.testing.assert_allclose(run.end_to_end[1, 0], net.target - net.target @ decay, atol=1e-13)
        assert run.gradient_norm[0, 0] == pytest.approx(np.linalg.norm(net.target @ s), rel=1e-12)

    def test_loss_is_that_of_the_samples_less_the_labels_own(self):
        net = small(ROWS, label_noise=0.3)
        weights = weights_of(net)
        labels = ROWS @ net.target.T + 0.3 * np.random.default_rng(3).standard_normal((2000, 40, 2))
        half_squares = 0.5 * ((labels - ROWS @ net.end_to_end(weights).T) ** 2).sum(axis=2).mean(axis=1)
        error = half_squares.std() / math.sqrt(2000)
        assert half_squares.mean() - 2 * 0.3**2 / 2 == pytest.approx(float(net.loss(weights)), abs=4 * error)

    def test_runs_may_come_first(self):
        net = small()
        theta = np.random.default_rng(0).standard_normal((6, net.n_parameters))
        together = net.gradient(net.unflatten(theta))
        for k in range(6):
            for a, b in zip(together, net.gradient(net.unflatten(theta[k])), strict=True):
                np.testing.assert_allclose(a[k], b, atol=1e-13)

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"widths": (3,)}, "widths"),
            ({"teacher": [1.0, 2.0, 3.0]}, "teacher"),
            ({"learning_rate": 0.0}, "learning_rate"),
            ({"batch_size": 0}, "batch_size"),
            ({"batch_size": 2.5}, "batch_size"),
            ({"label_noise": -1.0}, "label_noise"),
            ({"inputs": "normal"}, "inputs"),
            ({"inputs": ("student", 2.0)}, "inputs"),
            ({"inputs": np.ones((4, 2))}, "inputs"),
        ],
    )
    def test_bad_input_is_named(self, change, name):
        with pytest.raises((ValueError, TypeError), match=f"`{name}` must be"):
            small(**change)


class TestHessian:
    def test_lanczos_against_all_eigenvalues(self, monkeypatch):
        net = small(widths=(3, 7, 6, 2))
        weights = weights_of(net)
        exact = np.linalg.eigvalsh(dl.dense_hessian(net, weights))
        monkeypatch.setattr("fokkerplanck.deep_linear.hessian.DENSE", 0)
        values, vectors = dl.extreme_eigenpairs(net, weights, 4)
        np.testing.assert_allclose(values, np.concatenate([exact[:4], exact[-4:]]), atol=1e-6 * exact[-1])
        product = dl.hessian_operator(net, weights) @ vectors[:, 0]
        np.testing.assert_allclose(product, values[0] * vectors[:, 0], atol=1e-4 * exact[-1])
        index = dl.saddle_index(net, weights)
        assert (index.negative, index.complete) == (int((exact < -index.floor).sum()), True)
        assert frobenius_norm(net, weights, block=50) == pytest.approx(math.sqrt((exact**2).sum()), rel=1e-12)

    def test_index_of_the_saddles_of_a_network_of_two_layers(self):
        # by hand: at W = 0 of depth 2 the Hessian couples row i of W_1 and column i of W_2 by -W*: eigenvalues +- s*_k for each
        # of the h hidden units; with r modes learned a unit direction in h - r is left: (2 - r)(h - r) + pairs of a learned
        # mode j and an unlearned k, s_j - s*_k > 0 where the larger is learned and so not counted.
        net = dl.DeepLinear((3, 5, 2), [2.0, 1.0], 0.01, 1)
        origin = [np.zeros((5, 3)), np.zeros((2, 5))]
        values = np.linalg.eigvalsh(dl.dense_hessian(net, origin))
        np.testing.assert_allclose(values[:10], [-2.0] * 5 + [-1.0] * 5, atol=1e-12)
        assert dl.saddle_index(net, origin).negative == 10
        one = dl.AlignedStart([2.0]).draw(net, np.random.default_rng(0))
        assert np.linalg.norm(net.flatten(net.gradient(one))) < 1e-14
        assert dl.saddle_index(net, one).negative == 4
        wrong = dl.AlignedStart([0.0, 1.0]).draw(net, np.random.default_rng(0))
        assert (
            dl.saddle_index(net, wrong).negative == 4 + 1
        )  # and the direction that turns the weaker mode into the stronger

    def test_index_that_is_cut_off_says_so(self):
        net = dl.DeepLinear((10, 40, 10), np.ones(10), 0.01, 1)
        cut = dl.saddle_index(net, [np.zeros((40, 10)), np.zeros((10, 40))], at_most=16)
        assert (cut.negative, cut.complete) == (16, False)
        # by hand: 10 modes for each of 40 hidden units
        assert dl.saddle_index(net, [np.zeros((40, 10)), np.zeros((10, 40))])[::2] == (400, True)

    def test_no_curvature_at_the_origin_of_three_layers(self):
        net = dl.DeepLinear((10, 20, 20, 10), [2.0, 1.0], 0.01, 1)
        zero = [np.zeros((n, m)) for n, m in ((20, 10), (20, 20), (10, 20))]
        assert dl.extreme_eigenpairs(net, zero, 2).values.tolist() == [0.0] * 4
        assert dl.saddle_index(net, zero).negative == 0


class TestStarts:
    def test_variance_of_random_weights(self):
        net = dl.DeepLinear((50, 200, 150, 40), [1.0], 0.01, 1)
        for start, gamma in ((dl.small_start(1.5), 1.5), (dl.large_start(), 2 / 3), (dl.large_start(0.5), 0.5)):
            theta = net.flatten(start.draw(net, np.random.default_rng(0)))
            # 46 000 weights: standard error of the variance 0.7 %
            assert theta.var() == pytest.approx(200**-gamma, rel=0.03)

    def test_aligned_weights_are_balanced_and_share_the_teachers_vectors(self):
        teacher = np.random.default_rng(1).standard_normal((4, 6))
        net = dl.DeepLinear((6, 9, 8, 4), teacher, 0.01, 1)
        weights = dl.AlignedStart([0.5, 0.2]).draw(net, np.random.default_rng(0))
        u, _, vt = np.linalg.svd(teacher)
        expected = 0.5 * np.outer(u[:, 0], vt[0]) + 0.2 * np.outer(u[:, 1], vt[1])
        np.testing.assert_allclose(net.end_to_end(weights), expected, atol=1e-13)
        assert max(np.abs(b).max() for b in net.balance(weights)) < 1e-13
        every = dl.AlignedStart(0.1).draw(net, np.random.default_rng(0))
        np.testing.assert_allclose(np.linalg.svd(net.end_to_end(every))[1], [0.1] * 4, atol=1e-13)

    def test_starts_are_refused_where_they_do_not_fit(self):
        with pytest.raises(ValueError, match="`gamma` must be"):
            dl.small_start(0.9)
        with pytest.raises(ValueError, match="`gamma` must be"):
            dl.large_start(1.0)
        with pytest.raises(ValueError, match="`modes` must be"):
            dl.AlignedStart([1.0, -1.0]).draw(small(), np.random.default_rng(0))
        with pytest.raises(ValueError, match="`start` must be"):
            dl.train(small(), [np.zeros((2, 3))], [0, 1], n_runs=1)


def one_step(net, weights, generator, n_runs, **options):
    """Noise of the gradient in one step from the same weights, (n_runs, n_parameters)."""
    run = dl.train(net, weights, [0, 1], n_runs=n_runs, generator=generator, seed=3, **options)
    step = (net.flatten(run.final) - net.flatten(weights)) / -net.learning_rate
    return step - net.flatten(net.gradient(weights))


def exact_covariance(net, weights):
    """J C J^T / B with J the push of unit moments, built column by column."""
    units = np.eye(net.target.size).reshape(-1, *net.target.shape)
    push = net.flatten(net.push(weights, units))
    return push.T @ dl.moment_covariance(net, net.end_to_end(weights)) @ push / net.batch_size


class TestNoise:
    """10 000 steps: an entry of a covariance has a standard error of 1.4 % of the product of its standard deviations

    (about 3 % for Student inputs, whose gradients have heavy tails); the allowance is six of them, for 43^2 entries.
    """

    @pytest.mark.parametrize("law", LAWS)
    @pytest.mark.parametrize("generator", ["sgd", "refined"])
    def test_covariance_of_the_batch_gradient(self, law, generator):
        net = small(LAWS[law], label_noise=0.5)
        weights = weights_of(net)
        noise = one_step(net, weights, generator, 10_000)
        exact = exact_covariance(net, weights)
        scale = np.sqrt(np.diagonal(exact))
        error = (noise.T @ noise / len(noise) - exact) / np.outer(scale, scale)
        assert np.abs(error).max() < (0.18 if law == "student" and generator == "sgd" else 0.085)
        assert np.abs(noise.mean(axis=0) / scale).max() < 6 / math.sqrt(10_000)
        assert np.trace(noise.T @ noise) / len(noise) == pytest.approx(np.trace(exact), rel=0.03)

    @pytest.mark.parametrize("law", LAWS)
    def test_langevin_has_the_same_trace_in_every_direction(self, law):
        net = small(LAWS[law], label_noise=0.5)
        weights = weights_of(net)
        noise = one_step(net, weights, "langevin", 10_000)
        exact = exact_covariance(net, weights)
        assert dl.noise_trace(net, weights) / net.batch_size == pytest.approx(np.trace(exact), rel=1e-12)
        covariance = noise.T @ noise / len(noise) / (np.trace(exact) / net.n_parameters)
        assert np.abs(covariance - np.eye(net.n_parameters)).max() < 0.085
        assert np.trace(covariance) / net.n_parameters == pytest.approx(1.0, abs=0.005)

    @pytest.mark.parametrize("law", LAWS)
    def test_moments_drawn_for_diagnosis_have_the_same_covariance(self, law):
        net = small(LAWS[law], label_noise=0.5)
        end_to_end = net.end_to_end(weights_of(net))
        moments = sample_moments(net, end_to_end, 20_000, np.random.default_rng(0)).reshape(20_000, -1)
        exact = dl.moment_covariance(net, end_to_end) / net.batch_size
        scale = np.sqrt(np.diagonal(exact))
        assert np.abs((np.cov(moments.T) - exact) / np.outer(scale, scale)).max() < 0.12

    @pytest.mark.parametrize("stability", [1.3, 1.8])
    def test_elliptic_stable_noise(self, stability):
        # along any direction: symmetric stable, with the interquartile range of the batch noise (of large batches: of the
        # Gaussian); 10 000 steps give quartiles to 1.7 %, the stability to 0.02
        net = small(batch_size=500, label_noise=0.5)
        weights = weights_of(net)
        noise = one_step(net, weights, "refined", 10_000, stability=stability)
        scale = np.sqrt(np.diagonal(exact_covariance(net, weights)))
        ranges = np.subtract(*np.quantile(noise, [0.75, 0.25], axis=0))
        assert (ranges / (1.349 * scale)).mean() == pytest.approx(1.0, abs=0.05)
        fit = fp.stable_fit(noise[:, 7])
        assert fit.stability == pytest.approx(stability, abs=0.08)

    def test_small_batches_are_matched_by_their_quartiles(self):
        net = small(batch_size=1)
        zero = [np.zeros((n, m)) for n, m in ((5, 3), (4, 5), (2, 4))]
        moments = sample_moments(net, np.zeros((2, 3)), 20_000, np.random.default_rng(1)).reshape(-1, 6)
        batch = np.subtract(*np.quantile(moments, [0.75, 0.25], axis=0)).sum()
        gauss = 1.349 * np.sqrt(np.diagonal(dl.moment_covariance(net, net.end_to_end(zero)))).sum()
        assert batch / gauss < 0.8  # products of normal numbers are more peaked than a normal number
        share = quartile_scale(net, 1.5) * stable_quartiles(1.5) / (1.349 * math.sqrt(2))
        assert share == pytest.approx(batch / gauss, rel=0.05)

    def test_quartiles_of_stable_laws(self):
        from scipy.stats import levy_stable

        assert stable_quartiles(1.0) == pytest.approx(2.0, rel=1e-8)  # Cauchy
        assert stable_quartiles(2.0) == pytest.approx(1.3489795 * math.sqrt(2.0), rel=1e-7)
        assert stable_quartiles(1.5) == pytest.approx(2 * levy_stable.ppf(0.75, 1.5, 0.0), rel=1e-4)

    def test_no_covariance_without_fourth_moments(self):
        net = small(("student", 3.5))
        with pytest.raises(ValueError, match="fourth moments"):
            dl.train(net, weights_of(net), [0, 1], n_runs=1, generator="refined")
        assert np.isfinite(dl.train(net, weights_of(net), [0, 5], n_runs=1).loss).all()


class TestGradientNoise:
    @pytest.mark.parametrize("law", LAWS)
    def test_spectrum_and_alignment_against_full_matrices(self, law):
        net = small(LAWS[law], label_noise=0.5)
        weights = weights_of(net)
        covariance, hessian = exact_covariance(net, weights), dl.dense_hessian(net, weights)
        noise = dl.gradient_noise(net, weights)
        assert noise.spectrum.size == 6
        np.testing.assert_allclose(noise.spectrum[::-1], np.linalg.eigvalsh(covariance)[-6:], rtol=1e-9)
        np.testing.assert_allclose(noise.directions.T @ noise.directions, np.eye(6), atol=1e-9)
        assert noise.trace * noise.mean_curvature == pytest.approx(np.trace(hessian @ covariance), rel=1e-10)
        cosine = np.trace(hessian @ covariance) / np.linalg.norm(hessian) / np.linalg.norm(covariance)
        assert noise.cosine == pytest.approx(cosine, rel=1e-9)
        vectors = np.linalg.eigh(hessian)[1]
        top = vectors[:, -1] @ covariance @ vectors[:, -1] / np.trace(covariance)
        assert noise.hessian_share[-1] == pytest.approx(top, rel=1e-8)
        assert noise.hessian_share.sum() == pytest.approx(1.0, rel=1e-9)  # all directions of a small network
        assert noise.effective_dimension == pytest.approx(
            np.trace(covariance) ** 2 / np.trace(covariance @ covariance), rel=1e-9
        )

    def test_noise_without_labels_noise_vanishes_at_the_minimum(self):
        net = small()
        at_teacher = dl.AlignedStart(np.linalg.svd(net.target)[1]).draw(net, np.random.default_rng(0))
        assert dl.noise_trace(net, at_teacher) < 1e-25

    def test_metric_gives_the_norm_of_the_gradient(self):
        net = small()
        weights = weights_of(net)
        moment = np.random.default_rng(4).standard_normal((2, 3))
        square = moment.ravel() @ layer_metric(net, weights) @ moment.ravel()
        assert square == pytest.approx((net.flatten(net.push(weights, moment)) ** 2).sum(), rel=1e-12)

    def test_tail_of_student_inputs(self):
        # x x^T of nu = 3 has the tail index 3/2, which Hill's plateau reads as 1.34(4) at 40 000 samples and as 1.41(2) at
        # 400 000: the tail of a Student law sets in slowly (1.43 for z^2 of 400 000 Student numbers themselves)
        net = small(("student", 3.0), batch_size=1)
        tail = dl.noise_tail(net, weights_of(net), n=40_000, resamples=50)
        assert tail.value == pytest.approx(1.4, abs=0.15)
        assert tail.interval[0] < tail.value < tail.interval[1]
        assert 0.02 < tail.interval[1] - tail.interval[0] < 0.5
        light = dl.noise_tail(small(batch_size=16), weights_of(net), n=20_000, resamples=20)
        assert light.interval[0] > 3.0


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda net: dl.DeepLinear("a", [1], 0.1, 1), "widths"),
        (lambda net: dl.DeepLinear((3, 3), "x", 0.1, 1), "teacher"),
        (lambda net: dl.DeepLinear((3, 3), [[1], [2, 3]], 0.1, 1), "teacher"),
        (lambda net: dl.DeepLinear((3, 3), [1], 0.1, 1.5), "batch_size"),
        (lambda net: dl.DeepLinear((3, 3), [1], 0.1, 1, label_noise="a"), "label_noise"),
        (lambda net: dl.DeepLinear((3, 3), [1], 0.1, 1, inputs=[[1], [2, 3]]), "inputs"),
        (lambda net: dl.train(net, None, [0, 1]), "start"),
        (lambda net: dl.train(net, dl.small_start(), [0, 1], generator=3), "generator"),
        (lambda net: dl.train(net, dl.small_start(), [0, 1], generator="refined", stability="a"), "stability"),
        (lambda net: dl.train(net, dl.small_start(), [0, 1], workers="a"), "workers"),
        (lambda net: dl.small_start("a"), "gamma"),
        (lambda net: dl.plateaus(3), "training"),
        (lambda net: dl.stable_rank("a"), "end_to_end"),
    ],
)
def test_bad_values_are_refused_by_name(ask, name):
    net = dl.DeepLinear((3, 3, 3), [1], 0.1, 1)
    with pytest.raises((ValueError, TypeError), match=f"^`{name}` must be "):
        ask(net)


def test_networks_and_trainings_beyond_memory_are_refused_before_the_work(monkeypatch):
    from fokkerplanck import arguments

    monkeypatch.setattr(arguments, "free_memory", lambda: 1e9)
    sentence = r"must be small enough for the 1\.0 GB of free memory, got about .* GB needed"
    with pytest.raises(ValueError, match="`widths` " + sentence):
        dl.DeepLinear((100_000, 100_000), [1.0], 0.01, 1)
    net = dl.DeepLinear((4, 5, 4), [1.0], 0.01, 1)
    with pytest.raises(ValueError, match="`n_runs` " + sentence):
        dl.train(net, dl.small_start(), [0, 10], n_runs=10**7)
