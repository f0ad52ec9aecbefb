"""What is logged under the name `fokkerplanck`: grids that are tried and their errors at INFO, methods at DEBUG."""

import logging
import subprocess
import sys

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.comparison import distances
from fokkerplanck.solvers.accuracy.refinement import Attempt, refined
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.linear.multigrid import Multigrid

OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
ROTATING = fp.FokkerPlanck(drift=lambda x, y: [-x - 0.2 * y, 0.2 * x - y], diffusion=0.5)


@pytest.fixture
def said(caplog):
    """The messages at a level and above, each by a logger below `fokkerplanck`."""

    def messages(level, question):
        caplog.clear()
        with caplog.at_level(level, logger="fokkerplanck"):
            answer = question()
        assert all(record.name.startswith("fokkerplanck.") for record in caplog.records)
        return [record.getMessage() for record in caplog.records], answer

    return messages


def test_the_package_says_nothing_by_itself():
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("fokkerplanck").handlers)
    code = "import fokkerplanck as fp; fp.stationary(fp.FokkerPlanck(lambda x: -x, 0.5), fp.Grid((-4, 4), 100))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_a_search_says_each_grid_and_its_error(said):
    lines, solution = said(logging.INFO, lambda: fp.solve(OU, fp.Box((-6, 6)), fp.gaussian(2, 0.3), [0.5], tol=1e-7))
    tried = [line for line in lines if line.startswith("tol = 1e-07: error")]
    assert len(tried) >= 2
    assert "on 256 cells" in tried[0]
    error = solution.error["density"].max()
    assert tried[-1] == f"tol = 1e-07: error {error:.1e} on {solution.grid.size} cells, order 4"
    of_solutions = [line for line in lines if line.startswith("Solution on ")]
    assert len(of_solutions) == len(tried)


def test_a_search_says_grids_that_gave_no_answer(said):
    def attempt(grid):
        if grid.size == 256:
            raise ValueError("a region holds no cell center")
        return Attempt(None, 1e-3, 2.0, True)

    lines, _ = said(logging.INFO, lambda: refined(attempt, fp.Box((-4, 4)), 1e-2))
    assert lines == [
        "tol = 0.01: no answer on 256 cells (a region holds no cell center)",
        "tol = 0.01: error 1.0e-03 on 512 cells, order 2",
    ]


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (Attempt(None, 0.25, 1.5, False), "error 2.5e-01 on 8 x 4 cells, not converging"),
        (Attempt(None, np.nan, np.nan, False), "no error measured on 8 x 4 cells"),
        (
            Attempt(None, 0.25, 1.5, True, True),
            "error 2.5e-01 on 8 x 4 cells, order 1.5, a feature of the coefficients is inside a cell",
        ),
    ],
)
def test_words_for_an_attempt(attempt, words):
    assert attempt.described(fp.Grid([(0, 1), (0, 1)], (8, 4))) == words


def test_a_search_for_a_box_says_what_leaves(said):
    lines, solution = said(logging.INFO, lambda: fp.solve(OU, None, fp.gaussian(2, 0.3), [0.5], tol=1e-2))
    boxes = [line for line in lines if line.startswith("box from ")]
    low, high = solution.grid.edges[0][:1], solution.grid.edges[0][-1:]
    assert boxes[-1].startswith(f"box from {low} to {high}: ")
    assert "of the probability leaves until t = 0.5" in boxes[-1]


def test_methods_are_told_at_debug_and_not_at_info(said):
    def ask():
        return fp.solve(OU, fp.Grid((-6, 6), 200), fp.gaussian(2, 0.3), [0.5], error=False)

    lines, solution = said(logging.DEBUG, ask)
    assert [line for line in lines if line.startswith(f"density on 200 cells by {solution.method}, error in time")]
    assert said(logging.INFO, ask)[0] == []


