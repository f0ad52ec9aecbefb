"""What run files ask of an equation besides: sources, periods, paths, interactions, how it is solved."""

import re
from pathlib import Path

import numpy as np
import pytest
from run_files import relaxation

import fokkerplanck as fp
from fokkerplanck.workflows.run import build, compute, table, write
from fokkerplanck.workflows.run_report import verdicts
from fokkerplanck.workflows.runfile import checked, read_run_file

TIMES = "times = [0.5, 1]"
START = "[start]\nmean = 1.0\ndeviation = 0.3\n"


def problem_of(tmp_path, text, *changes):
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "run.toml").write_text(text)
    return build(read_run_file(tmp_path / "run.toml"))


def numbers(sentence, after):
    """Those that follow a word in a sentence."""
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", sentence.split(after)[1])]


def test_a_source_into_an_empty_box(tmp_path):
    """Killed at the rate 0.7: the mass is s (1 - exp(-0.7 t)) / 0.7."""
    source = (START, "[source]\nrate = 1.4\nmean = 0.0\ndeviation = 1.0\n")
    problem = problem_of(
        tmp_path, relaxation(100), source, ("diffusion = 0.5", "diffusion = 0.5\nkilling = 0.7"),
        (TIMES, TIMES + '\nobserve = { square = "x**2" }'),
    )  # fmt: skip
    outcome = compute(problem)[0]
    right = 2.0 * (1.0 - np.exp(-0.7 * np.array([0.5, 1.0])))
    np.testing.assert_allclose(outcome.solutions["density"].mass, right, rtol=1e-5)
    (fed,) = [a for a in outcome.answers if "put in" in a]
    np.testing.assert_allclose(numbers(fed, "in the box is")[:2], right, rtol=1e-4)
    np.testing.assert_allclose(numbers(fed, "put in, and"), 0.7 * right, rtol=1e-4)
    (rest,) = [a for a in outcome.answers if a.startswith("At rest the mass")]
    assert numbers(rest, "box is")[0] == pytest.approx(2.0, rel=1e-6)
    (square,) = [a for a in outcome.answers if a.startswith("At t") and "integral of square" in a]
    np.testing.assert_allclose(
        numbers(square, "density is")[:2], outcome.solutions["density"].observed["square"], rtol=1e-4
    )
    write(problem, [outcome], table([outcome]), tmp_path / "out", lambda text, share: None)


def test_a_source_by_a_formula_and_a_tolerance(tmp_path):
    """dp/dt = D p'' + s between absorbing walls: at rest s x (1 - x) / 2 D, of mass s / 12 D."""
    problem = problem_of(
        tmp_path, relaxation(), (START, '[source]\ndensity = "2 + 0*x"\n'), ('"-x"', "0"),
        ("bounds = [-4, 4]", 'bounds = [0, 1]\nboundary = "absorbing"'), ("cells = [40]", "tol = 1e-3"),
    )  # fmt: skip
    outcome = compute(problem)[0]
    assert outcome.stationary["density"].mass == pytest.approx(2 / 6, rel=2e-3)


def test_a_source_that_repeats(tmp_path):
    """m' = 1 + sin(2 pi t) - 0.7 m: about 1 / 0.7, by 1 / sqrt(0.7^2 + (2 pi)^2)."""
    changes = (START, '[source]\nrate = "1 + sin(2*pi*t)"\nmean = 1.0\ndeviation = 0.3\n'), (
        "diffusion = 0.5", "diffusion = 0.5\nkilling = 0.7\nperiod = 1",
    )  # fmt: skip
    outcome = compute(problem_of(tmp_path, relaxation(100), *changes))[0]
    (mass,) = [a for a in outcome.answers if a.startswith("Over a period of 1 the mass")]
    low, _, high = numbers(mass, "box is from")[:3]
    assert (low, high) == pytest.approx((1 / 0.7 - 0.15818, 1 / 0.7 + 0.15818), abs=1e-3)
    assert "1 on average" in mass
    without = compute(
        problem_of(tmp_path, relaxation(40), changes[0], ("diffusion = 0.5", "diffusion = 0.5\nkilling = 0.7"))
    )[0]
    assert any("coefficients change with time" in note for note in without.notes)
    by_formula = (START, '[source]\ndensity = "exp(-x**2)*exp(-t)/sqrt(pi)"\n')
    found = compute(problem_of(tmp_path, relaxation(100), by_formula))[0].solutions["density"]
    assert found.mass == pytest.approx(1 - np.exp(-found.times), rel=1e-5)


