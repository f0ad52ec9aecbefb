"""Training of deep linear networks: same seed, same bits; what gradient flow conserves; and plateaus known beforehand."""

import numpy as np
import pytest

from fokkerplanck import deep_linear as dl

GENERATORS = [("flow", None), ("sgd", None), ("langevin", None), ("refined", None), ("refined", 1.7)]


def network(**options):
    settings = {"widths": (6, 20, 20, 5), "teacher": [4.0, 2.0, 1.0], "learning_rate": 0.01, "batch_size": 10}
    return dl.DeepLinear(**(settings | {"label_noise": 0.3} | options))


class TestTraining:
    @pytest.mark.parametrize(("generator", "stability"), GENERATORS)
    def test_same_seed_same_bits_for_any_workers_and_blocks(self, generator, stability):
        net, start = network(), dl.small_start(1.5)
        common = {"generator": generator, "stability": stability, "seed": 11, "keep": 2}
        one = dl.train(net, start, [0, 20, 60], n_runs=5, workers=1, **common)
        two = dl.train(net, start, [0, 20, 60], n_runs=5, workers=2, **common)
        blocks = [dl.train(net, start, [0, 20, 60], n_runs=n, first_run=k, **common) for k, n in ((0, 2), (2, 3))]
        joined = blocks[0].joined(blocks[1])
        for other in (two, joined):
            assert np.array_equal(one.end_to_end, other.end_to_end)
            assert np.array_equal(one.gradient_norm, other.gradient_norm)
            assert all(np.array_equal(a, b) for a, b in zip(one.final, other.final, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(one.kept, two.kept, strict=True))
        assert np.unique(one.loss[-1]).size == 5

    def test_generators_share_their_starts(self):
        net = network()
        starts = [
            dl.train(net, dl.small_start(), [0], n_runs=3, generator=g, stability=a, seed=2).end_to_end
            for g, a in GENERATORS
        ]
        assert all(np.array_equal(s, starts[0]) for s in starts)
        other = dl.train(net, dl.small_start(), [0], n_runs=3, seed=3).end_to_end
        assert not np.array_equal(other, starts[0])

    def test_records_agree_with_the_weights_kept(self):
        net = network()
        run = dl.train(net, dl.small_start(1.2), [0, 50, 400], n_runs=3, keep=2, seed=4)
        np.testing.assert_allclose(run.end_to_end[:, :2], net.end_to_end(run.kept), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(run.loss[:, :2], net.loss(run.kept), rtol=1e-12)
        norms = np.linalg.norm(net.flatten(net.gradient(run.kept)), axis=-1)
        np.testing.assert_allclose(run.gradient_norm[:, :2], norms, rtol=1e-11)
        assert [w.shape for w in run.final] == [(3, 20, 6), (3, 20, 20), (3, 5, 20)]
        np.testing.assert_array_equal(run.final[1][:2], run.kept[1][-1])

    def test_gradient_flow_conserves_the_balance_to_first_order(self):
        # each step changes it by eta^2 (G^T G - G G^T); over a fixed time it is of order eta
        changes = []
        for eta, n in ((0.0025, 800), (0.00125, 1600)):
            net = network(learning_rate=eta)
            run = dl.train(net, dl.large_start(), [0, n], n_runs=1, generator="flow", keep=1, seed=1)
            balance = net.balance([w[:, 0] for w in run.kept])
            changes.append(max(np.abs(b[1] - b[0]).max() for b in balance))
        assert 0.0 < changes[0] < 0.01
        assert changes[0] / changes[1] == pytest.approx(2.0, abs=0.1)

    def test_aligned_modes_of_gradient_flow_follow_their_equation(self):
        # ds/dt = 3 s^(4/3) (s* - s), integrated by quadrature to the time at which s reaches half of s*
        from scipy.integrate import quad

        net = network(learning_rate=0.001)
        steps = np.arange(0, 2001, 5)
        run = dl.train(net, dl.AlignedStart(0.05), steps, n_runs=1, generator="flow")
        for k, target in enumerate((4.0, 2.0, 1.0)):
            mode = run.end_to_end[:, 0, k, k]
            half = np.interp(0.5 * target, mode, steps) * net.learning_rate
            exact = quad(lambda s, goal=target: 1.0 / (3.0 * s ** (4.0 / 3.0) * (goal - s)), 0.05, 0.5 * target)[0]
            assert half == pytest.approx(exact, rel=0.01)  # O(eta) is 0.5 %

    def test_a_run_that_diverges_is_nan_from_there_on(self):
        net = network(learning_rate=0.8)
        run = dl.train(net, dl.large_start(), [0, 5, 2000], n_runs=3, generator="flow")
        assert run.diverged == 1.0
        assert np.isfinite(run.loss[0]).all()
        assert np.isnan(run.gradient_norm[-1]).all()
        assert "diverged: 1" in repr(run)

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            ({"generator": "adam"}, "generator"),
            ({"stability": 1.5}, "stability"),
            ({"generator": "refined", "stability": 0.9}, "stability"),
            ({"steps": [5, 1]}, "steps"),
            ({"steps": [0.5]}, "steps"),
            ({"n_runs": 0}, "n_runs"),
            ({"seed": -1}, "seed"),
            ({"start": [np.zeros((1, 1))]}, "start"),
        ],
    )
    def test_bad_input_is_named(self, options, name):
        settings = {"start": dl.small_start(), "steps": [0, 1]} | options
        with pytest.raises((ValueError, TypeError), match=f"`{name}` must be"):
            dl.train(network(), **settings)

    def test_blocks_of_different_trainings_do_not_join(self):
        net = network()
        one, two = (dl.train(net, dl.small_start(), [0, 1], n_runs=1, generator=g) for g in ("sgd", "flow"))
        with pytest.raises(ValueError, match="same steps"):
            one.joined(two)