@pytest.mark.parametrize(
    ("question", "line"),
    [
        (
            lambda: fp.stationary(OU, fp.Grid((-4, 4), 100), error=False),
            "stationary density on 100 cells by detailed balance",
        ),
        (
            lambda: fp.stationary(ROTATING, fp.Grid([(-4, 4)] * 2, (20, 20)), error=False),
            "stationary density on 400 cells by state reduction",
        ),
        (
            lambda: fp.first_passage(OU, fp.Grid((-4, 4), 100), lambda x: x > 0, error=False),
            "passage from 50 cells by elimination along the line",
        ),
        (
            lambda: fp.first_passage(ROTATING, fp.Grid([(-4, 4)] * 2, (20, 20)), lambda x, y: x > 0, error=False),
            "passage from 200 cells by a sparse factorisation",
        ),
    ],
)
def test_ways_of_linear_answers(said, question, line):
    assert line in said(logging.DEBUG, question)[0]


def test_a_sweep_says_which_settings_are_done(said):
    def inverse(x):
        return 1 / x

    with pytest.warns(fp.ModelWarning):
        lines, _ = said(logging.INFO, lambda: fp.sweep(inverse, [{"x": 2.0}, {"x": 0}], workers=1))
    assert sorted(line.split(",")[0] for line in lines) == ["sweep: setting 0 done", "sweep: setting 1 failed"]


def says_its_share(said, monkeypatch, questions):
    """Each question, by the name of its loop, says shares when lines are due at once, and none when they never are."""
    monkeypatch.setattr("fokkerplanck.progress.EVERY", 1e9)
    for question in questions.values():
        lines, _ = said(logging.INFO, question)
        assert not any("% done" in line for line in lines)
    monkeypatch.setattr("fokkerplanck.progress.EVERY", 0.0)
    for what, question in questions.items():
        lines, _ = said(logging.INFO, question)
        shares = [
            float(line.split(": ")[1].split(" %")[0])
            for line in lines
            if line.startswith(f"{what}: ") and "done" in line
        ]
        assert len(shares) >= 1, what
        assert all(0.0 <= share <= 100.0 for share in shares)


def test_long_loops_say_how_far_they_have_come(said, monkeypatch):
    """Here after every step or never; else every two seconds, so that nothing is said of what is quick."""
    runs = fp.simulate(OU, fp.gaussian(0, 0.7), np.arange(100) * 0.5, 0.05, n_paths=4, seed=1, step_error=False)
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1, batch_size=1)
    questions = {
        "simulation": lambda: fp.simulate(OU, 1.0, [0.5], 0.1, n_paths=50, seed=1, step_error=False),
        "density in time": lambda: fp.solve(
            fp.FokkerPlanck(drift=lambda x, t: np.sin(t) - x, diffusion=0.5),
            fp.Grid((-4, 4), 80),
            fp.gaussian(0, 1),
            1.0,
        ),
        "density at the next time": lambda: fp.solve(OU, fp.Grid((-4, 4), 80), fp.gaussian(0, 1), 1.0, error=False),
        "stationary state with an interaction": lambda: fp.stationary(
            fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=fp.Swarm(1.0)),
            fp.Grid((-4, 4), 80),
            fp.gaussian(1.5, 0.2),
        ),
        "SGD": lambda: fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1).simulate(
            0.0, [100], n_paths=50, seed=1
        ),
        "operator": lambda: sgd.transfer_operator(fp.Grid((-2, 2), 60)),
        "steps of the operator": lambda: sgd.transfer_operator(fp.Grid((-2, 2), 60)).evolve(
            fp.gaussian(0, 0.3), [3], error=False
        ),
        "waiting SGD": lambda: fp.simulate_waiting(sgd, 0.0, [5.0], 0.7, n_paths=20, seed=1),
        "quasipotential": lambda: fp.quasipotential(
            fp.FokkerPlanck(drift=lambda x, y: [-x, -2 * y], diffusion=1.0), [0, 0], fp.Grid([(-1, 1)] * 2, (16, 16))
        ),
        "comparison": lambda: fp.compare({"one": runs, "other": runs}, times=[0.5, 1.0], distances=[]),
        "fit": lambda: fp.fit(
            fp.Paths(runs),
            lambda k, d: fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=d),
            start={"k": 1.0, "d": 1.0},
            cells=40,
        ),
    }
    says_its_share(said, monkeypatch, questions)