def test_a_density_that_repeats(tmp_path):
    """The mean of x' = -x + cos(2 t) is (cos(2 t) + 2 sin(2 t)) / 5, of size 1 / sqrt(5); the deviation rests."""
    changes = ('"-x"', '"-x + cos(2*t)"'), ("diffusion = 0.5", 'diffusion = 0.5\nperiod = "pi"')
    problem = problem_of(tmp_path, relaxation(200), *changes, (TIMES, TIMES + '\nshares = ["x > 0"]'))
    outcome = compute(problem)[0]
    moments, share = [a for a in outcome.answers if a.startswith("Over a period of 3.1416")]
    low, early, high, late, error = numbers(moments, "mean from")[:5]
    assert (-low, high) == pytest.approx((5**-0.5, 5**-0.5), abs=3 * error)
    assert abs(high - 5**-0.5) < error < 2e-3
    assert (early - late) % np.pi == pytest.approx(np.pi / 2, abs=0.2)
    assert numbers(moments, "deviation")[0] == pytest.approx(0.5**0.5, rel=2e-3)
    assert share.startswith("Over a period of 3.1416 P(x > 0) is from ")
    assert not outcome.notes
    names = {p.name for p in write(problem, [outcome], table([outcome]), tmp_path / "out", lambda text, share: None)}
    assert "period.png" in names


def test_paths_beside_the_density_of_an_equation(tmp_path):
    """Killed where x > 0: the paths that are left agree, and they are as many."""
    problem = problem_of(
        tmp_path, relaxation(200), ("diffusion = 0.5", 'diffusion = 0.5\nkilling = "0.8*relu(x)"'),
        ("[output]", "[simulation]\npaths = 3000\nseed = 3\ndt = 0.01\n[output]"),
    )  # fmt: skip
    outcome = compute(problem)[0]
    said = verdicts(outcome, problem.grid)
    assert said == [f"t = {t:g}: density agrees with the simulated paths within 3 standard errors." for t in (0.5, 1)]
    (left,) = [a for a in outcome.answers if a.startswith("Of 3000 simulated paths")]
    early, se, late, _ = numbers(left, "share of")[:4]
    np.testing.assert_allclose([early, late], outcome.solutions["density"].mass, atol=4 * se)
    assert {row[1] for row in outcome.comparison.rows} == {"density", "simulation"}
    write(problem, [outcome], table([outcome]), tmp_path / "out", lambda text, share: None)
    saved = fp.load(tmp_path / "out" / "density_simulation.nc")
    np.testing.assert_allclose(saved.mass, [early, late], atol=1e-3)


def test_a_wrong_density_is_told_from_its_paths(tmp_path):
    """With the diffusion of another equation the verdict has to say so."""
    problem = problem_of(tmp_path, relaxation(100), ("[output]", "[simulation]\npaths = 3000\ndt = 0.01\n[output]"))
    case = problem.cases[0]
    outcome = compute(problem)[0]
    other = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.8)
    outcome.solutions["density"] = fp.solve(other, problem.grid, problem.p0, [0.5, 1.0])
    from fokkerplanck.workflows.outcome import compared

    outcome.comparison = compared(outcome, [0.5, 1.0])
    assert all("standard errors in the deviation" in s for s in verdicts(outcome, problem.grid)), case


