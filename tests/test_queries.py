"""Queries: solve and stationary, and the sentences in which bad questions are refused before any work."""

import time

import numpy as np
import pytest
from exact import escape_time, two_datapoint_diffusion, two_datapoint_drift
from scipy.sparse.linalg import spsolve

import fokkerplanck as fp

GRID = fp.Grid((-3, 3), 60)
EQ = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
START = fp.gaussian(0.5, 0.4)


@pytest.mark.parametrize("times", [0.5, [0.5], (0.1, 0.5), np.array([0, 0.5], dtype=np.float32), range(1, 3), 0])
def test_forms_of_times(times, solve):
    s = solve(EQ, GRID, START, times)
    np.testing.assert_allclose(s.times, np.atleast_1d(np.asarray(times, dtype=float)))
    np.testing.assert_allclose(s.mean()[:, 0], 0.5 * np.exp(-s.times), atol=0.01)


@pytest.mark.parametrize("method", ["chebyshev", "rational", "uniformization"])
def test_methods_by_name_agree_with_auto(method, solve):
    auto = solve(EQ, GRID, START, [0.3, 2.0])
    named = solve(EQ, GRID, START, [0.3, 2.0], method=method)
    assert named.method == method
    distance = np.abs(auto.masses - named.masses).sum(axis=1)
    assert distance.max() <= auto.stats["error_estimate"] + named.stats["error_estimate"]


def test_progress_reports_shares(solve):
    shares = []
    solve(EQ, GRID, START, [0.1, 0.2, 0.3, 0.4], progress=shares.append)
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e6, 1e100])
def test_units_do_not_matter(scale, solve):
    plain = solve(EQ, GRID, START, 0.7)
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5 * scale**2)
    s = solve(eq, fp.Grid((-3 * scale, 3 * scale), 60), fp.gaussian(0.5 * scale, 0.4 * scale), 0.7)
    np.testing.assert_allclose(s.masses, plain.masses, atol=1e-9)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("diffusion", [1e-300, 5e-324, 0.0])
def test_vanishing_noise_is_advection(diffusion, solve):
    s = solve(fp.FokkerPlanck(drift=lambda x: -x, diffusion=diffusion), GRID, START, 0.5)
    zero = solve(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.0), GRID, START, 0.5)
    np.testing.assert_allclose(s.density, zero.density, atol=1e-12)
    assert s.stats["order"] == 1
    assert s.mean()[0, 0] == pytest.approx(0.5 * np.exp(-0.5), abs=0.03)  # v h / 2


def test_mean_escape_from_the_pit_in_the_ito_picture(solve):
    # true SGD 149.6, Gaussian noise in discrete time 76.4: the figure is the diffusion's, and wrong for SGD
    drift, diffusion = two_datapoint_drift(0.02), two_datapoint_diffusion(0.02)
    eq = fp.FokkerPlanck(drift=drift, diffusion=diffusion)
    grid = fp.Grid((0.9, 1.23), 800, boundary=("reflecting", "absorbing"))
    q = fp.generator(eq, grid)
    tau = spsolve(q.adjoint.tocsc(), -np.ones(grid.size))
    at_pit = np.interp(1.00745330, grid.centers[0], tau)
    assert at_pit == pytest.approx(565.7, rel=3e-4)
    assert at_pit == pytest.approx(escape_time(1.00745330, 1.0, 1.23, drift, diffusion), rel=1e-3)
    # the decaying mass: its integral is the mean time, its slowest decay that of the quasi-stationary density
    times = np.arange(0.0, 6001.0, 20.0)
    s = solve(eq, grid, fp.point(1.00745330), times, rtol=1e-5)
    slowest = 1000.0 / np.log(s.mass[100] / s.mass[150])
    total = np.trapezoid(s.mass, times) + s.mass[-1] * slowest
    assert total == pytest.approx(at_pit, rel=2e-3)
    quasi = s.masses[150] / s.mass[150]
    assert slowest == pytest.approx(float(quasi @ tau), rel=1e-3)
    assert slowest == pytest.approx(565.7, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"times": [1.0, 0.5]},
            ValueError,
            r"`times` must be increasing and not below 0, got \[1\.0, 0\.5\]\. Sort them",
        ),
        ({"times": [1.0, 1.0]}, ValueError, "`times` must be increasing and not below 0"),
        ({"times": -0.1}, ValueError, r"`times` must be increasing and not below 0, got -0\.1"),
        ({"times": [np.nan]}, ValueError, r"`times` must be finite numbers, at least one, got \[nan\]"),
        ({"times": []}, ValueError, r"`times` must be finite numbers, at least one, got \[\]"),
        ({"times": [[1.0, 2.0]]}, ValueError, "`times` must be finite numbers, at least one"),
        ({"times": "soon"}, TypeError, "`times` must be a number or a sequence of numbers, got 'soon'"),
        ({"method": "ration"}, ValueError, "`method` must be 'auto', .*got 'ration'.*Did you mean 'rational'"),
        ({"rtol": 0.0}, ValueError, r"`rtol` must be between 1e-12 and 1, got 0\.0"),
        ({"rtol": 2}, ValueError, "`rtol` must be between 1e-12 and 1, got 2"),
        ({"rtol": np.nan}, ValueError, "`rtol` must be between 1e-12 and 1, got nan"),
        ({"eq": "x"}, TypeError, "`eq` must be a FokkerPlanck equation, got 'x'"),
        ({"grid": (-1, 1)}, TypeError, r"`grid` must be a Grid, got \(-1, 1\)\. Make one with fp\.Grid"),
        ({"p0": 1.0}, TypeError, r"`p0` must be an initial density, got 1\.0"),
        ({"p0": np.full(60, -1.0)}, ValueError, r"`p0` must be finite and nowhere negative, got .*-1\.0"),
        ({"observe": {"a": 3.0}}, TypeError, r"`observe\['a'\]` must be a function of the coordinates, got 3\.0"),
        (
            {"grid": fp.Grid([(0, 1)] * 3, 4000), "eq": fp.FokkerPlanck(diffusion=1.0), "p0": fp.point([0.5] * 3)},
            ValueError,
            r"`grid` must be small enough for the .* GB of free memory, got about \d+",
        ),
        pytest.param(
            {"rtol": "small"},
            TypeError,
            "`rtol` must be",
        ),
        pytest.param(
            {"observe": [np.sin]},
            TypeError,
            "`observe` must be",
        ),
        pytest.param(
            {"observe": {"a": lambda x: x[:3]}},
            ValueError,
            r"`observe\['a'\]` must be",
        ),
        pytest.param(
            {"observe": {"a": lambda x: np.full(x.shape, np.nan)}},
            ValueError,
            r"`observe\['a'\]` must be finite",
        ),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(arguments, error, sentence):
    call = {"eq": EQ, "grid": GRID, "p0": START, "times": 0.1, **arguments}
    began = time.perf_counter()
    with pytest.raises(error, match=sentence):
        fp.solve(**call)
    assert time.perf_counter() - began < 1.0  # before any work


