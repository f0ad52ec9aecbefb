"""What run files ask beside densities in time: equations with memory, jumps and time, shares at rest, passages."""

import numpy as np
import pytest
from run_files import relaxation, two_datapoints

import fokkerplanck as fp
from fokkerplanck.workflows.run import build, compute
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
    rest, share, passage = outcome.answers
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
    assert any(note.startswith("no stationary density") for note in outcome.notes)
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


def test_what_has_no_answer_is_a_note(tmp_path):
    change = ("diffusion = 0.5", "diffusion = 0.5\ntime_order = 0.7"), (TIMES, TIMES + '\ntarget = "x > 2"')
    outcome = compute(problem_of(tmp_path, relaxation(100), *change))[0]
    assert any(note.startswith("density: no passage to x > 2: `time_order` must be 1") for note in outcome.notes)


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
    ],
)
def test_mistakes(tmp_path, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        problem_of(tmp_path, relaxation(100), change)
