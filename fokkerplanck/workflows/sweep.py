"""The study: models of SGD compared with SGD itself over learning rates and batch sizes.

For each setting the exact transfer operator gives the density of SGD and its escape time, a simulation checks it, and
each model's distance to it goes into one table. A finished setting is kept in a file of its own, so that an interrupted
study goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..comparison import distances
from ..comparison.sides import Side
from ..errors import ConvergenceError, ModelWarning, ResolutionWarning, bad_value
from ..formulas.parser import parse_condition
from ..model.grid import Grid
from ..model.initial_density import initial_masses
from ..passages import first_passage
from ..queries import solve
from ..results.ensemble import Ensemble
from ..results.error_warnings import STRAYING
from ..results.solution import Solution
from ..sgd.algorithm import SGD
from ..storage.tables import Comparison, exact
from .ablation import APART, ablation_sentences, ablation_table, apart, ratio_error, study_models, write_ablation
from .choose_cells import finer_grid
from .executors import Kept, Spread, as_pays, gathered
from .outcome import plain_model
from .run import descent, described, model_of, settings_keys
from .run_report import RESOLVED
from .runfile import RunFile, naming
from .study_ranking import rank_settings, ranking_sentence, save_ranking
from .sweep_report import COLUMNS, KEYS, LIMIT, NOTE, RESULTS, TRUE, setting_name, summary, verdicts, write

if TYPE_CHECKING:
    from ..inference import Ranking
    from ..model.equation import FokkerPlanck
    from .outcome import Problem

logger = logging.getLogger(__name__)

Report = Callable[[str, float], None]
SIGNIFICANT = 5.0  # standard errors: one comparison in two million by chance
VAGUE = 0.5  # of an escape time: cells that change it by as much change the barrier in its exponent
STEPS = 2e8  # of all paths together: escapes that would take more are left to the operator


class Escape(NamedTuple):
    """A mean escape time in steps, its error (None: not measured), and what most of that comes from."""

    steps: float
    error: float | None
    source: str

    @property
    def margin(self) -> float:
        """How far the time may be off; by any factor where the error is one of the exponent."""
        if not self.error or not math.isfinite(self.steps):
            return 0.0
        if self.error > VAGUE * self.steps:
            return math.inf
        return LIMIT * self.error if self.source == "sampling" else self.error


@dataclass(frozen=True)
class StudyResult:
    """A finished study.

    Attributes
    ----------
    table : Comparison
        One row a setting, a model and a time; see `study_report.NOTE`.
    verdicts : tuple of str
        Sentences on each setting and model, at the last time.
    files : tuple of Path
    ranking : Ranking, optional
        Of the trajectories, where the run file names some.
    ablation : Comparison, optional
        With `ablate`: the distances of the refined model to SGD without each of its refinements.
    """

    table: Comparison
    verdicts: tuple[str, ...]
    files: tuple[Path, ...]
    ranking: Ranking | None = None
    ablation: Comparison | None = None

    def report(self) -> str:
        """The verdicts, and the last time in short, in lines of 80 characters."""
        return summary(self.table, self.verdicts)


def run_study(
    run: RunFile, folder: Path, report: Report = lambda text, share: None, spread: Spread | None = None
) -> StudyResult:
    """Run the study of a run file with a table [study], and write table and figures into a folder.

    spread: how settings are spread over workers, see `executors.spread_over`; default: over processes where that pays. A
    setting that fails, or whose worker is lost, costs itself. The results are the same to the bit.
    """

    spec = run.spec
    if spec.study is None or spec.landscape is None:
        then = 'Such as models = ["first-order"] and target = "w > 1.3", beside a [landscape].'
        raise bad_value("study", "given, with a [landscape]", "no such table", then)
    plain = spec.model_copy(update={"output": spec.output.model_copy(update={"models": ("first-order",)})})
    problem = described(RunFile(run.path, plain))
    settings = list(itertools.product(problem.cases, _batches(spec)))
    _check_models(problem, spec)
    points = folder / "points"
    points.mkdir(parents=True, exist_ok=True)
    ranking, said = _ranking(run, problem, settings)
    known = COLUMNS, APART, TRUE, spec.model_dump_json(warnings=False), run.data()
    keys = [(float(case.rate or 0.0), batch) for case, batch in settings]
    works = []
    for key in keys:
        task = partial(_piece, problem, spec, *key)
        path = points / f"{exact(key[0])}-{key[1]}.npz"
        works.append(Kept(partial(_quietly, task), path, (*known, *key)))
    found: dict[int, list[dict[str, Any]]] = {}
    lost: list[str] = []
    for done, (k, outcome) in enumerate(gathered(works, spread or as_pays), 1):
        name = setting_name({"learning_rate": keys[k][0], "batch_size": keys[k][1]})
        if not isinstance(outcome, BaseException):
            found[k] = outcome["rows"]
        elif len(lost) + 1 < len(keys):
            lost.append(f"{name}: not finished ({type(outcome).__name__}: {outcome}); start the study again to go on.")
        else:
            raise outcome
        logger.info("study: %s done, %d of %d", name, done, len(settings))
        report(name, done / len(settings))
    rows = [row for k in sorted(found) for row in found[k]]
    table = Comparison(COLUMNS, tuple(tuple(row[c] for c in COLUMNS) for row in rows), NOTE, KEYS)
    last = [row for row in rows if row["t"] == max(spec.output.times)]
    sentences = (*said, *lost, *verdicts(last))
    ablation: Comparison | None = None
    more: tuple[Path, ...] = ()
    if spec.study.ablate:
        ablation, parts = ablation_table(rows), ablation_sentences(last)
        more, sentences = write_ablation(ablation, parts, folder), (*sentences, *parts)
    files = (*write(table, sentences, folder, max(row["cell"] for row in rows)), *more)
    if ranking is not None:
        files = (*files, save_ranking(ranking, folder))
    return StudyResult(table, sentences, files, ranking, ablation)


def _piece(problem: Problem, spec: Any, rate: float, batch: int | None) -> dict[str, Any]:
    return {"rows": _setting(problem, spec, rate, batch)}


def _quietly(task: Callable[[], Any]) -> Any:
    """Without the warnings that the verdicts say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        warnings.simplefilter("ignore", ModelWarning)
        return task()


