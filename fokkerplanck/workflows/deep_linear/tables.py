"""The results of a study as tables, and the sentences that are drawn from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...deep_linear import (
    ModeEquation,
    Plateaus,
    crossing_steps,
    fraction_before,
    largest_noise_steps,
    over_runs,
    singular_values,
    stable_rank,
)
from ...storage.tables import Comparison
from ..paired_runs import entries, joint_level, median_difference
from ..saddles import COLUMNS, Saddle, row
from .analysis import ModeComparison
from .blocks import Runs

PLACE = ("modes learned", "generator")
LEARNED = 0.9  # share of its target at which a mode counts as learned
ESCAPES = (
    "modes learned: which saddle. visited: share of the runs that stayed there. Medians over these; a run that has not left "
    "at the end, or has diverged there, counts as later than all others. Intervals: 95 %, bootstrap over runs. approach and "
    "escape: nine tenths and one tenth of the drop of the loss between two plateaus."
)
SADDLES = (
    "At the step where the gradient is smallest. negative: eigenvalues of the Hessian below -1/1000 of the largest (+: at "
    "least so many); at depth 3 and more the exact saddles have none, these come from the small weights that are "
    "left. trace, dimension: trace of the covariance of the batch gradient and its effective dimension, (sum)^2 / sum of "
    "squares of its eigenvalues. cosine: tr(HC) / (|H| |C|). curvature: tr(HC) / tr C. in lowest, in highest: shares of the "
    "trace along the ten lowest and ten highest directions of the Hessian. tail: Hill index of the noise's size, 20000 "
    "batches, with its 95 % bootstrap interval: sampling only; Gaussian inputs have no power tail, and the index of a finite "
    "sample only grows with it. Noise: that of batches at this place, whatever noise the generator itself has."
)
MODES = (
    "steps: since the mode started from `from`. mean: of the runs that last so long, with its standard error. W1: Wasserstein "
    "distance of the measured strengths to the density of the equation, its standard error, and its mean if only sampling "
    "set them apart. off-diagonal: median share of |W|^2 off the teacher's modes then, the violation of alignment."
)
HALVES = (
    "half: median step at which the mode reaches half its target, counted from the start of training; noiseless: the same by "
    "the equation without noise, from the median strength at the start. rise: mean steps from `from` to half the target, in "
    "the runs (with standard error) and by first passage of the equation; z: their difference in standard errors. "
    "off-diagonal: as above, where the equation reaches half."
)
RANKS = "Means over the runs that have not diverged, with standard errors; s1, s2, ...: singular values of W."
LARGEST_NOISE = (
    "Share of the runs of SGD in which the mode's largest diffusion, measured from its increments step by step over a quarter "
    "of its noiseless rise, comes before it reaches 90 % of its target; runs that never do are left out. The error is that of "
    "a binomial share, not zero where all runs agree. Last columns: median strength at the largest noise, and by the equation."
)


def escape_table(found: Mapping[str, Plateaus], diverged: Mapping[str, float]) -> Comparison:
    """Escape times for each saddle and generator."""
    columns = (
        "modes learned", "generator", "visited", "approach", "stay", "escape", "escape from", "escape to", "diverged",
    )  # fmt: skip
    tables = {name: plateaus.table() for name, plateaus in found.items()}
    n_saddles = len(next(iter(tables.values()))) - 1
    rows = [
        (rank, name, *entries(table[rank]), diverged[name])
        for rank in range(n_saddles)
        for name, table in tables.items()
    ]
    return Comparison(columns, tuple(rows), ESCAPES)


def difference_table(found: Mapping[str, Plateaus], reference: str, others: Sequence[str]) -> Comparison:
    """Median stay of each generator less that of the reference, with intervals that hold together at 95 %."""
    n_saddles = len(found[reference].stay) - 1
    level = joint_level(n_saddles * len(others))
    rows = []
    for name in others:
        for rank in range(n_saddles):
            d = median_difference(found[name].stay[rank], found[reference].stay[rank], level)
            word = "undefined" if math.isnan(d.value) else {-1: "shorter", 0: "not told apart", 1: "longer"}[d.sign]
            rows.append((name, rank, d.n, *entries(d[:3]), word))
    note = (
        f"Median stay less that of {reference}, run by run from the same starts; intervals at {level:.2%}, so that all "
        f"{len(rows)} hold together at 95 %. No difference is stated where both medians may be infinite, since too many runs "
        "never leave."
    )
    return Comparison(("generator", "modes learned", "pairs", "difference", "from", "to", "stay"), tuple(rows), note)


def heavy_tail_sentences(differences: Comparison, reference: str, diverged: Mapping[str, float]) -> list[str]:
    """Whether stable noise of each stability speeds up the escape, and where the data cannot tell."""
    sentences = []
    for name, rows in _by_generator(differences):
        words = {row[-1] for row in rows}
        verdict = {
            (True, False): "speeds up the escape where it makes a difference",
            (True, True): "speeds up the escape from some saddles and slows it down from others",
            (False, True): "slows the escape down where it makes a difference",
            (False, False): "makes no difference to the escape that these runs can show",
        }["shorter" in words, "longer" in words]
        loss = f" {diverged[name]:.1%} of its runs diverged." if diverged[name] else ""
        intro = f"Heavy tails, {name} against {reference}: heavy-tailed noise"
        sentences.append(
            f"{intro} {verdict} (intervals that hold together at 95 %): the median stay is {_stays(rows)}.{loss}"
        )
    return sentences


def difference_sentences(differences: Comparison) -> list[str]:
    """Which generators are told apart from SGD, and where."""
    sentences = []
    for name, rows in _by_generator(differences):
        told = [row for row in rows if row[-1] in ("shorter", "longer")]
        verdict = f"the median stay is {_stays(told)}" if told else "no stay is told apart"
        sentences.append(f"{name.capitalize()} against SGD: {verdict}.")
    return sentences


def _by_generator(differences: Comparison) -> list[tuple[str, list[tuple]]]:
    names = dict.fromkeys(differences.column("generator"))
    return [(name, [row for row in differences.rows if row[0] == name]) for name in names]


def _stays(rows: Sequence[tuple]) -> str:
    """At which saddles a stay is shorter, longer or not told apart, and by how much."""
    parts = []
    for word in ("shorter", "longer", "not told apart", "undefined"):
        here = [f"{row[1]} ({_steps(row)})" for row in rows if row[-1] == word]
        if here:
            parts.append(f"{word} at the saddle{'s' if len(here) > 1 else ''} of rank {', '.join(here)}")
    return ", and ".join(parts)


def saddle_table(saddles: Sequence[Saddle]) -> Comparison:
    """Hessian and gradient noise where runs of each generator are nearest to saddles."""
    rows = tuple((*row(s), *entries((s.tail_low, s.tail_high))) for s in saddles)
    return Comparison((*PLACE, *COLUMNS, "tail from", "tail to"), rows, SADDLES, (*PLACE, "run"))


def mode_table(comparisons: Sequence[ModeComparison]) -> Comparison:
    """Measured modes against the densities of their equations."""
    columns = (
        "target", "from", "steps", "runs", "mean", "error", "equation", "W1", "W1 error", "W1 sampling", "off-diagonal",
    )  # fmt: skip
    rows = []
    for c in comparisons:
        ensemble, means = over_runs(c.steps, c.strengths), c.density.mean()
        means = np.asarray(means, dtype=float).reshape(len(c.steps), -1)[:, 0]
        measured, errors = ensemble.mean()[:, 0], ensemble.standard_error()[:, 0]
        for n, step in enumerate(c.steps.tolist()):
            numbers = (measured[n], errors[n], means[n], c.distance[n], c.error[n], c.sampling[n], c.off_diagonal[n])
            rows.append((c.mode.target, c.origin, step, ensemble.n_paths, *entries(numbers)))
    return Comparison(columns, tuple(rows), MODES)


def half_table(comparisons: Sequence[ModeComparison]) -> Comparison:
    """When modes reach half their target, in networks and by the equation."""
    columns = ("target", "half", "noiseless", "from", "runs", "rise", "error", "equation", "z", "off-diagonal")
    rows = []
    for c in comparisons:
        rise = c.rise[np.isfinite(c.rise)]
        if rise.size < 2:
            continue
        mean, error = float(rise.mean()), float(rise.std(ddof=1) / math.sqrt(rise.size))
        z = (mean - c.equation_rise) / error if error > 0.0 else math.nan
        half = float(np.sort(c.half)[c.half.size // 2])
        off = float(np.interp(c.equation_rise, c.steps, c.off_diagonal))
        numbers = entries((half, c.noiseless_half))
        rows.append((c.mode.target, *numbers, c.origin, rise.size, *entries((mean, error, c.equation_rise, z, off))))
    return Comparison(columns, tuple(rows), HALVES)


def rank_table(runs: Sequence[Runs], moments: int = 5) -> Comparison:
    """Stable rank and singular values over training."""
    k = runs[0].training.net.teacher_modes.values.size
    k = min(k + 1, min(runs[0].training.net.target.shape))
    names = [text for i in range(1, k + 1) for text in (f"s{i}", f"s{i} error")]
    rows = []
    for one in runs:
        t = one.training
        at = np.unique(np.linspace(0, t.steps.size - 1, moments).round().astype(int))
        matrices = t.end_to_end[at][:, np.isfinite(t.loss[-1])]
        rank = over_runs(t.steps[at], stable_rank(matrices))
        values = over_runs(t.steps[at], singular_values(matrices)[..., :k])
        for n in range(at.size):
            pairs = np.stack([values.mean()[n], values.standard_error()[n]], axis=1).ravel()
            first = (rank.mean()[n, 0], rank.standard_error()[n, 0])
            rows.append((one.generator.name, int(t.steps[at[n]]), *entries([*first, *pairs])))
    return Comparison(("generator", "step", "stable rank", "error", *names), tuple(rows), RANKS)


def largest_noise_table(runs: Runs) -> Comparison:
    """How often a mode diffuses most before it is learned."""
    net, steps, strengths = runs.training.net, runs.every_step, runs.strengths
    assert strengths is not None
    rows = []
    for i, target in enumerate(net.teacher_modes.values.tolist()):
        mode = ModeEquation(net.depth, target, net.learning_rate, net.batch_size, net.label_noise)
        window = int(np.clip(0.25 * mode.descent_steps(0.1 * target, LEARNED), 8, steps[-1] - 2))
        s = strengths[..., i : i + 1]
        largest, learned = largest_noise_steps(steps, s, window), crossing_steps(steps, s, LEARNED * target)
        share = fraction_before(largest, learned)
        counted = (np.isfinite(learned) & ~np.isnan(largest)).ravel()
        there = [np.interp(largest[k, 0], steps, s[:, k, 0]) / target for k in np.flatnonzero(counted)]
        median = float(np.median(there)) if there else math.nan
        numbers = (share.value[0], share.standard_error[0], median, mode.largest_diffusion / target)
        rows.append((target, int(counted.sum()), *entries(numbers)))
    columns = ("target", "runs", "before learned", "error", "largest noise at s / s*", "by the equation")
    return Comparison(columns, tuple(rows), LARGEST_NOISE)


def agreement_sentences(modes: Comparison, halves: Comparison, aligned: bool) -> list[str]:
    """Where the equation of one mode describes the network, and by how much it does not."""
    if not modes.rows:
        return ["No equation of one mode holds for these inputs, or no mode was learned."]
    names = ("target", "mean", "error", "equation", "W1", "W1 error", "W1 sampling", "off-diagonal")
    target, mean, error, equation, w1, w1_error, sampling, off = (
        np.array(modes.column(name), dtype=float) for name in names
    )
    far, apart = w1 > sampling + 3.0 * w1_error, np.abs(mean - equation) > 3.0 * error
    origin = "the aligned start" if aligned else "a tenth of their target"
    sentences = [
        f"Modes from {origin} on: of {w1.size} comparisons {far.sum()} have a W1 more than three standard errors above what "
        f"sampling alone gives, and {apart.sum()} a mean more than three from that of the equation; the largest W1 is "
        f"{(w1 / target).max():.2g} of a target. The off-diagonal share there is {off.min():.2g} to {off.max():.2g}."
    ]
    ratios = [
        late / half
        for half, late in zip(halves.column("half"), halves.column("noiseless"), strict=True)
        if late is not None and math.isfinite(half)
    ]
    if ratios and not aligned:
        sentences.append(
            "From the start on, where nothing is aligned, the equation without noise, begun at the median strength, needs "
            f"{min(ratios):.2f} to {max(ratios):.2f} times as many steps as the network to half a target."
        )
    return sentences


def _steps(row: tuple) -> str:
    if row[3] is None:
        return "too many runs never leave"
    return f"{row[3]:+.3g} steps, {row[4]:+.3g} to {row[5]:+.3g}"
