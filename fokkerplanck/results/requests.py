"""What a question may ask: output times, tolerances, what fits into memory, and how progress is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import fits_memory, increasing, number
from ..model.grid import Grid


def output_times(times: Any) -> np.ndarray:
    """Output times as an array (n_times,), or the sentence that says what is wrong with them."""
    return increasing("times", times)


def check_rtol(rtol: Any) -> None:
    """Refuse a tolerance that no propagation can hold."""
    number("rtol", rtol, "between 1e-12 and 1", lambda v: 1e-12 <= v < 1.0)


def check_memory(grid: Grid, n_times: int) -> None:
    """Refuse a run that would not fit: masses and densities of every output time, and some 60 numbers a cell beside."""
    fits_memory("grid", 8.0 * grid.size * (2.0 * n_times + 60.0), "Take fewer cells or fewer output times.")


def check_factors(grid: Grid) -> None:
    """Refuse what factorises a matrix too large for memory.

    Nested dissection fills about 31 n log2(n) numbers in 2D and 20 n^(4/3) in 3D (George 1973); 12 bytes each.
    """
    n = float(grid.size)
    filled = {1: 60.0 * n, 2: 31.0 * n * np.log2(n + 1.0) / 4.0, 3: 20.0 * n ** (4.0 / 3.0)}[grid.dim]
    fits_memory(
        "grid", 8.0 * 60.0 * n + 12.0 * filled, "Take fewer cells, or follow the density in time with fp.solve."
    )


def progress_reporter(progress: bool | Callable[[float], None]) -> Callable[[float], None]:
    """A function of the share of the work that is done: the caller's own, a bar, or none."""
    if callable(progress):
        return progress
    if not progress:
        return lambda share: None
    from rich.progress import Progress

    bar = Progress(transient=True)
    task = bar.add_task("density", total=1.0)
    bar.start()

    def report(share: float) -> None:
        bar.update(task, completed=share)
        if share >= 1.0:
            bar.stop()

    return report