def _ranking(run: RunFile, problem: Problem, settings: Sequence[Any]) -> tuple[Ranking | None, tuple[str, ...]]:
    """Trajectories ranked by all models at all settings, where there are such, and a sentence on it."""
    study: Any = run.spec.study
    if study.trajectories is None:
        return None, ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        ranking, left_out = rank_settings(run, problem, settings, _descent)
    return ranking, (ranking_sentence(ranking, left_out, study.trajectories, study.lag),)


def _batches(spec: Any) -> list[int | None]:
    return [spec.sgd.batch_size] if spec.study.batch_size is None else list(spec.study.batch_size)


def _check_models(problem: Problem, spec: Any) -> None:
    """Refuse an unknown model, target or batch before the work."""
    for batch in _batches(spec):
        sgd = _descent(problem, spec, problem.cases[0].rate, batch)
        with naming(**settings_keys("study")):
            for variant in study_models(spec.study).values():
                _quietly(partial(model_of, sgd, *variant, problem.grid))
    if spec.study.target is not None:
        parse_condition(spec.study.target, problem.names, name="study.target")


def _descent(problem: Problem, spec: Any, rate: float | None, batch: int | None) -> SGD:
    base = problem.cases[0].sgd
    assert base is not None
    assert rate is not None  # a study has a landscape, see `run_study`
    return descent(base.loss, rate, batch, spec.sgd)


