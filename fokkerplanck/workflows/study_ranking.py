"""Trajectories beside the models of a study: which model, at which setting, made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import bad_value
from ..inference import Paths, Ranking, rank
from ..sgd.algorithm import SGD
from ..storage.files import file_below
from ..storage.tables import Comparison
from .ablation import Variant, study_models
from .run import model_of
from .runfile import RunFile
from .sweep_report import setting_name

if TYPE_CHECKING:
    from .outcome import Problem

COLUMNS = ("model", "score", "deficit", "se_deficit", "best")
NOTE = (
    "score: mean log probability of the cell that a transition of the trajectories reached; deficit: what it lacks to the "
    "first one's, with its error over runs; best: whether it is not significantly worse than the first (one-sided, 99 %). "
    "With few distinct batches the score of an exact operator grows as cells shrink: compare at the same cells only."
)


def rank_settings(
    run: RunFile, problem: Problem, settings: Sequence[tuple[Any, int | None]], descent: Callable[..., SGD]
) -> tuple[Ranking, tuple[str, ...]]:
    """The trajectories of a study scored by the exact operator and by each model at each setting.

    Parameters
    ----------
    run : RunFile
    problem : Problem
    settings : sequence of (case, batch size)
    descent : callable
        From (problem, spec, learning rate, batch size) to the SGD.

    Returns
    -------
    Ranking, and the names of models that have no transition density: with memory, or an interaction.
    """
    spec: Any = run.spec
    data = Paths(file_below(run.path.parent, spec.study.trajectories, "study.trajectories"))
    if data.dim != problem.grid.dim:
        rule = f"of {problem.grid.dim} coordinate(s), as the landscape has parameters"
        raise bad_value("study.trajectories", rule, f"{data.dim}")
    models: dict[str, Any] = {}
    left_out: dict[str, None] = {}
    for case, batch in settings:
        sgd = descent(problem, spec, case.rate, batch)
        setting = setting_name({"learning_rate": case.rate, "batch_size": batch})
        for name, variant in ({"exact": Variant("exact", spec.study)} | study_models(spec.study)).items():
            eq = model_of(sgd, *variant, problem.grid)
            if eq is not None and (eq.interaction is not None or eq.time_order < 1.0):
                left_out[name] = None
                continue
            models[f"{setting}, {name}"] = sgd.transfer_operator(problem.grid, name) if eq is None else eq
    return rank(models, data, spec.study.lag, problem.grid), tuple(left_out)


def ranking_sentence(ranking: Ranking, left_out: Sequence[str], file: str, lag: int) -> str:
    """What the trajectories say, in a sentence or two."""
    first, *others = ranking.best
    rows = "a step" if lag == 1 else f"{lag} steps"
    text = f"{ranking.n_transitions} transitions over {rows} in {file} are most likely under {first!r}"
    if others:
        text += "; not significantly less so under " + ", ".join(map(repr, others))
    text += f" ({len(ranking.best)} of {len(ranking.order)} models are left at 99 %)."
    if left_out:
        text += f" Without a transition density, and not ranked: {', '.join(left_out)}."
    return text


def save_ranking(ranking: Ranking, folder: Path) -> Path:
    """ranking.csv."""
    rows = [
        (name, ranking.scores[name], ranking.deficits[name], ranking.standard_errors[name], name in ranking.best)
        for name in ranking.order
    ]
    path = folder / "ranking.csv"
    Comparison(COLUMNS, tuple(rows), NOTE).save_csv(str(path))
    return path
