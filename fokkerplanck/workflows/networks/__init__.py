"""The study of any network: SGD and its surrogate dynamics from shared starts, over learning rates, with verdicts.

File -> blocks of runs -> distances and escapes -> tables -> answers, page and figures. `fokkerplanck study FILE.toml` with a
`model` or a `module` under [network].
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...storage.files import write_text
from ...storage.tables import Comparison
from ..executors import Spread, one_by_one
from ..saddles import tails_and_stays
from ..study_files import write_tables_and_figures
from . import figures, tables
from .analysis import contrasts, distances, events
from .blocks import Trained, train_blocks
from .page import page
from .saddles import inspect_saddles
from .spec import NetworkStudy, is_network_study, read_network_study
from .verdicts import answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NetworkStudy", "NetworkStudyResult", "is_network_study", "read_network_study", "run_network_study"]

Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class NetworkStudyResult:
    """A finished study.

    Attributes
    ----------
    tables : dict of Comparison
        Named escapes, contrasts, distances, saddles, saddle medians and tails.
    sentences : tuple of str
    files : tuple of Path
    """

    tables: dict[str, Comparison]
    sentences: tuple[str, ...]
    files: tuple[Path, ...]

    def report(self) -> str:
        """The sentences and the table of escapes as text."""
        wrapped = (textwrap.fill(sentence, 80) for sentence in self.sentences)
        return "\n".join([*wrapped, "", repr(self.tables["escapes"])])


def run_network_study(
    study: NetworkStudy, folder: Path, report: Report = lambda text, share: None, spread: Spread | None = None
) -> NetworkStudyResult:
    """Train, compare, and write answers, page, tables and figures into a folder; what is found there is not done again.

    spread: how blocks are spread over workers, see `executors.spread_over`; default: one after the other.
    """
    parts = folder / "blocks"
    trained = train_blocks(study, parts, lambda text, share: report(text, 0.8 * share), spread or one_by_one)
    report("distances", 0.8)
    far = [one for rate, by_name in trained.items() for one in distances(rate, by_name, study.moments(rate))]
    report("escapes", 0.9)
    found = [events(rate, by_name) for rate, by_name in trained.items()]
    report("saddles", 0.93)
    saddles = [s for there in found for s in inspect_saddles(study, there, trained[there.rate], parts)]
    dynamics = study.spec.study.dynamics
    results = {
        "escapes": tables.escape_table(found),
        "contrasts": tables.contrast_table(found, contrasts(dynamics)),
        "distances": tables.distance_table(far),
        "saddles": tables.saddle_table(saddles),
        "saddle medians": tables.place_table(saddles),
        "tails": tails_and_stays(tables.PLACE, saddles),
    }
    diverged = {rate: tables.diverged_shares(by_name) for rate, by_name in trained.items()}
    fresh = getattr(study.net, "sampler", None) is not None
    sentences = answers(dynamics, results, diverged, fresh)
    files = _write(study, folder, results, sentences, _figures(trained, results))
    return NetworkStudyResult(results, sentences, files)


def _figures(trained: dict[float, dict[str, Trained]], results: dict[str, Comparison]) -> dict[str, Figure]:
    drawn = {"loss": figures.loss_figure(trained)}
    if results["contrasts"].rows:
        drawn["escapes"] = figures.contrast_figure(results["contrasts"], results["escapes"])
    return drawn | {"distances": figures.distance_figure(results["distances"])}


def _write(
    study: NetworkStudy,
    folder: Path,
    results: dict[str, Comparison],
    sentences: tuple[str, ...],
    drawn: dict[str, Figure],
) -> tuple[Path, ...]:
    files = [folder / "answers.txt", folder / "study.md"]
    write_text(files[0], "\n".join(sentences) + "\n")
    write_text(files[1], page(study, results, sentences, tuple(drawn)))
    return (*files, *write_tables_and_figures(folder, results, drawn))