def _setting(problem: Problem, spec: Any, rate: float, batch: int | None) -> list[dict[str, Any]]:
    """The rows of one learning rate and batch size: exact (the operator), SGD (simulated), and the models."""
    sgd, times = _descent(problem, spec, rate, batch), np.array(spec.output.times)
    equations = {name: model_of(sgd, *variant, problem.grid) for name, variant in study_models(spec.study).items()}
    problem, failures = _resolved(problem, sgd, equations)
    grid = problem.grid
    condition = None if spec.study.target is None else parse_condition(spec.study.target, problem.names, name="target")
    start = initial_masses(problem.p0, grid)[0]
    operator = sgd.transfer_operator(grid)
    exact = operator.evolve(problem.p0, times.astype(int))
    passed = _mean(operator.first_passage, condition, start)
    escape = None if passed is None else passed.steps
    edge = max(sgd.check((masses, grid)) for masses in (start, *exact.masses))
    last = np.sqrt(np.trace(exact.covariance()[-1]))
    cell = float(min(w.min() for w in grid.widths))
    same = {"learning_rate": rate, "batch_size": batch, "edge": edge, "spread": float(max(last, cell)), "cell": cell}
    truth: Solution | Ensemble = exact
    reference = "operator"
    rows = _rows("exact", exact, exact, passed, passed, same)
    if spec.simulation is not None:
        mc = sgd.simulate(
            problem.p0, times.astype(int).tolist(), spec.simulation.paths, seed=spec.simulation.seed, threads=1
        )
        took = _simulated_escape(problem, spec, sgd, escape)
        rows += _rows("SGD", mc, exact, took, passed, same)
        if _is_off(exact, mc, rows[times.size :]):
            truth, reference = mc, "simulation"
        operators = passed
        if (
            took is not None
            and escape is not None
            and abs(took.steps - escape) > 5.0 * (took.error or 0.0) + 0.02 * took.steps
        ):
            passed = took
            rows = [{**row, **_ratio(took if row["model"] == "SGD" else operators, took)} for row in rows]
    for model in (name for name in equations if name != "exact"):
        try:
            if model in failures:
                raise failures[model]
            solution, own = _model(problem, spec, sgd, model, equations[model], condition, start)
        except ConvergenceError as error:
            rows += [
                {**same, **dict.fromkeys((*RESULTS, *APART)), "model": model, "t": t, "failure": str(error)}
                for t in times.tolist()
            ]
            continue
        found = _rows(model, solution, truth, own, passed, same)
        rows += [_ablated(row, solution, truth, passed) for row in found] if spec.study.ablate else found
    return [{**row, "reference": reference} for row in rows]


def _ablated(row: dict[str, Any], result: Any, truth: Any, escape: Escape | None) -> dict[str, Any]:
    """A row with what the table of an ablation says beside it."""
    known = (None, None) if escape is None else escape[:2]
    return row | apart(result, truth, row["t"]) | {"se_escape_ratio": ratio_error(row, *known)}


def _resolved(
    problem: Problem, sgd: SGD, equations: Mapping[str, FokkerPlanck | None]
) -> tuple[Problem, dict[str, ConvergenceError]]:
    """A problem on the cells that its tolerance asks for, of this setting's equations; and those out of its reach."""
    tol = problem.spec.grid.tol
    failures: dict[str, ConvergenceError] = {}
    if tol is None:
        return problem, failures
    grid: Grid = problem.grid
    asked = {name: eq for name, eq in equations.items() if eq is not None} or {"first-order": plain_model(sgd)}
    for name, eq in asked.items():
        try:
            grid = finer_grid(problem, eq, grid, tol)
        except ConvergenceError as error:
            failures[name] = error
    return dataclasses.replace(problem, grid=grid), failures


def _is_off(exact: Any, mc: Any, rows: list[dict[str, Any]]) -> bool:
    """Whether the operator differs from simulated SGD by more than sampling and its cells leave open, at any time.

    In a moment: beyond `SIGNIFICANT` standard errors. In W1 (rows): beside a quarter of a cell, as densities are even in cells.
    """
    means, covariances, n, cell = exact.mean(), exact.covariance(), mc.n_paths, rows[0]["cell"]
    for i, t in enumerate(exact.times.tolist()):
        drawn, law = (distances.moments(distances.law(result, t)) for result in (mc, exact))
        variance = np.diagonal(covariances[i])
        with np.errstate(
            invalid="ignore"
        ):  # under either law: a few paths may miss a rare event that the operator knows
            of_mean = np.fmax(drawn["se_mean"], np.sqrt(variance / n))
            of_variance = np.fmax(drawn["se_variance"], variance * np.sqrt((law["kurtosis"] + 2.0) / n))
        if (np.abs(means[i] - drawn["mean"]) > SIGNIFICANT * of_mean + RESOLVED * cell).any():
            return True
        if (np.abs(variance - drawn["variance"]) > SIGNIFICANT * of_variance + 0.25 * cell**2).any():
            return True
    return any(row["W1"] > 0.25 * cell + 2.0 * row["W1_sampling"] + SIGNIFICANT * row["sampling"] for row in rows)


def _model(
    problem: Problem, spec: Any, sgd: SGD, model: str, eq: FokkerPlanck | None, condition: Any, start: np.ndarray
) -> tuple[Any, Escape | None]:
    """Densities of a model at the output times, and its mean escape time."""
    grid, times = problem.grid, np.array(spec.output.times)
    if eq is None:
        operator = sgd.transfer_operator(grid, model)
        took = _mean(operator.first_passage, condition, start)
        return operator.evolve(problem.p0, times.astype(int)), took
    asked = condition is not None and eq.interaction is None and eq.time_order == 1.0
    took = _mean(partial(first_passage, eq, grid), condition, start) if asked else None
    return solve(eq, grid, problem.p0, times), took


