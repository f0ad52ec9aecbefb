"""Ranking of equations and discrete operators by the transitions of trajectories."""

import numpy as np
import pytest
from processes import ornstein_uhlenbeck, rotating_pair

import fokkerplanck as fp


def ou(k=1.0, D=1.0):
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)


def quadratic(learning_rate=0.2):
    """Noisy descent on h w^2 / 2 with 400 Gaussian samples in batches of 4."""
    rng = np.random.default_rng(0)
    loss = fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": rng.normal(size=400)})
    return fp.SGD(loss, learning_rate=learning_rate, batch_size=4)


def test_scores_are_log_probabilities_of_cells():
    """Of an OU process at lag 0.5: the Gaussian mass of the cell of the end, averaged over the cell of the start."""
    from scipy.stats import norm

    x = ornstein_uhlenbeck(20, 101, 0.5, seed=1)
    grid = fp.Grid((-6, 6), 40)
    found = fp.rank({"ou": ou()}, fp.Paths(x, dt=0.5), cells=grid)
    m, s = np.exp(-0.5), np.sqrt(1 - np.exp(-1.0))
    starts, ends = x[:, :-1].ravel(), x[:, 1:].ravel()
    edges = grid.edges[0]
    i, j = np.searchsorted(edges, starts) - 1, np.searchsorted(edges, ends) - 1
    u = np.linspace(0, 1, 41)[:-1] + 1 / 80
    inside = edges[i][:, None] + 0.3 * u
    mass = (norm.cdf(edges[j + 1][:, None], m * inside, s) - norm.cdf(edges[j][:, None], m * inside, s)).mean(axis=1)
    assert found.scores["ou"] == pytest.approx(np.log(mass).mean(), abs=1e-3)


def test_the_truth_comes_first_and_its_neighbours_behind():
    models = {"truth": ou(), "fast": ou(1.2), "loud": ou(1.0, 1.25), "free": fp.FokkerPlanck(diffusion=1.0)}
    found = fp.rank(models, fp.Paths(ornstein_uhlenbeck(100, 101, 0.5, seed=2), dt=0.5))
    assert found.order[0] == "truth"
    assert found.best == ("truth",)
    assert found.order[-1] == "free"
    assert found.deficits["truth"] == 0.0
    assert "* truth" in repr(found)


def test_equal_models_are_both_in_the_set():
    found = fp.rank({"a": ou(), "b": ou(1.0001)}, fp.Paths(ornstein_uhlenbeck(30, 51, 0.5, seed=3), dt=0.5))
    assert set(found.best) == {"a", "b"}


def test_paired_errors_cover_the_differences():
    """Over 40 data sets the difference of two models lies within two standard errors of its mean in most."""
    gaps, errors = [], []
    for seed in range(40):
        data = fp.Paths(ornstein_uhlenbeck(20, 41, 0.5, seed=300 + seed), dt=0.5)
        found = fp.rank({"truth": ou(), "fast": ou(1.3)}, data, cells=fp.Grid((-6, 6), 60))
        sign = 1.0 if found.order[0] == "truth" else -1.0
        other = next(name for name in ("truth", "fast") if name != found.order[0])
        gaps.append(sign * found.deficits[other])
        errors.append(found.standard_errors[other])
    z = (np.array(gaps) - np.mean(gaps)) / np.array(errors)
    assert 0.7 < np.std(z) < 1.35


def test_operators_and_equations_stand_on_one_footing():
    """At a large learning rate the discrete operator is ahead of the diffusions of the same SGD."""
    sgd = quadratic(0.5)
    runs = sgd.simulate(fp.gaussian(0, 0.3), np.arange(0, 41), n_paths=200, seed=5)
    grid = fp.Grid((-2.5, 2.5), 100)
    models = {
        "chain": sgd.transfer_operator(grid, model="gaussian-chain"),
        "first-order": sgd.equation(),
        "slower": quadratic(0.4).transfer_operator(grid, model="gaussian-chain"),
    }
    found = fp.rank(models, runs, cells=grid)
    assert found.best == ("chain",)
    later = fp.rank(models, runs, lag=4, cells=fp.Grid((-2.5, 2.5), 50))
    assert later.order[0] == "chain"


def test_an_operator_of_another_grid_is_carried_over():
    sgd = quadratic()
    runs = sgd.simulate(fp.gaussian(0, 0.3), np.arange(0, 31), n_paths=50, seed=6)
    own, other = fp.Grid((-2, 2), 160), fp.Grid((-2, 2), 320)
    by = fp.rank(
        {name: sgd.transfer_operator(g, model="gaussian-chain") for name, g in (("own", own), ("other", other))},
        runs, cells=own,
    )  # fmt: skip
    assert by.scores["other"] == pytest.approx(by.scores["own"], abs=2e-3)