def test_loops_of_moving_targets_memory_and_permutations_do_so_too(said, monkeypatch):
    plane = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5)
    box = fp.Grid([(-2, 2)] * 2, (12, 12))
    waits = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, time_order=0.7)
    rotating = Multigrid(-generator(ROTATING, fp.Grid([(-4, 4)] * 2, (40, 40), "absorbing")).matrix)
    line, points = fp.Grid((-4, 4), 60), np.arange(30.0)

    def disc(x, y, t):
        return x**2 + y**2 > (1.6 - 0.5 * t) ** 2

    def with_memory(method):
        return fp.solve(waits, line, fp.gaussian(1, 0.3), 1.0, method=method, error=False)

    questions = {
        "passage in time": lambda: fp.first_passage(OU, line, lambda x, t: np.abs(x) > 2 - t, error=False).survival(
            [0.3], fp.point(0.0)
        ),
        "edges of a moving target": lambda: fp.first_passage(plane, box, disc, error=False).survival(
            [0.2], fp.gaussian([0, 0], 0.2)
        ),
        "committor in time": lambda: fp.committor(
            plane, box, lambda x, y, t: x < -1.2 - 0.3 * np.tanh(t), lambda x, y: x > 1.2, error=False
        ),
        "density by contours": lambda: with_memory("contour"),
        "density in time": lambda: with_memory("subordination"),
        "multigrid": lambda: rotating.solve(np.ones(1600)),
        "permutations": lambda: fp.two_sample(points, points + 1.0),
        "distance by chance": lambda: distances.wasserstein(points, points + 1.0),
        "error of a distance": lambda: distances.kullback_leibler(
            points, np.random.default_rng(1).permutation(points) ** 1.1, method="histogram"
        ),
    }
    says_its_share(said, monkeypatch, questions)


def test_permutations_are_the_same_however_many_are_held_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) + 0.3
    found = []
    for at_once in (7, 1000):
        monkeypatch.setattr("fokkerplanck.statistics.two_sample.AT_ONCE", at_once)
        found.append(fp.two_sample(a, b, permutations=500).p_value)
    assert found[0] == found[1]


def test_a_periodic_state_says_it_by_its_periods(said, monkeypatch):
    monkeypatch.setattr("fokkerplanck.progress.EVERY", 0.0)
    eq = fp.FokkerPlanck(drift=lambda x, t: np.sin(t) - x, diffusion=0.5)
    lines, _ = said(logging.INFO, lambda: fp.stationary(eq, fp.Grid((-4, 4), 40), period=2 * np.pi, error=False))
    assert any("% done" in line for line in lines)


def test_stationary_questions_and_means_say_how_far_they_have_come(said, monkeypatch):
    plane = fp.Grid([(-2, 2), (-2, 2)], 36)
    driven = fp.FokkerPlanck(drift=lambda x, t: 0.3 * np.sin(t), diffusion=0.5)
    fast = fp.FokkerPlanck(drift=lambda x, y: [-x - 5 * y, 5 * x - y], diffusion=0.5)
    line = fp.Grid((-4, 4), 40)
    asked = {"start": fp.gaussian(0, 0.5), "time": 0.5, "observe": lambda x: x, "error": False}
    questions = {
        "power spectrum": lambda: fp.power_spectrum(OU, line, lambda x: x, [0.5, 1.0], error=False),
        "response": lambda: fp.response(lambda k: OU, 1.0, line, lambda x: x, [0.0, 1.0], error=False),
        "eigenvalues": lambda: fp.spectrum(fast, plane, 3, error=False),
        "spectrum": lambda: fp.spectrum(fast, plane, 3, error=False),
        "mean time of arrival": lambda: fp.first_passage(driven, fp.Grid((0, 1), 40, "absorbing")).mean(fp.point(0.5)),
        "derivative": lambda: fp.derivative(
            lambda d: fp.FokkerPlanck(drift=lambda x: -x, diffusion=d), 0.5, line, **asked
        ),
    }
    says_its_share(said, monkeypatch, questions)
