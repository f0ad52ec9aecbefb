"""Training in blocks of runs, each kept in a file of its own once it is finished, and read again when the study goes on.

Run k of all dynamics starts from the same parameters. SGD is trained a second time from these starts, with other noise: what
sets it apart from itself is what chance alone gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...networks import Runs
from ..executors import Kept, Spread, gathered, one_by_one
from .spec import Dynamics, NetworkStudy, arguments_of

AGAIN = Dynamics("sgd again")
OTHER_RUNS = 2**24  # from where on SGD's second runs are numbered: the number of a run keys its noise
Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """All runs of one dynamics at one learning rate.

    Attributes
    ----------
    dynamics : Dynamics
    runs : Runs
        At the recorded steps, without parameters.
    parameters : ndarray (m, n_runs, d)
        At the moments of comparison.
    """

    dynamics: Dynamics
    runs: Runs
    parameters: np.ndarray


@dataclass(frozen=True)
class Block:
    """Some runs of one dynamics at one learning rate."""

    dynamics: Dynamics
    rate: float
    first: int
    n_runs: int

    def kept(self, study: NetworkStudy, folder: Path) -> Kept:
        """The runs as a piece of the study, in its file."""
        name = f"{self.dynamics.name.replace(' ', '-')}_{self.rate!r}_{self.first:05d}.npz"
        depends_on = (*self.depends_on(study), study.steps[self.rate], study.moments(self.rate))
        return Kept(partial(self.trained, study), folder / name, depends_on)

    def depends_on(self, study: NetworkStudy) -> tuple[Any, ...]:
        """All that the runs depend on, whichever of their steps are recorded."""
        asked = study.spec.study
        return study.recipe, study.net.content, self, study.start_scale, asked.seed, asked.batch_size

    def trained(self, study: NetworkStudy) -> dict[str, np.ndarray]:
        """Loss, norm of the gradient, and the parameters at the moments of comparison."""
        runs = self.runs(study, study.steps[self.rate])
        kept = runs.kept[study.moments(self.rate)].astype(float)
        return {"loss": runs.loss, "gradient_norm": runs.gradient_norm, "parameters": kept}

    def runs(self, study: NetworkStudy, steps: np.ndarray) -> Runs:
        """The runs with their parameters at these steps; to the same bits whichever steps are asked."""
        net, asked = study.net, study.spec.study
        numbers = range(self.first, self.first + self.n_runs)
        starts = study.start_scale * np.array([net.start(asked.seed, k) for k in numbers])
        return net.train(
            steps.tolist(),
            self.n_runs,
            seed=asked.seed,
            starts=starts,
            first_run=self.first + OTHER_RUNS * (self.dynamics == AGAIN),
            keep=self.n_runs,
            **arguments_of(self.dynamics, self.rate, asked),
        )


def train_blocks(
    study: NetworkStudy, folder: Path, report: Report = lambda text, share: None, spread: Spread = one_by_one
) -> dict[float, dict[str, Trained]]:
    """All runs by learning rate and name: trained, or read where an earlier study has left them in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = study.spec.study
    firsts = range(0, asked.runs, asked.block)
    blocks = [
        Block(one, rate, first, min(asked.block, asked.runs - first))
        for rate in asked.learning_rate
        for one in (*asked.dynamics, AGAIN)
        for first in firsts
    ]
    pieces: dict[int, Any] = {}
    for done, (k, outcome) in enumerate(gathered([block.kept(study, folder) for block in blocks], spread), 1):
        if isinstance(outcome, BaseException):
            raise outcome
        pieces[k] = outcome
        report(f"{blocks[k].dynamics.name}, learning rate {blocks[k].rate:g}", done / len(blocks))
    return {
        rate: {
            one.name: _joined(
                study, one, rate, [pieces[k] for k, b in enumerate(blocks) if (b.dynamics, b.rate) == (one, rate)]
            )
            for one in (*asked.dynamics, AGAIN)
        }
        for rate in asked.learning_rate
    }


def _joined(study: NetworkStudy, one: Dynamics, rate: float, blocks: list[Any]) -> Trained:
    loss, norm, parameters = (
        np.concatenate([b[name] for b in blocks], axis=1) for name in ("loss", "gradient_norm", "parameters")
    )
    steps = study.steps[rate]
    runs = Runs(
        steps=steps,
        loss=loss,
        gradient_norm=norm,
        seed=study.spec.study.seed,
        settings={"dynamics": one.name, "learning_rate": rate},
        final=parameters[-1],
        kept=np.empty((steps.size, 0, parameters.shape[-1])),
    )
    return Trained(one, runs, parameters)
