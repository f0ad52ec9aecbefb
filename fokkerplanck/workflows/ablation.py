"""The ablation of a study: how far the refined model of SGD is from SGD, and how far without each of its refinements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..comparison import distances
from ..comparison.sides import Side
from ..errors import bad_value
from ..storage.files import write_text
from ..storage.tables import Comparison, with_error
from .run_report import RESOLVED
from .sweep_report import KEYS, LIMIT, TRUE, setting_name

if TYPE_CHECKING:
    from .schema import Study

FULL = "refined"
BASELINES = ("first-order", "langevin")
REFINEMENTS = {  # of "refined": what is left out with each, and what it is called
    "drift": (("drift",), "the refined drift"),
    "stability": (("stability", "scale", "anisotropic"), "the jumps"),
    "anisotropic": (("anisotropic", "scale"), "the covariance of the jumps"),
    "time_order": (("time_order",), "the waiting times"),
    "strength": (("strength",), "the pull to the mean"),
    "central_flow": (("central_flow",), "the drift of the central flow"),
}
ABSENT = {"drift": "first-order", "anisotropic": False, "time_order": 1.0, "central_flow": False}
APART = ("mean_apart", "se_mean_apart", "W2", "se_W2", "MMD", "se_MMD", "se_escape_ratio")
COLUMNS = (
    *KEYS, "mean_apart", "se_mean_apart", "W1", "se_W1", "W2", "se_W2", "MMD", "se_MMD", "escape", "se_escape",
    "escape_ratio", "se_escape_ratio", "reference",
)  # fmt: skip
NOTE = (
    "refined: the full model; 'refined without X': the same with the setting X left out. Distances to SGD at time t. "
    "mean_apart: between the means. W1, W2: Wasserstein distances of the coordinates, W1 summed over the axes, W2 the root of "
    "the sum of squares. MMD: maximum mean discrepancy (signed root) of the joint laws, its kernel as wide as SGD's own "
    "deviation (two cells at least), without an error between densities. escape: mean steps from the start to the target, "
    "escape_ratio: over that of SGD. Each with its error (se_), of sampling and of grids as far as measured. A model that "
    "waits has no mean escape time: its waiting times have none. reference: what stands for SGD, the transfer operator or the "
    "simulation."
)


class Variant(NamedTuple):
    """A model of a study and the table of settings that it reads."""

    model: str
    settings: Study


def study_models(study: Study) -> dict[str, Variant]:
    """The models of a study by their names in its tables; with `ablate` those that leave something out, and baselines."""
    found = {name: Variant(name, study) for name in study.models}
    if study.ablate:
        found |= {_without(key): Variant(FULL, _left_out(study, key)) for key in _present(study)}
        found |= {name: Variant(name, study) for name in BASELINES if name not in found}
    return found


def _without(key: str) -> str:
    return f"{FULL} without {key}"


def _left_out(study: Study, key: str) -> Study:
    return study.model_copy(update=dict.fromkeys(REFINEMENTS[key][0]))


def _present(study: Study) -> list[str]:
    """The refinements that the settings of a study name."""
    if FULL not in study.models:
        raise bad_value("study.ablate", f"false unless `study.models` has {FULL!r}", True, 'Add "refined" to `models`.')
    keys = [key for key in REFINEMENTS if getattr(study, key) not in (None, ABSENT.get(key))]
    if not keys:
        then = 'Such as drift = "second-order" or stability = 1.8.'
        raise bad_value("study.ablate", f"given with some of {', '.join(REFINEMENTS)} to leave out", True, then)
    return keys


def apart(result: Any, truth: Any, t: float) -> dict[str, float | None]:
    """Distances of a result from SGD at a time: of the means, W2 and MMD, each with its error."""
    one, base = distances.law(result, t), distances.law(truth, t)
    sides = Side(result, one, t), Side(truth, base, t)
    axes = range(base.dim)
    means = [sides[0].mean_difference(sides[1], a) for a in axes]
    transport = [distances.wasserstein(distances.along(one, a), distances.along(base, a), 2) for a in axes]
    deviation = math.sqrt(float(distances.moments(base)["variance"].sum()))
    cells = [float(w.min()) for law in (one, base) if law.grid is not None for w in law.grid.widths]
    discrepancy = distances.mmd(one, base, max(deviation, 2.0 * max(cells, default=0.0)))
    errors = [p.standard_error for p in transport]
    return {
        "mean_apart": math.hypot(*(gap for gap, _ in means)),
        "se_mean_apart": math.hypot(*(error for _, error in means)),
        "W2": math.hypot(*(p.value for p in transport)),
        "se_W2": math.hypot(*errors, sides[0].beside(sides[1], axes)),
        "MMD": discrepancy.value,
        "se_MMD": discrepancy.standard_error or None,
    }


def ratio_error(row: Mapping[str, Any], steps: float | None, error: float | None) -> float | None:
    """The error of an escape time over that of SGD, which is `steps` with its own error."""
    ratio, own = row["escape_ratio"], row["escape"]
    if ratio is None or steps is None or not (math.isfinite(ratio) and own > 0.0):
        return None
    return ratio * math.hypot((row["se_escape"] or 0.0) / own, (error or 0.0) / steps)


def ablation_table(rows: Sequence[Mapping[str, Any]]) -> Comparison:
    """The rows of all models but SGD itself."""
    kept = tuple(tuple(row[c] for c in COLUMNS) for row in rows if row["model"] not in TRUE)
    return Comparison(COLUMNS, kept, NOTE, KEYS)


def ablation_sentences(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What each refinement does at each setting, from the rows of one time."""
    sentences = []
    for name, part in itertools.groupby(rows, key=setting_name):
        by_model = {row["model"]: row for row in part}
        full = by_model[FULL]
        others = {f"without {words}": by_model.get(_without(key)) for key, (_, words) in REFINEMENTS.items()}
        others |= {f"with {base} instead": by_model.get(base) for base in BASELINES}
        sentences += [f"{name}: {words}, {_change(row, full)}" for words, row in others.items() if row is not None]
    return tuple(sentences)


