"""What run files ask beside densities in time: equations with memory, jumps and time, shares at rest, passages."""

import re
from pathlib import Path

import numpy as np
import pytest
from run_files import relaxation, two_datapoints

import fokkerplanck as fp
from fokkerplanck.workflows.run import build, compute, table, write
from fokkerplanck.workflows.runfile import read_run_file


def problem_of(tmp_path, text, *changes):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "run.toml").write_text(text)
    return build(read_run_file(tmp_path / "run.toml"))


TIMES = "times = [0.5, 1]"


def test_shares_and_a_passage(tmp_path):
    """An Ornstein-Uhlenbeck process of variance 1/2: P(|x| < 1/2) = erf(1/2)."""
    from scipy.special import erf

    problem = problem_of(tmp_path, relaxation(400), (TIMES, TIMES + '\nshares = ["abs(x) < 0.5"]\ntarget = "x > 1.5"'))
    outcome = compute(problem)[0]
    moving, rest, share, passage = outcome.answers
    assert moving.startswith("At t = 0.5 and 1 P(abs(x) < 0.5) = ")
    assert rest.startswith("At rest x has mean 0 and deviation 0.707")
    assert float(share.removeprefix("At rest P(abs(x) < 0.5) = ").rstrip(".")) == pytest.approx(erf(0.5), rel=1e-4)
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    right = fp.first_passage(eq, problem.grid, lambda x: x > 1.5)
    assert passage.startswith("x > 1.5 is reached after ")
    start = problem.p0.masses(problem.grid)
    found = float(passage.split("after ")[1].split()[0])
    assert found == pytest.approx(float((start * right.mean).sum() / start.sum()), rel=1e-3)
    assert "(error " in passage
    assert "deviation of" in passage


def test_models_of_sgd_say_theirs(tmp_path):
    times = ("times = [1, 20]", 'times = [1, 20]\nmodels = ["first-order", "exact"]\ntarget = "w > 0.7"')
    outcome = compute(problem_of(tmp_path, two_datapoints(), times))[0]
    assert [a.split(" has")[0] for a in outcome.answers if a.startswith("At rest")] == [
        "At rest by first-order w",
        "At rest by exact w",
    ]
    assert sum("w > 0.7 is reached by" in a for a in outcome.answers) == 2
    assert outcome.told[0].startswith("Learning rate 0.05: At rest by first-order")


def test_time_in_a_formula(tmp_path):
    """x' = -x + 2 t: the mean is exp(-t) + 2 (t - 1 + exp(-t)) from 1."""
    problem = problem_of(tmp_path, relaxation(400), ('"-x"', '"-x + 2*t"'), (TIMES, TIMES + '\ntarget = "x > 2"'))
    outcome = compute(problem)[0]
    t = np.array([0.5, 1.0])
    np.testing.assert_allclose(
        outcome.solutions["density"].mean()[:, 0], np.exp(-t) + 2 * (t - 1 + np.exp(-t)), rtol=1e-3
    )
    assert outcome.notes[0].startswith("coefficients change with time: there is no density at rest.")
    assert outcome.answers[0].endswith("on the mean, from time 0.")


def test_memory_and_jumps(tmp_path):
    problem = problem_of(tmp_path, relaxation(100), ("diffusion = 0.5", "diffusion = 0.5\ntime_order = 0.7"))
    eq = problem.cases[0].models["density"]
    assert eq.time_order == 0.7
    problem = problem_of(
        tmp_path,
        relaxation(100),
        ("diffusion = 0.5", 'diffusion = 0.5\nstability = 1.5\nscale = "0.1 + 0.1*x**2"\nkilling = 0.3'),
    )
    eq = problem.cases[0].models["density"]
    assert eq.jumps.stability == 1.5
    np.testing.assert_allclose(eq.jumps.scale(np.array([2.0])), 0.5)
    assert eq.killing == 0.3
    for law, variance in (
        ("covariance = 0.25", 0.25),
        ("sizes = [-1, 1]\nweights = [0.5, 0.5]", 1.0),
        ('distribution = "laplace"\nparameters = { scale = 0.5 }', 0.5),
        ('kernel = "exp(-(end - start)**2/0.5)/sqrt(0.5*pi)"', 0.25),
    ):
        jumps = 'diffusion = 0.5\n[equation.jumps]\nrate = "1 + 0*x"\n' + law
        eq = problem_of(tmp_path, relaxation(100), ("diffusion = 0.5", jumps)).cases[0].models["density"]
        width = fp.stationary(eq, fp.Grid((-8, 8), 400), error=False).covariance()[0, 0]
        np.testing.assert_allclose(width, (1.0 + variance) / 2.0, rtol=5e-3)
    problem = problem_of(
        tmp_path, relaxation(100), ("diffusion = 0.5", 'diffusion = 0.5\nreactivity = { "x high" = 2 }')
    )
    assert problem.cases[0].models["density"].reactivity == {"x high": 2.0}