def test_a_grid_too_coarse_for_the_noise_is_a_warning_with_the_peclet_number():
    with pytest.warns(
        fp.ResolutionWarning,
        match=r"numerical diffusion of .* to a diffusion of 0\.0011? .*cell Peclet number .*first order",
    ):
        fp.solve(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.001), GRID, START, 0.1, error=False)


def test_a_tolerance_out_of_reach_raises_with_what_there_is():
    with pytest.raises(fp.ConvergenceError, match="rtol = 1e-12") as caught:
        fp.solve(EQ, GRID, START, [0.1, 3.0], method="rational", rtol=1e-12)
    assert isinstance(caught.value.partial, (np.ndarray, fp.Solution))


def test_solving_writes_to_nothing_it_was_given(solve):
    drift = -GRID.centers[0].copy()
    p0 = START.masses(GRID) / GRID.volumes
    p0 /= (p0 * GRID.volumes).sum()
    times = np.array([0.1, 0.2])
    copies = drift.copy(), p0.copy(), times.copy()
    solve(fp.FokkerPlanck(drift=drift, diffusion=0.5), GRID, p0, times)
    for given, copy in zip((drift, p0, times), copies, strict=True):
        np.testing.assert_array_equal(given, copy)


def test_the_same_run_gives_the_same_bits(solve):
    first, second = (solve(EQ, GRID, START, [0.1, 1.0]).density for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_no_generator_describes_memory():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0, time_order=0.7)
    with pytest.raises(ValueError, match=r"`time_order` must be 1 for a generator, got 0\.7"):
        fp.generator(eq, GRID)


def test_a_target_in_words_is_told_how_to_be_a_function():
    with pytest.raises(TypeError, match=r"Such as target=lambda x: x > 0\."):
        fp.first_passage(fp.FokkerPlanck(diffusion=1.0), fp.Grid((-1, 1), 10), "w > 0")


def test_uniformization_of_too_many_products_is_refused():
    eq, grid = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-6, 6), 2000)
    with pytest.raises(ValueError, match=r"`method` must be one that needs a few million .* 6.3e\+07 of them"):
        fp.solve(eq, grid, fp.gaussian(1, 0.3), 2000.0, method="uniformization")


def test_messages_show_plain_numbers():
    with pytest.raises(ValueError, match=r"`rtol` must be between 1e-12 and 1, got 2.0\."):
        fp.solve(fp.FokkerPlanck(diffusion=0.5), fp.Grid((-1, 1), 9), fp.point(0.0), 1.0, rtol=np.float64(2.0))


def test_a_start_is_put_on_its_grid_once():
    """It was twice: a fifth of the time of a short run."""

    class Counting:
        calls = 0

        def masses(self, grid):
            self.calls += 1
            return fp.gaussian(0, 0.3).masses(grid)

        def sample(self, rng, n):
            return fp.gaussian(0, 0.3).sample(rng, n)

    start = Counting()
    fp.solve(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-5, 5), 100), start, [1.0], error=False)
    assert start.calls == 1
