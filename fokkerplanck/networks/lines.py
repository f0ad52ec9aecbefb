"""The loss along the straight line between two sets of parameters, such as two minima of the same network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, whole
from ..errors import bad_value
from ..figure_layout import finished, panels_of, styled
from .loss_functions import LossFunctions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class LossLine:
    """The mean loss at shares (m,) of the way from one end to the other."""

    shares: np.ndarray
    losses: np.ndarray

    @property
    def above(self) -> np.ndarray:
        """The loss above the chord between the losses of both ends, (m,)."""
        return self.losses - (1.0 - self.shares) * self.losses[0] - self.shares * self.losses[-1]

    @property
    def barrier(self) -> float:
        """The most that the loss rises above the chord: 0 where the ends are connected linearly."""
        return float(self.above.max())

    @property
    def place(self) -> float:
        """The share of the way at which it does."""
        return float(self.shares[int(self.above.argmax())])

    def __repr__(self) -> str:
        ends = f"loss {self.losses[0]:.4g} to {self.losses[-1]:.4g}"
        if self.barrier <= 0.0:
            return f"{ends}, nowhere above the chord between them"
        return f"{ends}, up to {self.barrier:.3g} above the chord between them, at {self.place:.2g} of the way"

    @styled
    def plot(self, ax: Axes | None = None, log: bool = False, *, title: str = "") -> Figure:
        """A figure of the loss and its chord, on `ax` if given; with `log` on a logarithmic scale."""
        panels = panels_of(ax, 5.2, 3.6, 1)[0]
        chord = self.losses - self.above
        panels[0].plot(self.shares, self.losses, "k", label="loss")
        panels[0].plot(self.shares, chord, "0.5", ls="--", label="chord")
        panels[0].set(xlabel="share of the way", ylabel="loss", yscale="log" if flag("log", log) else "linear")
        return finished(panels, title)


def loss_along(net: LossFunctions, start: Any, end: Any, points: int = 101) -> LossLine:
    """The mean loss along the line between two sets of parameters (Frankle et al. 2020; barrier: Entezari et al. 2022).

    Hidden units may be exchanged without a change of the function: two runs from different starts have a barrier for
    that alone.

    Parameters
    ----------
    net : Network
    start, end : array (d,)
    points : int
        On the line, both ends included.
    """
    start, end = net.flat(start, "start"), net.flat(end, "end")
    if (start == end).all():
        raise bad_value("end", "other parameters than `start`", "the same")
    shares = np.linspace(0.0, 1.0, whole("points", points, 3))
    return LossLine(shares, net.mean_losses(start + shares[:, None] * (end - start)))
