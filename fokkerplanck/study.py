"""The study: models of SGD held against SGD itself over learning rates and batch sizes.

For each setting the exact transfer operator gives the density of SGD and its escape time, a simulation checks it, and
each model's distance to it goes into one table. A finished setting is kept in a file of its own, so that an interrupted
study goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import distances
from .density import initial_masses
from .errors import ConvergenceError, ModelWarning, ResolutionWarning, bad_value
from .formula import parse_condition
from .problems import first_passage, solve
from .run import CHAINS, build, model_settings
from .runfile import RunFile
from .storage import write_atomically, write_text
from .tables import Comparison

Report = Callable[[str, float], None]

COLUMNS = (
    "learning_rate", "batch_size", "model", "t", "mean", "deviation", "W1", "W1_error", "W1_sampling",
    "escape", "escape_error", "escape_ratio", "edge",
)  # fmt: skip

KEYS = ("learning_rate", "batch_size", "model", "t")

NOTE = (
    "W1: 1-Wasserstein distance to the exact density of SGD at time t, summed over the axes. For the simulation "
    "(SGD, simulated) it comes with its standard error and with what sampling alone would give. escape: mean steps from the "
    "start to the target; escape_ratio: over that of SGD. edge: learning rate times the largest curvature where SGD carries "
    "mass at some time: a diffusion needs it much below 2. nan: an escape too rare for double precision. "
    "Densities are even inside a cell: a W1 below a cell means nothing."
)


@dataclass(frozen=True)
class StudyResult:
    """A finished study.

    Attributes
    ----------
    table : Comparison
        One row a setting and a model; see `NOTE`.
    verdicts : tuple of str
        One sentence a setting and a model.
    files : tuple of Path
    """

    table: Comparison
    verdicts: tuple[str, ...]
    files: tuple[Path, ...]

    def report(self) -> str:
        """Table and verdicts as text."""
        return "\n".join([repr(self.table), "", *self.verdicts])


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
    mark = hashlib.sha256((spec.model_dump_json(warnings=False) + json.dumps(_plain(run.data()))).encode()).hexdigest()[
        :16
    ]
    done = 0

    def work(setting: Any) -> list[dict[str, Any]]:
        nonlocal done
        case, batch = setting
        path = points / f"{case.rate:g}-{batch}.json"
        rows = _kept(path, mark)
        if rows is None:
            rows = _setting(problem, spec, case.rate, batch)
            text = json.dumps({"mark": mark, "rows": rows})
            write_text(path, text)
        done += 1
        report(f"learning rate {case.rate:g}, batch {batch}", done / len(settings))
        return rows

    with warnings.catch_warnings():  # for both threads at once: the filters are global
        warnings.simplefilter("ignore", ResolutionWarning)
        warnings.simplefilter("ignore", ModelWarning)
        pool = ThreadPoolExecutor(min(os.cpu_count() or 1, len(settings)))
        try:
            rows = [row for part in pool.map(work, settings) for row in part]
        finally:  # whoever interrupts does not wait for the settings under way
            pool.shutdown(wait=False, cancel_futures=True)
    table = Comparison(COLUMNS, tuple(tuple(row[c] for c in COLUMNS) for row in rows), NOTE, KEYS)
    last = max(spec.output.times)
    verdicts = tuple(
        _verdict(row) for row in rows if row["model"] not in ("SGD", "SGD, simulated") and row["t"] == last
    )
    return StudyResult(table, verdicts, _write(table, verdicts, folder, max(row["cell"] for row in rows)))


def _batches(spec: Any) -> list[int | None]:
    return [spec.sgd.batch_size] if spec.study.batch_size is None else list(spec.study.batch_size)


def _check_models(problem: Any, spec: Any) -> None:
    """Refuse an unknown model, target or batch before the work."""
    for batch in _batches(spec):
        sgd = _descent(problem, spec, problem.cases[0].rate, batch)
        for model in spec.study.models:
            if model not in CHAINS:
                sgd.equation(model, **model_settings(model, spec.study, problem.grid))
    if spec.study.target is not None:
        parse_condition(spec.study.target, problem.names, name="study.target")


def _descent(problem: Any, spec: Any, rate: float, batch: int | None) -> Any:
    base = problem.cases[0].sgd
    return type(base)(base.loss, rate, batch, spec.sgd.replacement)


def _kept(path: Path, mark: str) -> list[dict[str, Any]] | None:
    """The rows of a finished setting, if they belong to this very study."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["rows"] if content["mark"] == mark else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _setting(problem: Any, spec: Any, rate: float, batch: int | None) -> list[dict[str, Any]]:
    """The rows of one learning rate and batch size: SGD, its simulation, and the models."""
    sgd, grid, times = _descent(problem, spec, rate, batch), problem.grid, np.array(spec.output.times)
    condition = None if spec.study.target is None else parse_condition(spec.study.target, problem.names, name="target")
    start = initial_masses(problem.p0, grid)[0]
    operator = sgd.transfer_operator(grid)
    exact = operator.evolve(problem.p0, times.astype(int))
    escape = None if condition is None else _mean(operator.first_passage(condition), start)
    edge = max(sgd.check((masses, grid)) for masses in (start, *exact.masses))
    last = np.sqrt(np.trace(exact.covariance()[-1]))
    cell = float(min(w.min() for w in grid.widths))
    same = {"learning_rate": rate, "batch_size": batch, "edge": edge, "spread": float(max(last, cell)), "cell": cell}
    rows = _rows("SGD", exact, exact, times, escape, escape, same)
    if spec.simulation is not None:
        rows += _simulated(problem, spec, sgd, exact, escape, same)
    for model in spec.study.models:
        if model == "exact":
            continue
        solution, took = _model(problem, spec, sgd, model, condition, start)
        rows += _rows(model, solution, exact, times, took, escape, same)
    return rows


