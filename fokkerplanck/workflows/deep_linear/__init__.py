"""The study of a deep linear network: SGD and its surrogate dynamics from saddle to saddle, on one page.

File -> blocks of runs -> analysis -> tables -> page and figures. `fokkerplanck study FILE.toml` with a table [network].
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...deep_linear import Plateaus, plateaus
from ...errors import ResolutionWarning
from ...storage.files import write_text
from ...storage.tables import Comparison
from ..executors import Spread, one_by_one
from ..paired_runs import FEWEST
from ..saddles import Saddle, tails_and_stays
from ..study_files import write_tables_and_figures
from . import figures, tables
from .analysis import ModeComparison, compare_modes, inspect_saddles
from .blocks import Runs, train_blocks
from .page import page
from .spec import DeepStudy, is_deep_study, read_deep_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DeepStudy", "DeepStudyResult", "is_deep_study", "read_deep_study", "run_deep_study"]

Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class DeepStudyResult:
    """A finished study.

    Attributes
    ----------
    tables : dict of Comparison
        Named escapes, differences, heavy, saddles, tails, modes, halves, largest noise, ranks.
    sentences : tuple of str
    files : tuple of Path
    """

    tables: dict[str, Comparison]
    sentences: tuple[str, ...]
    files: tuple[Path, ...]

    def report(self) -> str:
        """The table of escapes and the sentences as text."""
        wrapped = (textwrap.fill(sentence, 80) for sentence in self.sentences)
        return "\n".join([repr(self.tables["escapes"]), "", *wrapped])


def run_deep_study(
    study: DeepStudy, folder: Path, report: Report = lambda text, share: None, spread: Spread | None = None
) -> DeepStudyResult:
    """Train, analyse, and write page, tables and figures into a folder; what is found there is not done again.

    spread: how blocks are spread over workers, see `executors.spread_over`; default: one after the other, by threads.
    """
    parts = folder / "blocks"
    runs = train_blocks(study, parts, lambda text, share: report(text, 0.8 * share), spread or one_by_one)
    found = {name: plateaus(one.training) for name, one in runs.items()}
    report("saddles", 0.8)
    saddles = inspect_saddles(study, runs, found, parts)
    report("modes", 0.9)
    with warnings.catch_warnings():  # the grid of a mode equation is laid out by it, not by the user
        warnings.simplefilter("ignore", ResolutionWarning)
        modes = compare_modes(study, runs["sgd"])
    aligned = study.spec.network.start["kind"] == "aligned"
    results, sentences = _tables(runs, found, saddles, modes, aligned)
    files = _write(study, folder, results, sentences, _figures(runs, found, modes))
    return DeepStudyResult(results, sentences, files)


def _tables(
    runs: dict[str, Runs], found: dict[str, Plateaus], saddles: list[Saddle], modes: list[ModeComparison], aligned: bool
) -> tuple[dict[str, Comparison], tuple[str, ...]]:
    diverged = {name: one.training.diverged for name, one in runs.items()}
    stable = [name for name, one in runs.items() if one.generator.stability is not None]
    reference = "refined" if "refined" in runs else "sgd"
    results = {
        "escapes": tables.escape_table(found, diverged),
        "differences": tables.difference_table(found, "sgd", [name for name in runs if name != "sgd"]),
        "heavy": tables.difference_table(found, reference, stable),
        "saddles": tables.saddle_table(saddles),
        "tails": tails_and_stays(tables.PLACE, saddles, FEWEST),
        "modes": tables.mode_table(modes),
        "halves": tables.half_table(modes),
        "largest noise": tables.largest_noise_table(runs["sgd"]),
        "ranks": tables.rank_table(list(runs.values())),
    }
    return results, (
        *tables.heavy_tail_sentences(results["heavy"], reference, diverged),
        *tables.difference_sentences(results["differences"]),
        *tables.agreement_sentences(results["modes"], results["halves"], aligned),
    )


def _figures(runs: dict[str, Runs], found: dict[str, Plateaus], modes: list[ModeComparison]) -> dict[str, Figure]:
    drawn = {
        "loss": figures.loss_figure(runs["sgd"], found["sgd"]),
        "escape": figures.escape_figure(found),
        "rank": figures.rank_figure(list(runs.values())),
    }
    return drawn | ({"modes": figures.mode_figure(modes)} if modes else {})


def _write(
    study: DeepStudy, folder: Path, results: dict[str, Comparison], sentences: tuple[str, ...], drawn: dict[str, Figure]
) -> tuple[Path, ...]:
    files = [folder / "study.md"]
    write_text(files[0], page(study, results, sentences, tuple(drawn)))
    return (*files, *write_tables_and_figures(folder, results, drawn))