def _mean(question: Callable[[Any], Any], condition: Any, start: np.ndarray) -> Escape | None:
    """Mean passage time from a density: infinite where part of it may never arrive, nan beyond double precision."""
    if condition is None:
        return None
    try:
        passage = question(condition)
    except ConvergenceError:
        return Escape(math.nan, None, "grid")
    used = start > 1e-12
    weights = start[used] / start[used].sum()
    steps = float((weights * passage.mean[used]).sum())
    if not passage.error or not math.isfinite(steps):
        return Escape(steps, None, "grid")
    straying = 1.0 if passage.error.converging else STRAYING
    errors = {"grid": straying * float((weights * passage.error["mean"][used]).sum())}
    if passage.stats.sampling_error is not None:
        errors["batches"] = float((weights * passage.stats.sampling_error["mean"][used]).sum())
    return Escape(steps, math.hypot(*errors.values()), max(errors, key=errors.__getitem__))


def _simulated_escape(problem: Problem, spec: Any, sgd: SGD, escape: float | None) -> Escape | None:
    """Mean escape time of simulated paths and its error, where that is not too long and all of them escape."""
    paths, seed = spec.simulation.paths, spec.simulation.seed
    if escape is None or not escape * paths < STEPS:
        return None
    most = max(int(50 * escape), int(max(spec.output.times)))
    exits = sgd.simulate(
        problem.p0, None, paths, seed=seed, target=spec.study.target, max_steps=most, threads=1
    ).exit_times
    if exits is None or not np.isfinite(exits).all():
        return None
    return Escape(float(exits.mean()), float(exits.std() / math.sqrt(paths)), "sampling")


def _rows(
    name: str, result: Any, truth: Any, took: Escape | None, escape: Escape | None, same: dict
) -> list[dict[str, Any]]:
    """One row a time: a result compared with the truth."""
    found = {"escape": None if took is None else took.steps, "se_escape": None if took is None else took.error}
    rows = []
    for t in truth.times.tolist():
        one, base = distances.law(result, t), distances.law(truth, t)
        parts = [
            distances.wasserstein(distances.along(one, a), distances.along(base, a))
            for a in range(base.dim if result is not truth else 0)
        ]
        sampling = math.hypot(*(p.standard_error for p in parts)) if parts else 0.0
        sides = Side(result, one, t), Side(truth, base, t)
        errors = {"sampling": sampling} | (sides[0].sources_beside(sides[1], range(base.dim)) if parts else {})
        largest = max(errors, key=errors.__getitem__)
        others = math.hypot(*(size for source, size in errors.items() if source != "sampling"))
        margin = sum(p.sampling for p in parts) + LIMIT * sampling + others
        moments = distances.moments(one)
        row = {
            "model": name, "t": t, "mean": ", ".join(f"{m:.6g}" for m in moments["mean"]),
            "deviation": float(np.sqrt(moments["variance"].sum())), "W1": sum(p.value for p in parts),
            "se_W1": math.hypot(*errors.values()), "W1_sampling": sum(p.sampling for p in parts), "sampling": sampling,
            "margin": margin,
            "largest_error": largest if errors[largest] > 0.0 else None, "failure": None,
        }  # fmt: skip
        rows.append({**same, **row, **found, **_ratio(took, escape)})
    return rows


def _ratio(took: Escape | None, escape: Escape | None) -> dict[str, Any]:
    """A mean escape time over that of SGD, whether the two can be told apart, and the largest of their errors."""
    found: dict[str, Any] = {"escape_ratio": None, "escape_told": True, "largest_escape_error": None}
    if took is None or escape is None or not math.isfinite(escape.steps):
        return found
    found["escape_ratio"] = took.steps / escape.steps
    apart = abs(took.steps - escape.steps)
    parts = {f"its own {took.source}": took.error or 0.0, f"SGD's {escape.source}": escape.error or 0.0}
    if took != escape and math.isfinite(apart) and max(parts.values()) > 0.0:
        found["largest_escape_error"] = max(parts, key=parts.__getitem__)
        found["escape_told"] = apart > took.margin + escape.margin
    return found