def numbers(sentence, after):
    """Those that follow a word in a sentence."""
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", sentence.split(after)[1])]


def test_with_memory_a_mean_time_is_infinite(tmp_path):
    change = ("diffusion = 0.5", "diffusion = 0.5\ntime_order = 0.7"), (TIMES, TIMES + '\ntarget = "x > 2"')
    outcome = compute(problem_of(tmp_path, relaxation(100), *change))[0]
    assert outcome.answers[-1] == "With memory the mean time to x > 2 is infinite, as that of waiting is."


ABSORBING = ('"-x"', "0.7"), ("bounds = [-4, 4]", 'bounds = [-1, 1.5]\nboundary = "absorbing"')
AT = ("mean = 1.0\ndeviation = 0.3", "point = 0.2")


def test_walls_that_absorb_say_what_is_left_when_it_ends_and_where(tmp_path):
    """Drifted Brownian motion from 0.2: P(upper wall) = (1 - exp(-1.68)) / (1 - exp(-3.5))."""
    left, ends = compute(problem_of(tmp_path, relaxation(200), *ABSORBING, AT))[0].answers
    up = np.expm1(-1.68) / np.expm1(-3.5)
    mean = (2.5 * up - 1.2) / 0.7
    eq = fp.FokkerPlanck(drift=0.7, diffusion=0.5)
    survival = fp.first_passage(eq, fp.Grid((-1, 1.5), 400, "absorbing")).survival([0.5, 1.0], fp.point(0.2))
    assert left.endswith("is left in the box.")
    np.testing.assert_allclose(numbers(left, "share of"), survival, rtol=1e-3)
    assert numbers(ends, "after")[0] == pytest.approx(mean, rel=1e-3)
    np.testing.assert_allclose(numbers(ends, "deviation of")[1:], [1 - up, up], rtol=1e-3)
    assert "of it at the wall x low" in ends


def test_a_target_that_not_all_paths_reach_has_a_probability(tmp_path):
    """The time until either was called the time to the target. With killing at the rate c, P = exp(-r) over a distance 1."""
    changes = (
        ('"-x"', "0.7"),
        ("diffusion = 0.5", "diffusion = 0.5\nkilling = 0.3"),
        ("bounds = [-4, 4]", "bounds = [-6, 6]"),
    )
    outcome = compute(
        problem_of(
            tmp_path, relaxation(600), *changes, AT, (TIMES, TIMES + '\ntarget = "x > 1.2"\nshares = ["x > 0.5"]')
        )
    )[0]
    left, share, found = outcome.answers
    np.testing.assert_allclose(numbers(left, "share of"), np.exp(-0.3 * np.array([0.5, 1.0])), rtol=1e-4)
    assert share.endswith("of what is left.")
    root = np.sqrt(0.7**2 + 2 * 0.3)
    probability, error, time = numbers(found, "probability")
    assert probability == pytest.approx(np.exp(0.7 - root), rel=1e-3)
    assert abs(probability - np.exp(0.7 - root)) < 2 * error
    assert time == pytest.approx(1 / root, rel=2e-3)
    assert found.endswith("else it ends first by killing.")
    assert not outcome.notes


def test_a_refractory_time_of_a_run(tmp_path):
    text = relaxation(300).replace("[output]", "[reset]\npoint = 0.0\ndelay = 0.5\n[output]")
    walls = ("bounds = [-4, 4]", 'bounds = [-2, 1]\nboundary = ["reflecting", "absorbing"]')
    changes = ('"-x"', '"0.8 - x"'), ("diffusion = 0.5", "diffusion = 0.1"), walls, ("mean = 1.0", "mean = 0.0")
    outcome = compute(problem_of(tmp_path, text, *changes))[0]
    (often,) = [sentence for sentence in outcome.answers if sentence.startswith("At t =") and "reset" in sentence]
    sol, rest = outcome.solutions["density"], outcome.stationary["density"]
    np.testing.assert_allclose(numbers(often, "a share of"), sol.mass, rtol=1e-4)
    assert rest.mass == pytest.approx(1.0 - 0.5 * rest.rate, rel=1e-9)
    with pytest.raises(ValueError, match=r"`reset\.delay` must be a number not below 0"):
        problem_of(tmp_path, text.replace("delay = 0.5", "delay = -0.5"), *changes)


