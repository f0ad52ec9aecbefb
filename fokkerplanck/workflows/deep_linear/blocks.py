"""Training in blocks of runs: each is kept in a file of its own once it is finished, and read again when the study goes on.

Run k of a seed has the same bits in whatever block it is trained, so that an interrupted study ends like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...deep_linear import Training, mode_strengths, train
from ...storage.checkpoint import resumed
from .spec import DeepStudy, Generator

Arrays = dict[str, np.ndarray]
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


def train_blocks(
    study: DeepStudy, generator: Generator, folder: Path, progress: Callable[[], None] = lambda: None
) -> Runs:
    """Train all runs of a generator, or read what an earlier study has left in the folder."""
    blocks = []
    for first in range(0, study.spec.study.runs, study.spec.study.block):
        n_runs = min(study.spec.study.block, study.spec.study.runs - first)
        path = folder / f"{generator.name.replace(' ', '-')}-{first:05d}.npz"
        network, seed = repr(study.spec.network), study.spec.study.seed
        settings = network, generator, seed, first, n_runs, study.steps, study.net.data
        blocks.append(resumed(path, partial(_trained, study, generator, first, n_runs), *settings))
        progress()
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


def _trained(study: DeepStudy, generator: Generator, first: int, n_runs: int) -> Arrays:
    """A block; SGD is followed step by step, since the noise of a mode shows in its smallest increments only."""
    fine = generator.kind == "sgd"
    steps = list(range(study.steps[-1] + 1)) if fine else study.steps.tolist()
    seed = study.spec.study.seed
    run = train(
        study.net,
        study.start,
        steps,
        n_runs=n_runs,
        generator=generator.kind,
        stability=generator.stability,
        seed=seed,
        first_run=first,
    )
    thin = np.isin(steps, study.steps)
    block = {name: getattr(run, name)[thin] for name in RECORDED}
    if fine:
        left, _, right = study.net.teacher_modes
        block["strengths"] = mode_strengths(run.end_to_end, left, right)
    return block
