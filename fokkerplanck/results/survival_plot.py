"""The figure of a passage whose survival and density of the time are known from any start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..arguments import flag
from ..model.portable import Portable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class _Passage(Protocol):
    def _drawn(self, times: Any, p0: Any) -> tuple[np.ndarray, np.ndarray]:
        """Survival and density of the time."""

    def _drawn_errors(self, times: Any, p0: Any) -> tuple[np.ndarray, np.ndarray]:
        """Of both."""


class SurvivalPlot(Portable):
    """What passages draw alike."""

    def plot_survival(
        self: _Passage,
        times: Any,
        p0: Any,
        log: bool = False,
        error: bool = False,
        *,
        ax: Sequence[Axes] | None = None,
        title: str = "",
    ) -> Figure:
        """A figure of the survival and of the density of the time at which the target is reached, from the density p0.

        With `log` on logarithmic scales, with `error` the measured errors of both around the curves; `ax` are two axes.
        """
        from .field_figures import plot_survival

        errors = self._drawn_errors(times, p0) if flag("error", error) else None
        return plot_survival(np.atleast_1d(times), *self._drawn(times, p0), log, errors, ax, title)