def test_a_reset_is_a_firing_rate(tmp_path):
    from scipy.integrate import quad
    from scipy.special import erfcx

    text = relaxation(300).replace("[output]", "[reset]\npoint = 0.0\n[output]")
    walls = ("bounds = [-4, 4]", 'bounds = [-2, 1]\nboundary = ["reflecting", "absorbing"]')
    changes = ('"-x"', '"0.8 - x"'), ("diffusion = 0.5", "diffusion = 0.1"), walls, ("mean = 1.0", "mean = 0.0")
    problem = problem_of(tmp_path, text, *changes)
    outcome = compute(problem)[0]
    time = np.sqrt(np.pi) * quad(lambda u: erfcx(-u), -0.8 / np.sqrt(0.2), 0.2 / np.sqrt(0.2))[0]
    assert numbers(outcome.answers[-1], "reset")[0] == pytest.approx(1 / time, rel=1e-3)
    np.testing.assert_allclose(outcome.solutions["density"].mass, 1.0)
    assert outcome.solutions["density"].rate.shape == (2,)
    (often,) = [sentence for sentence in outcome.answers if sentence.startswith("At t =") and "reset" in sentence]
    np.testing.assert_allclose(numbers(often, "reset")[:2], outcome.solutions["density"].rate, rtol=1e-4)
    assert "in the box" not in often
    write(problem, [outcome], table([outcome]), tmp_path / "out", lambda text, share: None)


def test_noise_is_sigma(tmp_path):
    problem = problem_of(tmp_path, relaxation(100), ("diffusion = 0.5", 'noise = "1 + 0*x"'))
    assert fp.stationary(problem.cases[0].models["density"], problem.grid, error=False).covariance()[0, 0] == (
        pytest.approx(0.5, rel=1e-3)
    )


def test_the_run_file_of_the_page(tmp_path):
    """Killed at 0.05 max(x, 0): less than exp(-0.05 t) cannot be lost by one that stays near 1, and nothing is left at rest."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "run_files.md").read_text(encoding="utf-8")
    text = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]
    outcome = compute(problem_of(tmp_path, text))[0]
    left, share = outcome.answers[:2]
    early, late = numbers(left, "share of")
    assert 0.99 < early < 1.0
    assert 0.8 < late < early
    assert share.startswith("At t = 1 and 10 P(x > 0) = ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ((TIMES, TIMES + '\nshares = ["y > 0"]'), "`output.shares` must be in the names x"),
        ((TIMES, TIMES + '\ntarget = "x + 1"'), "`output.target`"),
        (("diffusion = 0.5", "diffusion = 0.5\nscale = 2"), "`equation.scale` must be left out without stability"),
        (
            ("diffusion = 0.5", "diffusion = 0.5\njumps = { rate = 1 }"),
            "`equation.jumps` must be given one of covariance",
        ),
        (
            ("diffusion = 0.5", "diffusion = 0.5\njumps = { rate = -1, covariance = 1 }"),
            "`equation.jumps.rate` must be a finite number not below 0",
        ),
        (
            ("diffusion = 0.5", 'diffusion = 0.5\njumps = { rate = 1, distribution = "no" }'),
            "`equation.jumps.distribution` must be a distribution of scipy.stats",
        ),
        (("diffusion = 0.5", "diffusion = 0.5\nstability = 3"), "`equation.stability` must be"),
        (("diffusion = 0.5", "diffusion = 0.5\ntime_order = 2"), "`equation.time_order` must be"),
        (("diffusion = 0.5", "diffusion = 0.5\nreactivity = { top = 1 }"), "`equation.reactivity` must be for walls"),
        (('"-x"', '"-x + s"'), "`equation.drift` must be in the names"),
        (('"-x"', '"1 if x > 0 else -1"'), "got 'if' at column 1. Write max"),
        (('"-x"', '"(x > 0) - x"'), "got a comparison at column 2. Write max"),
        (("diffusion = 0.5", "sigma = 0.5"), "got 'sigma'. Did you mean 'noise'"),
        (("diffusion = 0.5", "diffusion = 0.5\nmemory = 0.8"), "Did you mean 'time_order'"),
        (("diffusion = 0.5", "diffusion = 0.5\nlevy = 1.5"), "Did you mean 'stability'"),
        (("diffusion = 0.5", "diffusion = 0.5\njumps = 2.0"), "Such as . rate = 2.0, covariance = 0.25"),
        (
            ("diffusion = 0.5", "diffusion = 0.5\njumps = { rat = 2.0, covariance = 1.0 }"),
            "one of covariance, distribution, kernel, parameters, rate, sizes, weights, got 'rat'",
        ),
        ((TIMES, "T = 5"), "Did you mean 'times'"),
        ((TIMES, TIMES + '\nshares = ["x > 0 && x < 1"]'), "Write `and` for &&"),
        ((TIMES, TIMES + '\nshares = ["x = 1"]'), "Compare by < <= > >="),
        (("mean = 1.0", "x0 = 1.0"), "Did you mean 'point'"),
        (("[output]", "[reset]\npoint = 0\n[output]"), "`reset` must be left out where nothing leaves the box"),
        (("[output]", "[reset]\n[output]"), "`reset` must be mean with deviation"),
        (('"-x"', "-x"), "Formulas and words stand in quotes"),
    ],
)
def test_mistakes(tmp_path, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        problem_of(tmp_path, relaxation(100), change)