def test_the_neuron_of_the_page(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "howto" / "run_files.md").read_text(encoding="utf-8")
    text = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[1]
    outcome = compute(problem_of(tmp_path, text))[0]
    assert "agrees with the simulated paths" in verdicts(outcome, outcome.solutions["density"].grid)[1]
    (often,) = [a for a in outcome.answers if a.startswith("A simulated path is reset")]
    eq, box = (
        fp.FokkerPlanck(drift=lambda v: 0.8 - v, diffusion=0.1),
        fp.Grid((-2, 1), 200, ("reflecting", "absorbing")),
    )
    sol = fp.solve(eq, box, fp.point(0.0), np.linspace(0, 4.9, 246)[1:], reset=fp.point(0.0), delay=0.1, error=False)
    assert numbers(often, "reset")[2] == pytest.approx(0.02 * (sol.rate.sum() - 0.5 * sol.rate[-1]), rel=0.06)


@pytest.mark.parametrize(
    ("interaction", "given"),
    [
        ("{ swarm = 1.5 }", fp.Swarm(1.5)),
        ('{ observe = ["x"], force = "1.5*(m1 - x)" }', fp.Swarm(1.5)),
        ('{ pair_force = "-x", strength = 1.5 }', fp.PairForce(lambda z: -z, strength=1.5)),
        ('{ pair_potential = "x**2/2", strength = 1.5 }', fp.PairForce(lambda z: -z, strength=1.5)),
        ('{ observe = ["x", "x**2"], diffusion = "0.3*(m2 - m1**2)" }',
         fp.MeanField(lambda x: [x, x**2], diffusion=lambda x, m: 0.3 * (m[1] - m[0] ** 2) + 0 * x)),
    ],
)  # fmt: skip
def test_interactions(tmp_path, interaction, given):
    problem = problem_of(tmp_path, relaxation(60), ("[grid]", f"interaction = {interaction}\n[grid]"))
    outcome = compute(problem)[0]
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=given)
    right = fp.solve(eq, fp.Grid((-4, 4), 60), fp.gaussian(1.0, 0.3), [0.5, 1.0], error=False)
    assert outcome.solutions["density"].covariance() == pytest.approx(right.covariance(), rel=2e-3)


def test_pair_forces_in_the_plane(tmp_path):
    text = (
        relaxation(24)
        .replace('["x"]', '["x", "y"]')
        .replace('"-x"', '["-x", "-y"]')
        .replace("[-4, 4]", "[[-4, 4], [-4, 4]]")
    )
    text = text.replace("cells = [24]", "cells = [24, 24]").replace("mean = 1.0", "mean = [1.0, 0.0]")
    problem = problem_of(tmp_path, text, ("[grid]", 'interaction = { pair_force = ["-x", "-2*y"] }\n[grid]'))
    sol = compute(problem)[0].solutions["density"]
    variance = [0.5 / k + (0.09 - 0.5 / k) * np.exp(-2 * k) for k in (2.0, 3.0)]
    assert np.abs(np.diag(sol.covariance()[-1]) - variance).max() < 1.5 * sol.error["covariance"][-1].max()


def test_starts_by_a_formula_and_by_samples(tmp_path):
    by_formula = problem_of(
        tmp_path, relaxation(200), ("mean = 1.0\ndeviation = 0.3", 'density = "exp(-(x - 1)**2/0.18)/sqrt(0.18*pi)"'),
        ("[output]", "[simulation]\npaths = 3000\nseed = 1\ndt = 0.01\n[output]"),
    )  # fmt: skip
    outcome = compute(by_formula)[0]
    assert outcome.solutions["density"].mean()[:, 0] == pytest.approx(np.exp([-0.5, -1.0]), rel=1e-3)
    assert outcome.ensemble.mean()[:, 0] == pytest.approx(np.exp([-0.5, -1.0]), abs=0.05)
    points = problem_of(tmp_path, relaxation(200), ("mean = 1.0\ndeviation = 0.3", "samples = [0.5, 2.5]"))
    assert compute(points)[0].solutions["density"].mean()[0, 0] == pytest.approx(1.5 * np.exp(-0.5), rel=1e-3)


