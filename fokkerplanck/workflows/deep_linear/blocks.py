"""Training in blocks of runs: each is kept in a file of its own once it is finished, and read again when the study goes on.

Run k of a seed has the same bits in whatever block it is trained, so that an interrupted study ends like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...deep_linear import Training, mode_strengths, train
from ..executors import Kept, Spread, gathered, one_by_one
from .spec import DeepStudy, Generator

Arrays = dict[str, np.ndarray]
Report = Callable[[str, float], None]
RECORDED = ("end_to_end", "loss", "gradient_norm")


@dataclass(frozen=True, eq=False)
class Runs:
    """All runs of one generator.

    Attributes
    ----------
    generator : Generator
    training : Training
        At the recorded steps, without weights.
    strengths : ndarray (n_steps + 1, n_runs, k) or None
        The teacher's modes at every step; of SGD alone.
    """

    generator: Generator
    training: Training
    strengths: np.ndarray | None

    @property
    def every_step(self) -> np.ndarray:
        """0, 1, ..., n_steps."""
        return np.arange(self.training.steps[-1] + 1)


@dataclass(frozen=True)
class Block:
    """Some runs of one generator, and the file that keeps them."""

    generator: Generator
    first: int
    n_runs: int

    def kept(self, study: DeepStudy, folder: Path) -> Kept:
        """The runs as a piece of the study, in its file."""
        path = folder / f"{self.generator.name.replace(' ', '-')}-{self.first:05d}.npz"
        return Kept(partial(self.trained, study), path, (*self.depends_on(study), study.steps))

    def depends_on(self, study: DeepStudy) -> tuple[Any, ...]:
        """All that the runs depend on, whichever of their steps are recorded."""
        return repr(study.spec.network), self.generator, study.spec.study.seed, self.first, self.n_runs, study.net.data

    def trained(self, study: DeepStudy) -> Arrays:
        """The runs; SGD is followed step by step, since the noise of a mode shows in its smallest increments only."""
        fine = self.generator.kind == "sgd"
        steps = list(range(study.steps[-1] + 1)) if fine else study.steps.tolist()
        run = train(
            study.net,
            study.start,
            steps,
            n_runs=self.n_runs,
            generator=self.generator.kind,
            stability=self.generator.stability,
            seed=study.spec.study.seed,
            first_run=self.first,
        )
        thin = np.isin(steps, study.steps)
        block = {name: getattr(run, name)[thin] for name in RECORDED}
        if fine:
            left, _, right = study.net.teacher_modes
            block["strengths"] = mode_strengths(run.end_to_end, left, right)
        return block


def train_blocks(
    study: DeepStudy, folder: Path, report: Report = lambda text, share: None, spread: Spread = one_by_one
) -> dict[str, Runs]:
    """All runs of all generators by name: trained, or read where an earlier study has left them in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = study.spec.study
    firsts = range(0, spec.runs, spec.block)
    blocks = [Block(g, first, min(spec.block, spec.runs - first)) for g in spec.generators for first in firsts]
    pieces: dict[int, Any] = {}
    for done, (k, outcome) in enumerate(gathered([block.kept(study, folder) for block in blocks], spread), 1):
        if isinstance(outcome, BaseException):
            raise outcome
        pieces[k] = outcome
        report(blocks[k].generator.name, done / len(blocks))
    return {
        generator.name: _joined(study, generator, [pieces[k] for k, b in enumerate(blocks) if b.generator == generator])
        for generator in spec.generators
    }


def _joined(study: DeepStudy, generator: Generator, blocks: Sequence[Any]) -> Runs:
    """All runs of a generator from its blocks."""
    end_to_end, loss, norm = (np.concatenate([b[name] for b in blocks], axis=1) for name in RECORDED)
    how = {"generator": generator.kind, "stability": generator.stability}
    training = Training(
        net=study.net,
        steps=study.steps,
        end_to_end=end_to_end,
        loss=loss,
        gradient_norm=norm,
        seed=study.spec.study.seed,
        settings=how,
    )
    strengths = np.concatenate([b["strengths"] for b in blocks], axis=1) if "strengths" in blocks[0] else None
    return Runs(generator, training, strengths)
