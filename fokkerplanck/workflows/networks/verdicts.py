"""Sentences that follow from the tables of a study of a network: no more than the intervals support."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...storage.tables import Comparison
from ..paired_runs import NOT_TOLD
from ..tail_correlation import LONGER, SHORTER
from .blocks import AGAIN
from .spec import Dynamics, named

ISOTROPY = "Does the anisotropy of the noise change escapes?"
TAILS = "Do heavy tails change escapes?"
FRESH = (
    "SGD draws fresh samples, and full gradients are those of samples drawn once: refined, Langevin and gradient descent are "
    "trained on these, and may be told apart from SGD for that reason alone."
)
GAUSSIAN = "Would Gaussian noise of the same covariance escape as SGD does?"


def answers(
    dynamics: Sequence[Dynamics],
    tables: Mapping[str, Comparison],
    diverged: Mapping[float, Mapping[str, float]],
    fresh: bool,
) -> tuple[str, ...]:
    """One sentence for each question that the dynamics of the study bear on; fresh: whether SGD draws from a sampler."""
    distances, contrasts = tables["distances"], tables["contrasts"]
    sentences = [*escape_answers(dynamics, contrasts), *tail_answers(tables["tails"])]
    sentences += [f"{_capital(one.name)} against SGD: {_far(distances, one.name)}." for one in _others(dynamics)]
    if len(diverged) > 1:
        sentences += [_failing(distances, one.name, list(diverged)) for one in _others(dynamics)]
    sentences += [
        f"At learning rate {rate:g} {share:.1%} of the runs of {name} diverged."
        for rate, shares in diverged.items()
        for name, share in shares.items()
        if share
    ]
    return (*sentences, *([FRESH] if fresh else []), false_alarms(distances, contrasts))


def escape_answers(dynamics: Sequence[Dynamics], contrasts: Comparison) -> list[str]:
    """Whether anisotropy, heavy tails and non-Gaussian noise change when runs get how far."""
    asked = []
    for one in dynamics:
        gaussian = named(one._replace(noise="refined", stability=None, temperature=None)).name
        if one.noise == "langevin" and one.temperature is None:
            asked.append((ISOTROPY, one.name, gaussian))
        elif one.stability is not None:
            asked.append((TAILS, one.name, gaussian))
        elif one.name == "refined":
            asked.append((GAUSSIAN, one.name, "sgd"))
    rows = [dict(zip(contrasts.columns, row, strict=True)) for row in contrasts.rows]
    sentences = []
    for question, name, other in asked:
        here = [row for row in rows if (row["dynamics"], row["against"]) == (name, other)]
        if here:
            sentences.append(f"{question} {_verdict(question, here)}: {name} against {other}, {_times(here)}.")
    return sentences


def tail_answers(tails: Comparison) -> list[str]:
    """Whether runs of SGD leave sooner where the noise has heavier tails, and whether those that feel no tails do too."""
    rows = [dict(zip(tails.columns, row, strict=True)) for row in tails.rows]
    kinds = (
        ("its batches", [row for row in rows if row["dynamics"].startswith("sgd")]),
        (
            "the batches that it does not see",
            [row for row in rows if not row["dynamics"].startswith("sgd")],
        ),
    )
    (own, ours), (unseen, others) = kinds
    if not ours:
        return []
    sentences = [f"Does SGD leave sooner where the noise of {own} has heavier tails? {_correlated(ours)}."]
    if others:
        sentences.append(f"And a dynamics with noise of its own, by the tails of {unseen}? {_correlated(others)}.")
    return sentences


def _correlated(rows: Sequence[Mapping]) -> str:
    known = [row for row in rows if row["verdict"] != "undefined"]
    if not known:
        return "These runs cannot tell: fewer than ten stay, or all alike"
    told = [row for row in known if row["verdict"] != NOT_TOLD]
    if not told:
        largest = max(known, key=lambda row: abs(row["correlation"]))
        return (
            f"No correlation that these runs can show in {len(known)} comparisons, the largest {_correlation(largest)}"
        )
    words = {SHORTER: "Sooner", LONGER: "Later"}
    parts = []
    for word, said in words.items():
        here = [row for row in told if row["verdict"] == word]
        if here:
            parts.append(f"{said} in {len(here)} of {len(known)} comparisons: {', '.join(map(_correlation, here))}")
    return "; ".join(parts)


def _correlation(row: Mapping) -> str:
    bounds = f"{row['correlation']:+.2f}, {row['from']:+.2f} to {row['to']:+.2f}"
    return f"{row['dynamics']}, {row['event']} at {row['learning rate']:g} ({bounds})"


def _verdict(question: str, rows: Sequence[Mapping]) -> str:
    told = [row for row in rows if row["verdict"] not in (NOT_TOLD, "undefined")]
    if all(row["verdict"] == "undefined" for row in rows):
        return "These runs cannot tell, since too many never get there"
    if not told:
        return "No difference that these runs can show"
    share = "" if len(told) == len(rows) else f" in {len(told)} of {len(rows)} comparisons"
    return f"Not{share}" if question == GAUSSIAN else f"Yes{share}"


def _times(rows: Sequence[Mapping]) -> str:
    """Which events come sooner, later or are not told apart, by how many steps, at each learning rate."""
    several = len({row["learning rate"] for row in rows}) > 1
    parts: dict[str, list[str]] = {}
    for row in rows:
        at = f" at {row['learning rate']:g}" if several else ""
        by = "" if row["difference"] is None else f" ({_steps(row)})"
        parts.setdefault(row["verdict"], []).append(f"{row['event']}{at}{by}")
    return "; ".join(f"{word}: {', '.join(texts)}" for word, texts in parts.items())


def _steps(row: Mapping) -> str:
    low, high = (f"{row[end]:+.3g}" for end in ("from", "to"))
    if math.isinf(row["difference"]):
        never = f"most runs of {row['dynamics' if row['difference'] > 0.0 else 'against']} never"
        return never if row["from"] == row["to"] else f"{never}; {low} to {high} steps"
    return f"{row['difference']:+.3g} steps, {low} to {high}"


def _far(distances: Comparison, name: str) -> str:
    """At which learning rates and steps a dynamics is told apart from SGD, and how far it ends."""
    table = [dict(zip(distances.columns, row, strict=True)) for row in distances.rows]
    texts = []
    for rate in dict.fromkeys(distances.column("learning rate")):
        rows = [row for row in table if row["learning rate"] == rate and row["dynamics"] == name]
        chance = [row for row in table if row["learning rate"] == rate and row["dynamics"] == AGAIN.name]
        parts = []
        for what in ("parameters", "loss"):
            steps = [row["step"] for row in rows if what in row["apart"]]
            if steps:
                parts.append(f"{what} at {len(steps)} of {len(rows)} moments, first at step {steps[0]}")
        told = f"told apart by {' and by '.join(parts)}" if parts else f"{NOT_TOLD} at any of {len(rows)} moments"
        end = ""
        if rows[-1]["energy"] is not None and chance[-1]["energy"] is not None:
            end = (
                f" (energy distance at the end {rows[-1]['energy']:.3g}; SGD against itself {chance[-1]['energy']:.3g})"
            )
        texts.append(f"at learning rate {rate:g} {told}{end}")
    return "; ".join(texts)


def _failing(distances: Comparison, name: str, rates: list[float]) -> str:
    """From which learning rate on a dynamics is told apart from SGD by parameters or loss."""
    rows = zip(*(distances.column(c) for c in ("learning rate", "dynamics", "apart")), strict=True)
    failed = {rate for rate, whose, word in rows if whose == name and ("parameters" in word or "loss" in word)}
    head = f"From which learning rate on does {name} fail? "
    if not failed:
        return head + f"At none of {_listed(rates)} do these runs tell it apart from SGD."
    first = min(failed)
    if failed == {r for r in rates if r >= first}:
        below = (
            "the lowest that was tried" if first == rates[0] else f"not at {_listed([r for r in rates if r < first])}"
        )
        return head + f"These runs tell it apart from SGD from {first:g} on, {below}."
    passed = [r for r in rates if r not in failed]
    return head + f"These runs tell it apart from SGD at {_listed(sorted(failed))}, and not at {_listed(passed)}."


def false_alarms(distances: Comparison, contrasts: Comparison) -> str:
    """What the comparison of SGD with itself says of all the others."""
    apart = [
        word
        for name, word in zip(*(distances.column(c) for c in ("dynamics", "apart")), strict=True)
        if name == AGAIN.name
    ]
    verdicts = [
        word
        for name, word in zip(*(contrasts.column(c) for c in ("dynamics", "verdict")), strict=True)
        if name == AGAIN.name
    ]
    wrong = sum("parameters" in w or "loss" in w for w in apart)
    wrong += sum(w not in (NOT_TOLD, "undefined") for w in verdicts)
    head = "SGD trained a second time from the same starts with other noise is "
    total = len(apart) + len(verdicts)
    if not wrong:
        return head + f"not told apart from SGD in any of {total} comparisons, as it should be."
    return head + f"told apart from SGD in {wrong} of {total} comparisons, by chance: the other verdicts are in doubt."


def _others(dynamics: Sequence[Dynamics]) -> list[Dynamics]:
    return [one for one in dynamics if one.name != "sgd"]


def _listed(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates)


def _capital(name: str) -> str:
    """A name at the beginning of a sentence."""
    return f"SGD{name[3:]}" if name.startswith("sgd") else name[:1].upper() + name[1:]