def test_how_it_is_solved(tmp_path):
    problem = problem_of(
        tmp_path,
        relaxation(60),
        ("[output]", '[solver]\nmethod = "uniformization"\nrtol = 1e-8\nerror = false\n[output]'),
    )
    sol = compute(problem)[0].solutions["density"]
    assert (sol.method, sol.settings["rtol"], bool(sol.error)) == ("uniformization", 1e-8, False)
    text, driven = relaxation(60), ('"-x"', '"-x + cos(2*t)"')
    plain, cut = (
        compute(problem_of(tmp_path, text, driven, ("[output]", f"{solver}\n[output]")))[0].solutions["density"].stats
        for solver in ("[solver]", "[solver]\nmax_step = 0.01\nbreaks = [0.3]")
    )
    assert cut.pieces >= 100 > plain.pieces


def test_a_target_that_moves(tmp_path):
    problem = problem_of(tmp_path, relaxation(200), (TIMES, TIMES + '\ntarget = "x > 1.5 + exp(-t)"'))
    outcome = compute(problem)[0]
    assert not outcome.notes
    found = numbers(outcome.answers[-1], "after")[0]
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    right = fp.first_passage(eq, problem.grid, lambda x, t: x > 1.5 + np.exp(-t)).mean(fp.gaussian(1.0, 0.3))
    assert found == pytest.approx(right, rel=1e-4)


def test_what_a_run_says_is_kept_in_its_result(tmp_path):
    changes = (
        (START, "[source]\nrate = 1.4\npoint = 0.0\n"),
        ("diffusion = 0.5", 'diffusion = 0.5\nkilling = 0.7\nperiod = "pi"'),
    )
    problem = problem_of(tmp_path, relaxation(40), *changes, ("[output]", "[solver]\nrtol = 1e-5\n[output]"))
    again = checked(problem.record)
    assert again == problem.spec


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("[start]", "[source]\npoint = 1\n[start]"), "`source.rate` must be given beside where it enters"),
        (("[start]", "[source]\nrate = 1\n[start]"), "`source` must be mean with deviation"),
        (("[start]", "[source]\nrate = -1\npoint = 1\n[start]"), "`source` must be a rate above 0"),
        (("[start]", '[source]\ndensity = "x"\n[start]'), "`source` must be finite and nowhere negative"),
        ((START, ""), "`start` must be given, or a .source. into an empty box"),
        (("[output]", "[simulation]\npaths = 5\n[output]"), "`simulation.dt` must be given with .equation."),
        (("[output]", "[simulation]\ndt = -1\n[output]"), "`simulation.dt` must be a positive number"),
        (("[start]", "[simulation]\ndt = 0.1\n[source]\nrate = 1\npoint = 0\n[start]"), "`simulation` must be left out with"),
        (("diffusion = 0.5", 'diffusion = 0.5\nperiod = "-pi"'), "`equation.period` must be a positive number"),
        (("diffusion = 0.5", "diffusion = 0.5\ninteraction = { swrm = 1 }"), "one of diffusion, .*Did you mean 'swarm'"),
        (("diffusion = 0.5", "diffusion = 0.5\ninteraction = { swarm = 1, strength = 2 }"), "must be left out beside swarm"),
        (("diffusion = 0.5", "diffusion = 0.5\ninteraction = { }"), "`equation.interaction` must be given one of swarm"),
        (("diffusion = 0.5", 'diffusion = 0.5\ninteraction = { observe = ["x"] }'), "`equation.interaction.force` must be"),
        (("[output]", '[solver]\nmethod = "chebishev"\n[output]'), "`solver.method` must be .*Did you mean 'chebyshev'"),
        (("[output]", "[solver]\nmax_step = 0.1\n[output]"), "`solver.max_step` must be None where no coefficient"),
        ((TIMES, TIMES + '\nobserve = { energy = "y" }'), "`output.observe.energy` must be in the names x"),
        ((TIMES, TIMES + '\ntarget = "x > s"'), "`output.target` must be in the names x"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        compute(problem_of(tmp_path, relaxation(40), change))
