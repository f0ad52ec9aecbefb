"""Figures of passages, committors and modes: what they show, and where."""

import numpy as np
import pytest

import fokkerplanck as fp

LINE = fp.Grid((-2, 2), 80)
PLANE = fp.Grid([(-2, 2), (-1.5, 1.5)], [40, 30])
WELLS = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.3)
PLAIN = fp.FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 + y**2, diffusion=0.3)


@pytest.fixture(autouse=True)
def _quiet():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        yield


def test_mean_times_on_a_line():
    f = fp.first_passage(WELLS, LINE, lambda x: x > 1)
    fig = f.plot(names=["membrane voltage"])
    (ax,) = fig.axes
    assert ax.get_xlabel() == "membrane voltage"
    assert ax.get_ylabel() == "mean time"
    assert np.array_equal(ax.lines[0].get_ydata(), f.mean)
    assert len(ax.patches) == 1  # the target
    assert f.plot(ax=ax, log=True) is fig
    assert ax.get_yscale() == "log"


def test_committor_and_mean_times_as_maps():
    u = fp.committor(PLAIN, PLANE, lambda x, y: x < -1, lambda x, y: x > 1)
    fig = u.plot()
    assert [a.get_ylabel() for a in fig.axes] == ["y", "probability of the target first"]
    assert len(fp.first_passage(PLAIN, PLANE, lambda x, y: x > 1).plot(log=True).axes) == 2


def test_modes_say_their_time_scales():
    sp = fp.spectrum(WELLS, LINE, 3)
    texts = [t.get_text() for t in sp.plot().legends[0].get_texts()]
    assert texts == ["stationary", *(f"time scale {t:.4g}" for t in sp.time_scales[1:])]
    assert len(fp.spectrum(PLAIN, PLANE, 2).plot(["a", "b"]).axes) == 3


def test_survival_beside_its_density():
    f = fp.first_passage(WELLS, LINE, lambda x: x > 1)
    t = np.linspace(0.1, 30, 50)
    left, right = f.plot_survival(t, fp.gaussian(-1, 0.1)).axes
    y = left.lines[0].get_ydata()
    assert (np.diff(y) < 0).all()
    assert -np.gradient(y, t)[5:-5] == pytest.approx(right.lines[0].get_ydata()[5:-5], rel=0.02)


def test_what_is_no_axes_is_refused():
    with pytest.raises(TypeError, match="`ax` must be"):
        fp.first_passage(WELLS, LINE, lambda x: x > 1).plot(ax=3)
