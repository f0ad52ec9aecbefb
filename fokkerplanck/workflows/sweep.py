"""The study: models of SGD compared with SGD itself over learning rates and batch sizes.

For each setting the exact transfer operator gives the density of SGD and its escape time, a simulation checks it, and
each model's distance to it goes into one table. A finished setting is kept in a file of its own, so that an interrupted
study goes on where it stopped.
"""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison import distances
from ..errors import ConvergenceError, ModelWarning, ResolutionWarning, bad_value
from ..formulas.parser import parse_condition
from ..model.initial_density import initial_masses
from ..passages import first_passage
from ..queries import solve
from ..results.ensemble import Ensemble
from ..results.solution import Solution
from ..sgd.algorithm import SGD
from ..storage.checkpoint import resumed
from ..storage.tables import Comparison, exact
from .run import build, model_of, model_settings, settings_keys
from .run_report import RESOLVED
from .runfile import RunFile, naming
from .sweep_report import COLUMNS, KEYS, NOTE, RESULTS, TRUE, setting_name, summary, verdicts, write

if TYPE_CHECKING:
    from .outcome import Problem

Report = Callable[[str, float], None]
SIGNIFICANT = 5.0  # standard errors: one comparison in two million by chance
STEPS = 2e8  # of all paths together: escapes that would take more are left to the operator


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
    """

    table: Comparison
    verdicts: tuple[str, ...]
    files: tuple[Path, ...]

    def report(self) -> str:
        """The verdicts, and the last time in short, in lines of 80 characters."""
        return summary(self.table, self.verdicts)


def run_study(run: RunFile, folder: Path, report: Report = lambda text, share: None) -> StudyResult:
    """Run the study of a run file with a table [study], and write table and figures into a folder."""

    spec = run.spec
    if spec.study is None or spec.landscape is None:
        then = 'Such as models = ["first-order"] and target = "w > 1.3", beside a [landscape].'
        raise bad_value("study", "given, with a [landscape]", "no such table", then)
    plain = spec.model_copy(update={"output": spec.output.model_copy(update={"models": ("first-order",)})})
    problem = build(RunFile(run.path, plain))
    settings = list(itertools.product(problem.cases, _batches(spec)))
    _check_models(problem, spec)
    points = folder / "points"
    points.mkdir(parents=True, exist_ok=True)
    known = [COLUMNS, TRUE, spec.model_dump_json(warnings=False), run.data()]
    done = 0

    def work(setting: Any) -> list[dict[str, Any]]:
        nonlocal done
        case, batch = setting
        path = points / f"{exact(case.rate)}-{batch}.npz"
        piece = resumed(path, lambda: {"rows": _setting(problem, spec, case.rate, batch)}, *known, case.rate, batch)
        done += 1
        report(setting_name({"learning_rate": case.rate, "batch_size": batch}), done / len(settings))
        return piece["rows"]

    with warnings.catch_warnings():  # for both threads at once: the filters are global
        warnings.simplefilter("ignore", ResolutionWarning)
        warnings.simplefilter("ignore", ModelWarning)
        pool = ThreadPoolExecutor(min(os.cpu_count() or 1, len(settings)))
        try:
            rows = [row for part in pool.map(work, settings) for row in part]
        finally:  # whoever interrupts does not wait for the settings under way
            pool.shutdown(wait=False, cancel_futures=True)
    table = Comparison(COLUMNS, tuple(tuple(row[c] for c in COLUMNS) for row in rows), NOTE, KEYS)
    sentences = verdicts([row for row in rows if row["t"] == max(spec.output.times)])
    return StudyResult(table, sentences, write(table, sentences, folder, max(row["cell"] for row in rows)))


def _batches(spec: Any) -> list[int | None]:
    return [spec.sgd.batch_size] if spec.study.batch_size is None else list(spec.study.batch_size)


def _check_models(problem: Problem, spec: Any) -> None:
    """Refuse an unknown model, target or batch before the work."""
    for batch in _batches(spec):
        sgd = _descent(problem, spec, problem.cases[0].rate, batch)
        with naming(**settings_keys("study")):
            for model in spec.study.models:
                model_of(sgd, model, spec.study, problem.grid)
    if spec.study.target is not None:
        parse_condition(spec.study.target, problem.names, name="study.target")


def _descent(problem: Problem, spec: Any, rate: float | None, batch: int | None) -> SGD:
    base = problem.cases[0].sgd
    assert base is not None
    assert rate is not None  # a study has a landscape, see `run_study`
    return SGD(base.loss, rate, batch, spec.sgd.replacement)


def _setting(problem: Problem, spec: Any, rate: float, batch: int | None) -> list[dict[str, Any]]:
    """The rows of one learning rate and batch size: exact (the operator), SGD (simulated), and the models."""
    sgd, grid, times = _descent(problem, spec, rate, batch), problem.grid, np.array(spec.output.times)
    condition = None if spec.study.target is None else parse_condition(spec.study.target, problem.names, name="target")
    start = initial_masses(problem.p0, grid)[0]
    operator = sgd.transfer_operator(grid)
    exact = operator.evolve(problem.p0, times.astype(int))
    escape = _mean(operator.first_passage, condition, start)
    edge = max(sgd.check((masses, grid)) for masses in (start, *exact.masses))
    last = np.sqrt(np.trace(exact.covariance()[-1]))
    cell = float(min(w.min() for w in grid.widths))
    same = {"learning_rate": rate, "batch_size": batch, "edge": edge, "spread": float(max(last, cell)), "cell": cell}
    truth: Solution | Ensemble = exact
    reference = "operator"
    rows = _rows("exact", exact, exact, escape, escape, same)
    if spec.simulation is not None:
        mc = sgd.simulate(
            problem.p0, times.astype(int).tolist(), spec.simulation.paths, seed=spec.simulation.seed, threads=1
        )
        took = _simulated_escape(problem, spec, sgd, escape)
        rows += _rows("SGD", mc, exact, took, escape, same)
        if _is_off(exact, mc, rows[times.size :]):
            truth, reference = mc, "simulation"
        if took is not None and escape is not None and abs(took[0] - escape) > 5.0 * took[1] + 0.02 * took[0]:
            escape = took[0]
            rows = [{**row, "escape_ratio": row["escape"] / escape} for row in rows]
    for model in (name for name in spec.study.models if name != "exact"):
        try:
            solution, passed = _model(problem, spec, sgd, model, condition, start)
        except ConvergenceError as error:
            rows += [
                {**same, **dict.fromkeys(RESULTS), "model": model, "t": t, "failure": str(error)}
                for t in times.tolist()
            ]
            continue
        rows += _rows(model, solution, truth, passed, escape, same)
    return [{**row, "reference": reference} for row in rows]


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
    return any(row["W1"] > 0.25 * cell + 2.0 * row["W1_sampling"] + SIGNIFICANT * row["se_W1"] for row in rows)


def _model(
    problem: Problem, spec: Any, sgd: SGD, model: str, condition: Any, start: np.ndarray
) -> tuple[Any, float | None]:
    """Densities of a model at the output times, and its mean escape time."""
    grid, times = problem.grid, np.array(spec.output.times)
    if model == "gaussian-chain":
        operator = sgd.transfer_operator(grid, model)
        took = _mean(operator.first_passage, condition, start)
        return operator.evolve(problem.p0, times.astype(int)), took
    eq = sgd.equation(model, **model_settings(model, spec.study, problem.grid))
    asked = condition is not None and eq.interaction is None and eq.time_order == 1.0
    took = _mean(partial(first_passage, eq, grid), condition, start) if asked else None
    return solve(eq, grid, problem.p0, times), took


def _mean(question: Callable[[Any], Any], condition: Any, start: np.ndarray) -> float | None:
    """Mean passage time from a density: infinite where part of it may never arrive, nan beyond double precision."""
    if condition is None:
        return None
    try:
        passage = question(condition)
    except ConvergenceError:
        return math.nan
    used = start > 1e-12
    return float((start[used] * passage.mean[used]).sum() / start[used].sum())


def _simulated_escape(problem: Problem, spec: Any, sgd: SGD, escape: float | None) -> tuple[float, float] | None:
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
    return float(exits.mean()), float(exits.std() / math.sqrt(paths))


def _rows(
    name: str, result: Any, truth: Any, took: float | tuple[float, float] | None, escape: float | None, same: dict
) -> list[dict[str, Any]]:
    """One row a time: a result compared with the truth."""
    passed, error = took if isinstance(took, tuple) else (took, None)
    ratio = None if passed is None or escape is None or not math.isfinite(escape) else passed / escape
    rows = []
    for t in truth.times.tolist():
        one, base = distances.law(result, t), distances.law(truth, t)
        parts = [
            distances.wasserstein(distances.along(one, a), distances.along(base, a))
            for a in range(base.dim if result is not truth else 0)
        ]
        moments = distances.moments(one)
        row = {
            "model": name, "t": t, "mean": ", ".join(f"{m:.6g}" for m in moments["mean"]),
            "deviation": float(np.sqrt(moments["variance"].sum())), "W1": sum(p.value for p in parts),
            "se_W1": math.hypot(*(p.standard_error for p in parts)) if parts else 0.0,
            "W1_sampling": sum(p.sampling for p in parts), "escape": passed, "se_escape": error, "escape_ratio": ratio,
            "failure": None,
        }  # fmt: skip
        rows.append({**same, **row})
    return rows
