"""The page of results, to be read from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...storage.tables import Comparison
from .spec import NetworkStudy

SECTIONS: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    ("Loss", "loss", ()),
    ("Escapes", "escapes", ("contrasts", "escapes")),
    ("Where runs wait", None, ("saddle medians", "tails")),
    ("Distances to SGD", "distances", ("distances",)),
)
CAPTIONS = {
    "loss": "Median loss over training. Band: 80 % of the runs of SGD.",
    "escapes": "How much later than SGD a dynamics gets how far, as a share of SGD's median time. Bars: intervals that hold "
    "together at 95 %; filled where they leave out zero.",
    "distances": "Energy distance of the parameters to those of SGD from the same starts. Filled: told apart; grey: SGD with "
    "other noise.",
}


def page(
    study: NetworkStudy, results: Mapping[str, Comparison], sentences: Sequence[str], figures: Sequence[str]
) -> str:
    """The page in Markdown: what was asked, the sentences, then figures and tables."""
    asked = study.spec.study
    lines = [
        f"# {study.spec.title}",
        f"{study.net!r}. {asked.runs} runs of each dynamics, batch size {asked.batch_size}, seed {asked.seed}; run k of all "
        "dynamics starts from the same parameters.",
        "\n".join(f"- {sentence}" for sentence in sentences),
    ]
    for title, figure, names in SECTIONS:
        shown = [results[name].to_markdown().rstrip() for name in names if results[name].rows]
        if figure is not None and figure in figures:
            shown.insert(0, f"![{CAPTIONS[figure]}]({figure}.png)\n\n{CAPTIONS[figure]}")
        if shown:
            lines += [f"## {title}", *shown]
    return "\n\n".join(lines) + "\n"