def test_two_dimensions():
    def pair(w):
        return fp.FokkerPlanck(drift=lambda x, y: (-x - w * y, w * x - y), diffusion=0.5)

    data = fp.Paths(rotating_pair(40, 41, 0.4, w=1.0, seed=7), dt=0.4)
    found = fp.rank({"turning": pair(1.0), "still": pair(0.0), "back": pair(-1.0)}, data, cells=24)
    assert found.order == ("turning", "still", "back")
    assert found.best == ("turning",)


def test_a_fit_may_compete():
    x = ornstein_uhlenbeck(40, 101, 0.5, k=1.4, seed=8)
    found = fp.fit(fp.Paths(x[:20], dt=0.5), lambda k, D: ou(k, D))
    ranking = fp.rank({"fit": found, "k = 1": ou()}, fp.Paths(x[20:], dt=0.5))
    assert ranking.best == ("fit",)


def test_parameters_fitted_to_the_same_data_are_counted():
    """Two of a family, those of splines by degrees of freedom; none where fit and ranking have different runs."""
    x = ornstein_uhlenbeck(40, 101, 0.5, seed=8)
    data, other = fp.Paths(x[:20], dt=0.5), fp.Paths(x[20:], dt=0.5)
    family, free = fp.fit(data, lambda k, D: ou(k, D)), fp.fit(data)
    models = {"family": family, "splines": free, "truth": ou()}
    cells = fp.Grid((-6, 6), 80)
    own = fp.rank(models, data, cells=cells)
    assert own.parameters == {
        "family": 2.0,
        "splines": sum(free.settings["effective degrees of freedom"]),
        "truth": 0.0,
    }
    plain = fp.rank(models, data, cells=cells, parameters={"family": 0, "splines": 0})
    assert plain.scores["family"] - own.scores["family"] == pytest.approx(2 / 2000)
    assert plain.order[-1] == "truth"  # it cannot win against what was fitted
    assert "truth" in own.best
    assert "taken off the total: family 2" in repr(own)
    assert fp.rank(models, other, cells=cells).parameters == {"family": 0.0, "splines": 0.0, "truth": 0.0}
    with pytest.raises(ValueError, match="`parameters` must be of the models"):
        fp.rank(models, data, parameters={"famly": 2})
    with pytest.raises(ValueError, match="at least 0"):
        fp.rank(models, data, parameters={"family": -1})


def test_few_runs_are_cut_into_blocks():
    found = fp.rank({"a": ou(), "b": ou(2.0)}, fp.Paths(ornstein_uhlenbeck(1, 2001, 0.5, seed=9), dt=0.5))
    assert (found.n_units, found.unit) == (20, "block")
    assert found.best == ("a",)


def test_what_cannot_be_ranked_is_refused():
    data = fp.Paths(ornstein_uhlenbeck(5, 50, 0.5), dt=0.5)
    with pytest.raises(TypeError, match="`models` must be"):
        fp.rank([ou()], data)
    with pytest.raises(TypeError, match=r"`models\['a'\]` must be a FokkerPlanck"):
        fp.rank({"a": quadratic()}, data)
    with pytest.raises(ValueError, match="a grid around all the data"):
        fp.rank({"a": ou()}, data, cells=fp.Grid((-0.1, 0.1), 10))
    with pytest.raises(ValueError, match="without memory"):
        fp.rank({"a": fp.FokkerPlanck(diffusion=1.0, time_order=0.5)}, data)
    with pytest.raises(ValueError, match="whole applications"):
        fp.rank({"a": quadratic().transfer_operator(fp.Grid((-6, 6), 60), model="gaussian-chain")}, data)
    with pytest.raises(ValueError, match="`level` must be"):
        fp.rank({"a": ou()}, data, level=1.5)


@pytest.mark.slow
def test_truth_is_first_or_in_the_set():
    """Six models at lag 1 with 5000 transitions: first in 95 of 100, in the set in 99; here 40 sets."""
    models = {
        "ou": ou(),
        "weak": ou(0.85),
        "loud": ou(1.0, 1.1),
        "cubic": fp.FokkerPlanck(drift=lambda x: -0.6 * x - 0.15 * x**3, diffusion=1.0),
        "multiplicative": fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.85 * (1 + 0.15 * x**2)),
        "free": fp.FokkerPlanck(diffusion=1.0),
    }
    first, inside = 0, 0
    for seed in range(40):
        data = fp.Paths(ornstein_uhlenbeck(50, 101, 1.0, seed=500 + seed), dt=1.0)
        found = fp.rank(models, data, cells=fp.Grid((-7, 7), 140))
        first += found.order[0] == "ou"
        inside += "ou" in found.best
    assert first >= 36
    assert inside >= 39