def _model(
    problem: Any, spec: Any, sgd: Any, model: str, condition: Any, start: np.ndarray
) -> tuple[Any, float | None]:
    """Densities of a model at the output times, and its mean escape time."""
    grid, times = problem.grid, np.array(spec.output.times)
    if model == "gaussian-chain":
        operator = sgd.transfer_operator(grid, model)
        took = None if condition is None else _mean(operator.first_passage(condition), start)
        return operator.evolve(problem.p0, times.astype(int)), took
    eq = sgd.equation(model, **model_settings(model, spec.study, problem.grid))
    took = None
    if condition is not None and eq.interaction is None and getattr(eq, "time_order", 1.0) == 1.0:
        try:
            took = _mean(first_passage(eq, grid, condition), start)
        except ConvergenceError:  # out of reach of double precision: the table says nan
            took = math.nan
    return solve(eq, grid, problem.p0, times), took


def _mean(passage: Any, start: np.ndarray) -> float:
    """Mean passage time from a density; infinite where part of it may never arrive."""
    used = start > 1e-12
    return float((start[used] * passage.mean[used]).sum() / start[used].sum())


def _simulated(problem: Any, spec: Any, sgd: Any, exact: Any, escape: float | None, same: dict) -> list[dict[str, Any]]:
    paths, seed = spec.simulation.paths, spec.simulation.seed
    steps = [int(t) for t in spec.output.times]
    mc = sgd.simulate(problem.p0, steps, n_paths=paths, seed=seed, threads=1)
    rows = _rows("SGD, simulated", mc, exact, exact.times, None, escape, same)
    if escape is not None and escape * paths < 2e8:
        most = max(int(50 * escape), steps[-1])
        exits = sgd.simulate(problem.p0, None, paths, seed, spec.study.target, most, threads=1).exit_times
        if np.isfinite(exits).all():
            error = float(exits.std() / math.sqrt(paths))
            for row in rows:
                row.update(escape=float(exits.mean()), escape_error=error, escape_ratio=float(exits.mean() / escape))
    return rows


