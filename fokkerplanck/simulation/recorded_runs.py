"""What all records of training have in common: runs side by side at recorded steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import bad_value


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RecordedRuns:
    """Runs of training from starts that their number and the seed decide.

    Attributes
    ----------
    steps : ndarray of int (n_times,)
    loss, gradient_norm : ndarray (n_times, n_runs)
        nan from where a run has diverged.
    seed, first_run : int
        Runs first_run, first_run + 1, ... of the seed.
    settings : dict
    """

    RUN_AXES: ClassVar[dict[str, int]] = {"loss": 1, "gradient_norm": 1}  # where the runs lie side by side

    steps: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    seed: int = 0
    first_run: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return self.loss.shape[1]

    @property
    def diverged(self) -> float:
        """Share of the runs that have diverged by the last recorded step."""
        return float(np.isnan(self.loss[-1]).mean())

    def joined(self, *others: Self) -> Self:
        """This and other blocks of runs of the same training as one."""
        for other in others:
            if not np.array_equal(self.steps, other.steps) or self.settings != other.settings:
                raise bad_value("others", "blocks of the same steps and settings", other.settings)
        blocks = {name: [getattr(part, name) for part in (self, *others)] for name in self.RUN_AXES}
        return replace(self, **{name: _side_by_side(parts, self.RUN_AXES[name]) for name, parts in blocks.items()})

    def _shown(self, about: str = "", of_loss: str = "loss at the end") -> str:
        """Lines for a repr: what it is about, the settings, and where the loss ended."""
        span = f"{self.n_runs} runs at {self.steps.size} recorded steps from {self.steps[0]} to {self.steps[-1]}"
        lines = [f"{type(self).__name__}: {span}, seed {self.seed}", *([about] if about else [])]
        lines += [f"  {key}: {value}" for key, value in self.settings.items()]
        done = self.loss[-1][np.isfinite(self.loss[-1])]
        if done.size:
            lines.append(f"  {of_loss}: median {np.median(done):.4g}, from {done.min():.4g} to {done.max():.4g}")
        if self.diverged:
            lines.append(f"  diverged: {100.0 * self.diverged:.3g}% of the runs")
        return "\n".join(lines)


def _side_by_side(parts: list[Any], axis: int) -> Any:
    """Arrays, lists or dicts of arrays, joined along an axis of each array."""
    if isinstance(parts[0], dict):
        return {name: _side_by_side([part[name] for part in parts], axis) for name in parts[0]}
    if isinstance(parts[0], list):
        return [_side_by_side(list(one), axis) for one in zip(*parts, strict=True)]
    return np.concatenate(parts, axis=axis)
