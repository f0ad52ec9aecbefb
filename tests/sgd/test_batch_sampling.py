"""The error that the choice of batches leaves in a sampled transfer operator is measured and covers the truth."""

import numpy as np

import fokkerplanck as fp
from fokkerplanck.solvers.linear.markov_chain import mixture, transfer

X = np.random.default_rng(3).normal(size=50)
QUADRATIC = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": X}), 0.2, 5, replacement=False)
VARIANCE = 0.2 * X.var() * (45 / 49) / (5 * (2 - 0.2))  # of theta' = (1 - eta) theta + eta (mean of a batch)
GRID = fp.Grid((-1, 1), 200)


def test_the_stationary_variance_lies_within_its_sampling_error():
    """Ten choices of 512 batches: z values of deviation near one, none beyond 4 (a false alarm in 2e-3 with 7 degrees)."""
    z = []
    for seed in range(10):
        found = QUADRATIC.transfer_operator(GRID, kind="sampled", n_batches=512, seed=seed).stationary()
        smeared = found.stats["smearing"][0] / (1 - 0.8**2)
        z.append((found.covariance()[0, 0] - smeared - VARIANCE) / found.stats["sampling_error"]["covariance"][0, 0])
    assert np.abs(z).max() < 4.0
    assert 0.4 < np.std(z) < 2.0


def test_densities_and_passages_carry_it_and_comparisons_show_it():
    operator = QUADRATIC.transfer_operator(GRID, kind="sampled", n_batches=256)
    solution = operator.evolve(fp.gaussian(0, 0.1), [1, 20])
    error = solution.stats["sampling_error"]
    assert error["mean"].shape == (2, 1)
    assert error["covariance"].shape == (2, 1, 1)
    assert (error["mean"] > 0.0).all()
    passage = operator.first_passage(lambda w: w > 0.3)
    assert (passage.stats["sampling_error"]["mean"] > 0.0)[~passage.target].all()
    table = fp.compare({"sampled": solution, "again": solution}, reference="again", distances=())
    assert set(table.column("largest_error")) == {"batches"}


def test_listed_batches_have_none():
    operator = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]}), 0.2).transfer_operator(GRID)
    assert operator.parts == ()
    assert "sampling_error" not in operator.stationary().stats


def test_a_mixture_of_transfers_is_the_transfer_of_all_maps():
    grid, slopes = fp.Grid([(-1, 1), (-1, 1)], [12, 10]), np.array([0.2, 0.5, 0.9])

    def maps(points, chosen=slopes):
        return np.array([s * points + 0.1 * s for s in chosen])

    whole = transfer(grid, maps, np.full(3, 1 / 3))
    first, rest = slopes[:1], slopes[1:]
    parts = [transfer(grid, lambda p, c=c: maps(p, c), np.full(c.size, 1 / c.size)) for c in (first, rest)]
    mixed = mixture(parts, np.array([1 / 3, 2 / 3]))
    assert abs(whole.matrix - mixed.matrix).max() < 1e-15
    for name in ("clamped", "mean", "noise", "stretch"):
        np.testing.assert_allclose(getattr(mixed, name), getattr(whole, name), atol=1e-15)


def test_results_print_it():
    """The error of the grid stood alone: a mean off by 2e-3 with an error of 8e-13."""
    x = np.random.default_rng(5).normal(size=200)
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": x}), 0.3, batch_size=3)
    sampled = sgd.transfer_operator(fp.Grid((-3, 3), 120))
    line = "batches    sampled: standard error of the mean up to"
    for result in (
        sampled.evolve(fp.gaussian(0, 0.3), [3]),
        sampled.stationary(),
        sampled.first_passage(lambda w: w > 0.6),
    ):
        assert line in repr(result)
    few = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]}), 0.3, batch_size=1)
    assert "batches" not in repr(few.transfer_operator(fp.Grid((-3, 3), 120)).stationary())