def _change(row: dict[str, Any], full: dict[str, Any]) -> str:
    """What becomes of the density and of the escape when the full model is replaced."""
    failed = next((r for r in (row, full) if r["failure"] is not None), None)
    if failed is not None:
        which = "the full model" if failed is full else "the model"
        return f"{which} is not solved, as {failed['failure']}."
    return f"{_density_change(row, full)}{_escape_change(row, full)}."


def _density_change(row: dict[str, Any], full: dict[str, Any]) -> str:
    seen = [with_error(r["W1"], r["se_W1"]) for r in (row, full)]
    size = f"W1 {seen[0]}, of the full model {seen[1]}"
    if max(row["W1"], full["W1"]) < full["cell"]:
        return f"the density at t = {row['t']:g} is as near to SGD, both within a cell ({size})"
    room = LIMIT * math.hypot(row["se_W1"], full["se_W1"]) + RESOLVED * full["cell"]
    gap = row["W1"] - full["W1"]
    word = (
        "as far from SGD, within errors" if abs(gap) <= room else "farther from SGD" if gap > 0.0 else "nearer to SGD"
    )
    return f"the density at t = {row['t']:g} is {word} ({size})"


def _escape_change(row: dict[str, Any], full: dict[str, Any]) -> str:
    """By the logarithms of the ratios to SGD's escape."""
    ratios = [r["escape_ratio"] for r in (row, full)]
    if ratios == [None, None]:
        return ""
    known = [r is not None and math.isfinite(r) and r > 0.0 for r in ratios]
    texts = [_times(r) for r in (row, full)]
    if not all(known):
        return f"; its escape takes {texts[0]}, that of the full model takes {texts[1]}"
    off = np.abs(np.log(ratios))
    room = LIMIT * math.hypot(*(r["se_escape_ratio"] / r["escape_ratio"] for r in (row, full)))
    gap = float(off[0] - off[1])
    word = "as far off, within errors" if abs(gap) <= room else "farther off" if gap > 0.0 else "less off"
    return f"; its escape is {word}: {texts[0]}, that of the full model {texts[1]}"


def _times(row: dict[str, Any]) -> str:
    ratio = row["escape_ratio"]
    if ratio is None:
        return "a time without a mean"
    if math.isnan(ratio):
        return "too long for double precision"
    return f"{with_error(ratio, row['se_escape_ratio'])} times as long as SGD's" if math.isfinite(ratio) else "forever"


def write_ablation(table: Comparison, sentences: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """ablation.csv and ablation.md."""
    files = (folder / "ablation.csv", folder / "ablation.md")
    table.save_csv(str(files[0]))
    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    write_text(files[1], f"{table.to_markdown()}\n{listed}\n")
    return files
