"""Training in blocks of runs: each is kept in a file of its own once it is finished, and read again when the study goes on.

Run k of a seed has the same bits in whatever block it is trained, so that an interrupted study ends like any other.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...deep_linear import Training, mode_strengths, train
from ...storage.files import write_atomically
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
        mark = _mark(study, generator, first, n_runs)
        block = _kept(path, mark)
        if block is None:
            block = _trained(study, generator, first, n_runs)
            _save(path, block | {"mark": np.array(mark)})
        blocks.append(block)
        progress()
    end_to_end, loss, norm = (np.concatenate([b[name] for b in blocks], axis=1) for name in RECORDED)
    settings = {"generator": generator.kind, "stability": generator.stability}
    seed = study.spec.study.seed
    training = Training(study.net, study.steps, end_to_end, loss, norm, [], [], seed, settings=settings)
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


def _mark(study: DeepStudy, generator: Generator, first: int, n_runs: int) -> str:
    """What a block depends on."""
    digest = hashlib.sha256(repr((study.spec.network, generator, study.spec.study.seed, first, n_runs)).encode())
    digest.update(study.steps.tobytes())
    if study.net.data is not None:
        digest.update(study.net.data.tobytes())
    return digest.hexdigest()


def _kept(path: Path, mark: str) -> Arrays | None:
    """The block of an earlier study, if it belongs to this very one."""
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with open(path, "rb") as file, np.load(file) as arrays:
            return dict(arrays) if str(arrays["mark"]) == mark else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _save(path: Path, arrays: dict[str, Any]) -> None:
    def write(name: str) -> None:
        with open(name, "wb") as file:
            np.savez(file, **arrays)

    write_atomically(path, write)
