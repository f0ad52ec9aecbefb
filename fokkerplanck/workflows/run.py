"""From a run file to densities, a table and figures: what `fokkerplanck run` does, without the terminal."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import did_you_mean, takes_time
from ..errors import ConvergenceError, bad_value, printable
from ..formulas.parser import parse
from ..model.box import Box
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..passages import first_passage
from ..queries import solve, stationary
from ..results.open_solution import OpenSolution
from ..results.solution import Solution
from ..results.stats import SolutionStats
from ..solvers.accuracy.refinement import FIRST
from ..solvers.discretization.scharfetter_gummel import generators_kept
from ..storage.files import staging_folder, uninterrupted, write_text
from ..storage.netcdf import save_solution
from ..storage.tables import Comparison, exact
from .add_answers import add_answers, noting
from .answers import conditions, observed_of, target_of
from .choose_cells import grid_within
from .equation_section import interaction_of, jumps_of, plain, read_formulas
from .outcome import Case, Outcome, Problem, Report, compared
from .put_in import entering_of, start_of
from .run_report import chain_notes
from .runfile import RunFile, naming
from .schema import Descent, Equation, GridSection, Landscape
from .simulated import add_paths

if TYPE_CHECKING:
    from ..results.ensemble import Ensemble
    from ..sgd import SGD, SampleLoss


CHAINS = ("exact", "gaussian-chain")


MODEL_SETTINGS = (
    "temperature", "stability", "scale", "time_order", "strength", "anisotropic", "drift", "central_flow",
)  # fmt: skip


CURVE_POINTS = {1: 40, 2: 15, 3: 0}  # times at which moments are drawn between the output times, by dimension


def build(run: RunFile) -> Problem:
    """Grid, start and equations of a run file; everything that can be refused is refused here or on the first solve."""
    problem = described(run)
    tol = run.spec.grid.tol
    return problem if tol is None else dataclasses.replace(problem, grid=grid_within(problem, tol))


def described(run: RunFile) -> Problem:
    """As `build`; where a tolerance is asked for, on the cells with which the search for a grid begins."""
    spec = run.spec
    grid = _grid(spec.grid, spec.variables)
    p0, entering = start_of(spec), entering_of(spec)
    conditions(spec.output.shares, spec.variables, "output.shares")  # refuses what is none
    target_of(spec)
    observed_of(spec)
    value: Callable | None
    if spec.landscape is not None:
        value, cases = _descent_cases(run, spec.landscape, grid)
    else:
        assert spec.equation is not None
        value, cases = _equation_case(spec.equation)
        eq = cases[0].models["density"]
        if spec.reset is not None and not (grid.absorbs or (eq is not None and eq.ends_paths)):
            then = 'Make a wall absorbing, such as boundary = ["reflecting", "absorbing"], or give a killing rate.'
            raise bad_value("reset", "left out where nothing leaves the box", "a table [reset]", then)
    return Problem(spec, grid, p0, spec.variables, value, cases, run.record(), entering)


def _grid(box: GridSection, variables: tuple[str, ...]) -> Grid:
    count = len(variables)
    with naming(bounds="grid.bounds", cells="grid.cells", boundary="grid.boundary", width="grid.width"):
        if box.tol is not None:
            grid = Box(box.bounds, box.boundary).divided(FIRST[min(count, 3)])
        elif box.width is None:
            grid = Grid(box.bounds, box.cells, box.boundary)
        else:
            width = parse(box.width, variables, name="grid.width")
            grid = Grid.graded(box.bounds, plain(width), box.boundary)
    if grid.dim != count:
        raise bad_value("grid.bounds", f"{count} pair(s), one for each of {', '.join(variables)}", box.bounds)
    return grid.named(variables)


def _descent_cases(run: RunFile, landscape: Landscape, grid: Grid) -> tuple[Callable, list[Case]]:
    from ..sgd import SampleLoss

    settings = run.spec.sgd
    assert settings is not None
    words = {"formula": "landscape.loss", "names": "landscape.parameters", "parameters": "landscape.parameters"}
    with naming(**words, data="landscape.data", columns="landscape.columns"):
        loss = SampleLoss(landscape.loss, list(landscape.parameters), run.data())
    cases = []
    for rate in settings.learning_rate:
        with naming(**settings_keys("output"), learning_rate="sgd.learning_rate", batch_size="sgd.batch_size"):
            sgd = descent(loss, rate, settings.batch_size, settings)
            models, notes = {}, list[str]()
            for name in run.spec.output.models:
                with noting(notes, name):
                    models[name] = model_of(sgd, name, run.spec.output, grid)
            cases.append(Case(rate, models, sgd, tuple(notes)))
    decayed = loss.with_weight_decay(settings.weight_decay)
    return (lambda *coordinates: decayed.value(*coordinates[: loss.dim])), cases


def descent(loss: SampleLoss, rate: float, batch: int | None, settings: Descent) -> SGD:
    """SGD with this learning rate and batch size, and the other settings of [sgd]."""
    from ..sgd import SGD

    words = ("replacement", "shuffle", "momentum", "weight_decay", "schedule", "langevin_temperature")
    with naming(**{word: f"sgd.{word}" for word in words}):
        return SGD(loss, rate, batch, **{word: getattr(settings, word) for word in words})


def model_of(sgd: SGD, name: str, settings: Any, grid: Grid) -> FokkerPlanck | None:
    """The equation of a model that a run file names, or None for the transfer operators."""
    from ..sgd.diffusion_models import VALID_WHEN

    if name in CHAINS:
        return None
    known = (*VALID_WHEN, *CHAINS)
    if name not in known and name != "central-flow":
        then = did_you_mean(name, known, cutoff=0.4)
        raise bad_value("model", f"one of {', '.join(map(repr, known))}", name, then)
    return sgd.equation(name, **model_settings(name, settings, grid))


def model_settings(name: str, section: Any, grid: Grid) -> dict[str, Any]:
    """What a table of a run file says on the settings of a model of SGD, as arguments of `SGD.equation`."""
    from ..sgd.diffusion_models import USES

    given = {key: getattr(section, key, None) for key in USES.get(name, set())}
    measured = name == "langevin" and given["temperature"] is None
    if measured or (given.get("anisotropic") and given["scale"] is None):
        given["box"] = grid
    return {key: value for key, value in given.items() if value is not None}


def settings_keys(section: str) -> dict[str, str]:
    """What the settings of models are called in a table of a run file, for `naming`."""
    return {"model": f"{section}.models"} | {name: f"{section}.{name}" for name in MODEL_SETTINGS}


def _equation_case(equation: Equation) -> tuple[Callable | None, list[Case]]:
    names = equation.variables

    def read(key: str) -> Any:
        return read_formulas(getattr(equation, key), names, f"equation.{key}")

    potential = read("potential")
    words = ("convention", "diffusion", "noise", "time_order", "stability", "scale", "jumps", "killing", "reactivity")
    laws = {word: f"equation.jumps.{word}" for word in ("rate", "law", "weights", "distribution", "parameters")}
    with naming(**{word: f"equation.{word}" for word in words} | laws):
        if equation.stability is None and equation.scale is not None:
            raise bad_value("scale", "left out without stability", equation.scale, "It is that of Levy jumps.")
        eq = FokkerPlanck(
            drift=read("drift"),
            diffusion=0.0 if equation.diffusion is None and equation.noise is None else read("diffusion"),
            noise=read("noise"),
            potential=potential,
            convention=equation.convention,
            time_order=equation.time_order,
            jumps=jumps_of(equation),
            killing=read("killing"),
            reactivity=equation.reactivity,
            interaction=interaction_of(equation),
            names=names,
        )
    return None if potential is not None and takes_time(potential) else potential, [Case(None, {"density": eq})]


def compute(problem: Problem, report: Report = lambda text, share: None) -> list[Outcome]:
    """Solve every case, and simulate it where it is SGD.

    Parameters
    ----------
    problem : Problem
    report : callable (text, share), optional
        Told what is being done and how much of the whole is done.
    """
    outcomes = []
    for i, case in enumerate(problem.cases):
        prefix = f"{case.label}: " if case.label else ""

        def part(text: str, share: float, done: float = i / len(problem.cases), prefix: str = prefix) -> None:
            report(prefix + text, done + share / len(problem.cases))

        outcome = solved(problem, case, part, CURVE_POINTS[problem.grid.dim])
        outcome.comparison = compared(outcome, problem.spec.output.times)
        outcomes.append(outcome)
    return outcomes


def solved(problem: Problem, case: Case, report: Report, between: int) -> Outcome:
    """The densities of one case at the output times, its curves at so many times more, and its simulation."""
    outcome = Outcome(case, {}, {}, notes=list(case.notes))
    for k, model in enumerate(case.models):

        def part(share: float, model: str = model, k: int = k) -> None:
            report(model, 0.5 * (k + share) / len(case.models))

        try:
            with generators_kept():
                _compute_model(problem, outcome, model, part, between)
        except ConvergenceError as error:
            if len(case.models) == 1:
                raise
            outcome.notes.append(f"{model} is left out: {error}")
    if not outcome.solutions:
        raise ConvergenceError("; ".join(outcome.notes))
    add_paths(problem, outcome, report)
    return outcome


def _compute_model(
    problem: Problem, outcome: Outcome, model: str, report: Callable[[float], None], between: int
) -> None:
    """Density of a model at the output times and between them, and its stationary density."""
    spec, grid, case = problem.spec, problem.grid, outcome.case
    times = np.array(spec.output.times)
    many = _curve_times(times, between, whole=case.sgd is not None)
    eq = case.models[model]
    place = "landscape.loss" if spec.landscape else "equation.drift"
    spread = "landscape.loss" if spec.landscape else "equation.diffusion"
    words = {"drift": place, "diffusion": spread, "times": "output.times", "steps": "output.times"}
    words |= {"p0": "start", "reset": "reset", "delay": "reset.delay"} | {
        key: f"equation.{key}" for key in ("noise", "killing", "reactivity")
    }
    words |= {key: f"solver.{key}" for key in ("method", "rtol", "breaks", "max_step")}
    words |= {"source": "source", "period": "equation.period", "interaction": "equation.interaction"}
    measure = spec.solver.error
    report(0.0)
    question: Callable[..., Any]
    with noting(outcome.notes, model), naming(**words):
        if eq is None:
            assert case.sgd is not None
            operator = case.sgd.transfer_operator(grid, model)
            operator.applications(spec.output.times)  # refuses what is within an epoch
            many = np.union1d(times, operator.steps * np.round(many / operator.steps))  # ends of epochs
            sol, question = operator.evolve(problem.p0, many.astype(int)), operator.stationary
        else:
            more = {**problem.how, **problem.entering}
            sol = solve(eq, grid, problem.p0, many, progress=report, observe=observed_of(spec), error=measure, **more)
            question = _at_rest(problem, eq)
    outcome.curves[model] = sol
    outcome.solutions[model] = _at_times(sol, times)
    if eq is not None and "temperature_at" in eq.settings:
        where = ", ".join(f"{x:.6g}" for x in eq.settings["temperature_at"])
        outcome.notes.append(
            f"{model}: temperature {eq.settings['temperature']:.3g}, of the noise at ({where}), "
            "where the loss is smallest in the box."
        )
    if eq is None:
        outcome.notes += [f"{model}: {note}" for note in chain_notes(outcome.solutions[model])]
    ask: Callable[..., Any] = (
        partial(first_passage, eq, grid, error=measure) if eq is not None else operator.first_passage
    )
    add_answers(problem, outcome, model, question, ask)


def _at_rest(problem: Problem, eq: FokkerPlanck) -> Callable[..., Any]:
    """The question for the density at rest, or for the one that repeats."""
    spec, again = problem.spec, dict(problem.entering)
    if spec.equation is not None and spec.equation.period is not None:
        again["period"] = spec.equation.period
        again |= {key: problem.how[key] for key in ("breaks", "max_step") if key in problem.how}
    question = partial(stationary, eq, problem.grid, error=spec.solver.error, **again)
    # with an interaction the state, of several, that the run leads to
    return question if eq.interaction is None or again else partial(question, problem.p0)


def _curve_times(times: np.ndarray, count: int, whole: bool) -> np.ndarray:
    """The output times and some between them; whole numbers where steps are counted."""
    late = times[times > 0.0]
    if late.size == 0 or count == 0:
        return times
    extra = np.geomspace(min(1.0, late[0]), late[-1], count)
    extra = np.round(extra) if whole else extra
    far = np.abs(extra[:, None] - late).min(axis=1) > 1e-3 * extra
    return np.unique(np.concatenate([times, extra[far]]))


def _at_times(sol: Solution, times: np.ndarray) -> Solution:
    index = [sol.index(t) for t in times]
    observed = {name: values[index] for name, values in sol.observed.items()}
    atoms = {x: masses[index] for x, masses in sol.atoms.items()}
    more: dict[str, Any] = {"observed": observed, "atoms": atoms, "error": sol.error.at(index)}
    if isinstance(sol, OpenSolution):
        rates = {name: part[index] for name, part in sol.rates.items()}
        more |= {"rate": sol.rate[index], "rates": rates, "supplied": sol.supplied[index]}
    return dataclasses.replace(sol, times=times, density=sol.density[index], **more)


def table(outcomes: list[Outcome]) -> Comparison:
    """Moments and distances of all cases, SGD being the reference; the learning rate is the first column."""
    parts = [outcome.comparison for outcome in outcomes if outcome.comparison is not None]
    if outcomes[0].case.rate is None:
        return parts[0]
    rows = tuple((o.case.rate, *row) for o, part in zip(outcomes, parts, strict=True) for row in part.rows)
    first = parts[0]
    return Comparison(("learning_rate", *first.columns), rows, first.note, ("learning_rate", *first.keys))


def write(problem: Problem, outcomes: list[Outcome], tab: Comparison, folder: Path, report: Report) -> list[Path]:
    """Densities, table and figures in a folder; a figure that cannot be drawn is left out with a note, the rest stays."""
    with staging_folder(folder) as staging:
        report("writing", 0.0)
        save_table(tab, staging)
        answers = [answer for outcome in outcomes for answer in outcome.told]
        if answers:
            write_text(staging / "answers.txt", "\n".join(answers) + "\n")
        for outcome in outcomes:
            _save_densities(problem, outcome, staging)
        drawings = _all_drawings(problem, outcomes)
        for i, (name, draw) in enumerate(drawings.items()):
            report(f"drawing {name}", i / len(drawings))
            reason = _draw(draw, staging / name)
            if reason:
                outcomes[0].notes.append(f"{name} could not be drawn: {reason}")
        left_out = {name for name in drawings if not (staging / name).exists()}
        return _move(staging, folder, left_out)


def _save_densities(problem: Problem, outcome: Outcome, folder: Path) -> None:
    results = dict(outcome.solutions)
    if outcome.ensemble is not None:
        results[outcome.reference] = _histogram(outcome.ensemble, problem.grid)
    for model, sol in results.items():
        record = {"run_file": problem.record, "learning_rate": outcome.case.rate, "model": model}
        kept = dataclasses.replace(sol, settings={**sol.settings, **record})
        save_solution(kept, folder / _density_name(outcome, model))


def _all_drawings(problem: Problem, outcomes: list[Outcome]) -> dict[str, Callable[[], Any]]:
    drawings: dict[str, Callable[[], Any]] = {}
    if problem.grid.dim < 3:
        drawings["landscape.png"] = lambda: _landscape(problem, outcomes)
    for outcome in outcomes:
        suffix = f"_{exact(outcome.case.rate)}" if len(outcomes) > 1 and outcome.case.rate is not None else ""
        drawings |= _drawings(problem, outcome, suffix)
    return drawings


def _draw(draw: Callable[[], Any], path: Path) -> str:
    """Save a figure, or say why not: what its libraries raise on odd data is no reason to lose the numbers."""
    from ..results import figures

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a title in letters that the font lacks
        warnings.filterwarnings("ignore", ".* paths diverged")  # which the verdicts say
        try:
            figures.save_figure(draw(), path)
        except OSError:  # a full disk
            raise
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return ""


def room(problem: Problem) -> float:
    """Bytes that the files of a run will take, at most: densities and currents, and figures."""
    grid, output = problem.grid, problem.spec.output
    densities = len(problem.cases) * len(output.models) * len(output.times)
    return 8.0 * grid.size * (1 + grid.dim) * densities + 1e6 * (1 + 3 * len(problem.cases))


def save_table(tab: Comparison, folder: Path) -> None:
    """table.csv and table.md."""
    tab.save_csv(str(folder / "table.csv"))
    write_text(folder / "table.md", tab.to_markdown())


def _density_name(outcome: Outcome, model: str) -> str:
    parts = ["density"] if outcome.case.rate is None else ["density", exact(outcome.case.rate)]
    named = len(outcome.case.models) > 1 or model == outcome.reference
    return "_".join(parts + ([model] if named else [])) + ".nc"


def _histogram(ensemble: Ensemble, grid: Grid) -> Solution:
    """The paths counted in the cells of the grid; its mass is the share of the paths inside the box."""
    density = ensemble.density(grid)
    stats = SolutionStats(n_paths=ensemble.n_paths, seed=ensemble.seed, diverged=ensemble.diverged)
    settings = {**ensemble.settings, "seed": ensemble.seed}
    text = f"{ensemble.n_paths} simulated paths"
    return Solution(grid, ensemble.times, density, "simulation", stats, message=text, settings=settings)


def _drawings(problem: Problem, outcome: Outcome, suffix: str) -> dict[str, Callable[[], Any]]:
    from ..results import figures as plotting

    value = problem.value
    title = ", ".join(part for part in (problem.spec.title, outcome.case.label) if part)
    title = printable(title).replace("$", r"\$")  # text, no formula of matplotlib
    shown, paths = outcome.solutions, outcome.ensemble
    drawings = {
        f"evolution{suffix}.png": lambda: plotting.plot_evolution(shown, paths, landscape=value, title=title),
        f"moments{suffix}.png": lambda: plotting.plot_moments(outcome.curves, paths, title),
    }
    rest, repeating = outcome.stationary, outcome.repeating
    if repeating:
        over = f"{title}, over a period" if title else "over a period"
        drawings[f"period{suffix}.png"] = lambda: plotting.plot_evolution(repeating, landscape=value, title=over)
    if rest:
        one: Any = rest if len(outcome.case.models) > 1 else next(iter(rest.values()))
        drawings[f"stationary{suffix}.png"] = lambda: plotting.plot_stationary(
            one, landscape=value, ensemble=paths, title=title
        )
    return drawings


def _landscape(problem: Problem, outcomes: list[Outcome]) -> Any:
    from ..results import figures as plotting

    equations = {o.case.label: o.case.noise for o in outcomes}
    masses = [next(iter(o.solutions.values())).masses for o in outcomes]
    box = plotting.window(problem.grid, np.concatenate(masses), margin=0.25)
    unit = "time" if outcomes[0].ensemble is None else "step"
    return plotting.plot_landscape(problem.value, equations, problem.grid, box=box, unit=unit)


def _move(staging: Path, folder: Path, left_out: set[str]) -> list[Path]:
    """Put the finished files in place; into a folder that exists, each replaces the file of its name."""
    names = sorted(os.listdir(staging))
    folder.mkdir(exist_ok=True)
    with uninterrupted():
        for name in names:
            os.replace(staging / name, folder / name)
        for name in left_out:  # an old figure would stand beside new numbers
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in names]
