"""Ensembles as laws of their paths, and their figures."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

import fokkerplanck as fp

RNG = np.random.default_rng(0)
POSITIONS = RNG.normal(size=(4, 400, 2)) * [1.0, 2.0] + [0.5, 0.0]
TIMES = np.array([0.0, 1.0, 2.0, 4.0])


def ensemble(positions=POSITIONS, **others):
    return fp.Ensemble(TIMES[: len(positions)], positions, names=("w", "v"), **others)


def test_shares_and_quantiles_are_those_of_the_paths():
    w = ensemble().marginal("w")
    x = POSITIONS[-1, :, 0]
    assert w.names == ("w",)
    assert w.cdf(0.3) == np.mean(x <= 0.3)
    assert w.survival(0.3) == pytest.approx(np.mean(x > 0.3))
    assert w.quantile(0.25, t=1.0) == np.sort(POSITIONS[1, :, 0])[99]
    np.testing.assert_array_equal(w.quantile([[0.0, 1.0]]), [[x.min(), x.max()]])
    assert w.interval(0.5) == (np.sort(x)[99], np.sort(x)[299])
    assert ensemble().probability(lambda w, v: w + v > 1, t=2.0) == np.mean(POSITIONS[2].sum(axis=1) > 1)
    np.testing.assert_array_equal(ensemble().marginal(["v", "w"]).positions, POSITIONS[:, :, ::-1])


def test_quantiles_of_a_distribution_and_of_paths_agree():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    law = fp.solve(eq, fp.Grid((-5, 5), 200), fp.gaussian(1, 0.3), [1.0], error=False)
    paths = fp.simulate(eq, fp.gaussian(1, 0.3), [1.0], 0.005, n_paths=20_000, seed=0)
    q = np.array([0.1, 0.5, 0.9])  # standard errors at most .009
    np.testing.assert_allclose(paths.quantile(q), law.quantile(q), atol=0.03)


def test_paths_that_diverged_are_left_out_or_outside():
    positions = POSITIONS.copy()
    positions[-1, :100] = np.inf
    lost = ensemble(positions)
    assert lost.marginal(0).quantile(1.0) == POSITIONS[-1, 100:, 0].max()
    assert lost.probability(lambda w, v: w > -1e9) == 0.75
    fig = lost.marginal("w").plot()
    assert fig.legends[0].get_title().get_text() == "0.25 of the paths have diverged"


def test_what_cannot_be_answered_is_refused():
    with pytest.raises(ValueError, match=r"`ensemble` must be one-dimensional for `quantile`.*Take marginal"):
        ensemble().quantile(0.5)
    with pytest.raises(ValueError, match="`axis` must be among the axes w, v"):
        ensemble().marginal("u")
    with pytest.raises(ValueError, match="`times` must be a recorded time"):
        ensemble().plot(times=[3.0])
    with pytest.raises(ValueError, match="`log` must be False but for a histogram"):
        ensemble().plot(log=True)
    with pytest.raises(ValueError, match="with some path that is finite"):
        ensemble(np.full((1, 3, 2), np.nan)).plot()


def test_in_time_a_median_with_its_bands():
    w = ensemble().marginal("w")
    fig = w.plot(title="paths")
    (ax,) = fig.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), fig.get_suptitle()) == ("step", "w", "paths")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(POSITIONS[:, :, 0], axis=1))
    labels = [t.get_text() for t in fig.legends[0].get_texts()]
    assert labels == ["90 % of the paths", "50 % of the paths", "median", "5 of the 400 paths"]
    outer = ax.collections[0].get_paths()[0].vertices
    there = outer[outer[:, 0] == 4.0, 1]
    assert (there.min(), there.max()) == pytest.approx(tuple(np.quantile(POSITIONS[-1, :, 0], [0.05, 0.95])))


def test_at_one_time_a_histogram():
    ax = ensemble().marginal("w").plot(times=[2.0], log=True).axes[0]
    heights, edges, _ = ax.patches[0].get_data()
    inside = (POSITIONS[2, :, 0] >= edges[0]) & (POSITIONS[2, :, 0] <= edges[-1])
    assert (heights * np.diff(edges)).sum() == pytest.approx(inside.mean())
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "w"


def test_in_two_dimensions_maps():
    fig = ensemble().plot(times=[0.0, 4.0])
    assert [ax.get_title() for ax in fig.axes] == ["step 0", "step 4"]
    for ax, points in zip(fig.axes, POSITIONS[[0, -1]], strict=True):
        mesh = ax.collections[0]
        corners = mesh.get_coordinates()
        area = np.diff(corners[0, :, 0])[None, :] * np.diff(corners[:, 0, 1])[:, None]
        (x0, y0), (x1, y1) = corners[0, 0], corners[-1, -1]
        inside = (points > [x0, y0]).all(axis=1) & (points < [x1, y1]).all(axis=1)
        assert (mesh.get_array() * area).sum() == pytest.approx(inside.mean())
    many = fp.Ensemble(np.arange(9.0), np.repeat(POSITIONS[:1], 9, axis=0))
    assert "5 of 9 times" in many.plot().get_supxlabel().replace("\n", " ")


def test_more_coordinates_have_a_panel_each():
    many = fp.Ensemble(TIMES, RNG.normal(size=(4, 50, 8)))
    fig = many.plot()
    assert [ax.get_ylabel() for ax in fig.axes] == [f"x{k}" for k in range(6)]
    assert fig.legends[0].get_title().get_text() == "the first 6 of 8 coordinates"
    panels = Figure().subplots(1, 3)
    assert many.marginal([0, 1, 2]).plot(ax=panels) is panels[0].figure


def test_films_show_atoms_and_late_maps():
    from fokkerplanck.results.animation import _frame, _scale

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        eq = fp.FokkerPlanck(diffusion=lambda x: x * (1 - x) / 2)
        late = fp.solve(eq, fp.Grid((0, 1), 64), fp.gaussian(0.3, 0.05), [0.5, 8.0], error=False)
        plain = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5)
        wide = fp.solve(plain, fp.Grid([(-3, 3)] * 2, 30), fp.gaussian([0, 0], 0.2), [0.0, 2.0], error=False)
    title = _frame(late, 8.0, late.density[1], None, ["x"], _scale(late)).axes[0].get_title()
    assert title.startswith("t = 8 (0.7")
    fig = _frame(wide, 2.0, wide.density[1], None, ["x", "y"], _scale(wide))
    mesh = fig.axes[0].collections[0]
    assert float(mesh.norm(wide.density[1].max())) > 0.25, "a late frame too pale to be seen"
    assert fig.axes[1].get_ylabel() == "density"