class TestPlateaus:
    def test_saddles_known_by_construction(self):
        # aligned modes are independent: plateau r lies between the times at which modes r and r + 1 are learned, at the loss
        # of the unlearned modes
        net = network(learning_rate=0.002, label_noise=0.0, teacher=[10.0, 3.0, 1.0])
        steps = np.arange(0, 8001, 20)
        run = dl.train(net, dl.AlignedStart([1e-2, 1e-3, 1e-3]), steps, n_runs=2, generator="flow")
        found = dl.plateaus(run)
        modes = np.diagonal(run.end_to_end[:, 0], axis1=1, axis2=2)
        half = [np.interp(0.5 * s, modes[:, k], steps) for k, s in enumerate((10.0, 3.0, 1.0))]
        assert found.count.tolist() == [3, 3]
        np.testing.assert_allclose(found.loss[:3, 0], [55.0, 5.0, 0.5], rtol=0.05)
        for rank in range(3):
            assert found.escape[rank, 0] < half[rank] < found.approach[rank + 1, 0]
            assert found.approach[rank + 1, 0] - found.escape[rank, 0] < 0.35 * half[rank]
            assert found.approach[rank, 0] <= found.nearest[rank, 0] <= found.escape[rank, 0]
        assert found.escape[3, 0] == np.inf
        assert found.stay[0, 0] == found.escape[0, 0]

    def test_nothing_depends_on_units(self):
        net = network(learning_rate=0.005)
        run = dl.train(net, dl.small_start(2.5), np.arange(0, 3001, 10), n_runs=1, seed=6)
        learned = dl.learned_modes(net, run.end_to_end)[:, 0]
        one = dl.stays(run.steps, run.gradient_norm[:, 0], run.loss[:, 0], learned)
        two = dl.stays(7.0 * run.steps, 1e3 * run.gradient_norm[:, 0], 1e-3 * run.loss[:, 0], learned)
        assert len(one) > 2
        for a, b in zip(one, two, strict=True):
            assert (b.approach, b.nearest, b.learned) == (
                pytest.approx(7 * a.approach, rel=1e-6),
                7 * a.nearest,
                a.learned,
            )
            assert b.escape == pytest.approx(7 * a.escape, rel=1e-6)
            assert b.loss == pytest.approx(1e-3 * a.loss, rel=1e-6)

    @pytest.mark.parametrize(("generator", "stability"), GENERATORS)
    def test_three_plateaus_of_a_teacher_of_rank_four(self, generator, stability):
        net = dl.DeepLinear((8, 30, 30, 8), [4.0, 3.0, 2.0, 1.0], 0.01, 20, label_noise=0.2)
        run = dl.train(
            net,
            dl.small_start(3.0),
            np.arange(0, 4001, 10),
            n_runs=20,
            generator=generator,
            stability=stability,
            seed=8,
        )
        found = dl.plateaus(run)
        fine = np.isfinite(run.loss[-1])
        assert fine.mean() >= 0.7
        assert (found.count[fine] >= 3).mean() >= 0.9
        table = found.table()
        assert table.shape == (5, 6)
        assert (np.diff(table[:4, 3]) > 0).all()  # escapes one after another
        assert (table[:4, 4] <= table[:4, 3]).all()
        assert (table[:4, 3] <= table[:4, 5]).all()
        assert "rank" in repr(found)

    def test_a_lazy_start_has_no_stay_at_the_origin(self):
        net = dl.DeepLinear((8, 60, 60, 8), [4.0, 3.0, 2.0, 1.0], 0.002, 20)
        run = dl.train(net, dl.large_start(0.4), np.arange(0, 401, 2), n_runs=10, generator="flow", seed=8)
        assert (dl.plateaus(run).count <= 1).all()

    def test_learned_modes(self):
        net = network()
        w = np.zeros((4, 5, 6))
        w[1, 0, 0] = w[2, 0, 0] = w[3, 0, 0] = 3.0
        w[2, 1, 1] = 0.9
        w[3, 2, 2] = 0.6
        assert dl.learned_modes(net, w).tolist() == [0, 1, 1, 2]
