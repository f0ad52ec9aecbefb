"""The page of results, to be read from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...storage.tables import Comparison
from .spec import DeepStudy

SECTIONS = (
    ("Escape times", "escape", ("escapes", "differences")),
    ("Do heavy tails speed up the escape?", None, ("heavy",)),
    ("Plateaus", "loss", ()),
    ("The saddles: Hessian and gradient noise", None, ("saddles", "tails")),
    ("One equation a mode", "modes", ("modes", "halves")),
    ("Largest noise before learned", None, ("largest noise",)),
    ("Low-rank bias", "rank", ("ranks",)),
)
CAPTIONS = {
    "escape": "Median stay at each saddle with its 95 % interval.",
    "loss": "Loss of the first runs of SGD. Bars: stays that were found; dots: where the gradient is smallest; dashed: the "
    "loss at the saddle at which so many modes are learned.",
    "modes": "Measured modes, with the density of the equation: band and bars hold 90 %.",
    "rank": "Mean stable rank of the end-to-end matrix with two standard errors.",
}


def page(study: DeepStudy, results: Mapping[str, Comparison], sentences: Sequence[str], figures: Sequence[str]) -> str:
    """The page in Markdown: what was asked, the sentences, then tables and figures."""
    spec = study.spec
    start = spec.network.start
    scale = "" if start["scale"] is None else f", scale {start['scale']}"
    lines = [
        f"# {spec.title}",
        f"{study.net!r}. Start: {start['kind']}{scale}. {spec.study.runs} runs of {spec.study.steps} steps for each generator, "
        f"seed {spec.study.seed}; run k of all generators starts from the same weights.",
        "\n".join(f"- {sentence}" for sentence in sentences),
    ]
    for title, figure, names in SECTIONS:
        shown = [results[name].to_markdown().rstrip() for name in names if results[name].rows]
        if figure is not None and figure in figures:
            shown.insert(0, f"![{CAPTIONS[figure]}]({figure}.png)\n\n{CAPTIONS[figure]}")
        if shown:
            lines += [f"## {title}", *shown]
    return "\n\n".join(lines) + "\n"