def _rows(
    name: str, result: Any, exact: Any, times: np.ndarray, took: float | None, escape: float | None, same: dict
) -> list[dict[str, Any]]:
    rows = []
    for t in times.tolist():
        one, base = distances.law(result, t), distances.law(exact, t)
        parts = [
            distances.wasserstein(distances.along(one, a), distances.along(base, a))
            for a in range(base.dim if result is not exact else 0)
        ]
        moments = distances.moments(one)
        ratio = None if took is None or escape is None or not math.isfinite(escape) else took / escape
        mean = ", ".join(f"{m:.6g}" for m in moments["mean"])
        row = {
            "model": name, "t": t, "mean": mean,
            "deviation": float(np.sqrt(moments["variance"].sum())), "W1": sum(p.value for p in parts),
            "W1_error": math.hypot(*(p.standard_error for p in parts)) if parts else 0.0,
            "W1_sampling": sum(p.sampling for p in parts), "escape": took, "escape_error": None, "escape_ratio": ratio,
        }  # fmt: skip
        rows.append({**same, **row})
    return rows


def _verdict(row: dict[str, Any]) -> str:
    """A sentence on one model in one setting."""
    share = row["W1"] / row["spread"]
    close = row["W1"] < row["cell"] or share < 0.05
    far = "within a cell" if row["W1"] < row["cell"] else f"W1 is {share:.2g} of its spread"
    text = (
        f"learning rate {row['learning_rate']:g}, batch {row['batch_size']}, {row['model']}: "
        f"the density at t = {row['t']:g} {'agrees with' if close else 'is off from'} SGD ({far})"
    )
    ratio = row["escape_ratio"]
    if ratio is None or not math.isfinite(ratio):
        return text + "."
    same = 0.8 <= ratio <= 1.25
    off = "as long as SGD, within 25 %" if same else f"{ratio:.3g} times as long as SGD"
    return f"{text}, {'and' if same == close else 'but'} its escape takes {off}."


def _write(table: Comparison, verdicts: tuple[str, ...], folder: Path, cell: float) -> tuple[Path, ...]:
    listed = "\n".join(f"- {v}" for v in verdicts)
    files = [folder / "study.csv", folder / "study.md"]
    write_text(files[0], table.to_csv())
    write_text(files[1], f"{table.to_markdown()}\n{listed}\n")
    for name, column, label in (
        ("distance.png", "W1", "distance W1 to SGD"),
        ("escape.png", "escape", "mean escape time [steps]"),
    ):
        figure = _figure(table, column, label, cell)
        if figure is not None:
            files.append(folder / name)
            write_atomically(files[-1], partial(figure.savefig, dpi=150))
    return tuple(files)


def _figure(table: Comparison, column: str, label: str, cell: float) -> Any:
    """The column at the last time against the learning rate, a line a model and batch size; None without numbers."""
    from matplotlib.figure import Figure

    last = max(table.column("t"))
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    rows = [r for r in rows if r["t"] == last and r[column] is not None and 0.0 < r[column] < math.inf]
    if not rows:
        return None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    styles = itertools.cycle({"ls": ls, "lw": 1.5, "marker": "o", "ms": 3} for ls in ("-", "--", ":", "-."))
    many = len(set(table.column("batch_size"))) > 1
    for model, batch in dict.fromkeys((r["model"], r["batch_size"]) for r in rows):
        line = sorted((r["learning_rate"], r[column], r["escape_error"] or 0.0, r["W1_error"]) for r in rows
                      if (r["model"], r["batch_size"]) == (model, batch))  # fmt: skip
        x, y, escape_error, w_error = np.transpose(line)
        name = model + (f", batch {batch}" if many else "")
        if model == "SGD, simulated":
            error = w_error if column == "W1" else escape_error
            axes.errorbar(x, y, [np.minimum(error, 0.9 * y), error], fmt="o", ms=4, label=name, color="k")
        else:
            axes.plot(x, y, **({"color": "k", "lw": 2} if model == "SGD" else next(styles)), label=name)
    rates = sorted(set(table.column("learning_rate")))
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel=label)
    axes.set_xticks(rates if len(rates) < 8 else rates[:: len(rates) // 5], minor=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    if column == "W1":
        axes.axhspan(1e-300, cell, color="0.9", zorder=0, label="below a cell")
        axes.set_ylim(0.03 * cell, 3.0 * max(cell, *(r[column] for r in rows)))
    axes.legend(fontsize="small")
    return figure


def _plain(data: dict[str, Any]) -> dict[str, list[float]]:
    return {name: np.asarray(column, dtype=float).tolist() for name, column in data.items()}
