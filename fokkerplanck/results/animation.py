"""Animations of densities: GIF, and mp4 where ffmpeg is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import file_name, number, whole
from ..errors import bad_value
from ..figure_layout import COLORS, new_figure, styled
from ..solvers.evolution.exponential import propagate
from ..storage.files import check_folder, write_atomically
from .figure_style import arrows, current_at, curve, density_map, held, stretch, with_atoms
from .requests import MEMORY_METHODS, progress_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .solution import Solution

BETWEEN_ERROR = 1e-5  # of the masses between two output times, 1-norm
DPI = 100
SHADES = 256  # of a GIF
UNEVEN = 3.0  # ratio of peaks, from which maps are shaded by the root of the density


def animate_solution(
    sol: Solution,
    path: str | os.PathLike,
    fps: float = 5.0,
    between: int = 0,
    progress: bool | Callable[[float], None] = False,
) -> None:
    """Write an animation of the density in 1D or 2D, all frames to one scale.

    Parameters
    ----------
    sol : Solution
    path : str or path
        Ends in .gif, or in .mp4 where ffmpeg is installed.
    fps : float
        Frames a second.
    between : int
        Frames between two output times, evenly in time. There the density is propagated from the output time before, with
        coefficients that move read once a frame, in its middle; with memory, a source or a delay, in steps of SGD, and of saved
        results it is interpolated.
    progress : bool or callable
        As for `fp.solve`: the share of the frames that are drawn.
    """
    name = file_name("path", path)
    kind = os.path.splitext(name)[1].lower()
    if kind not in (".gif", ".mp4"):
        raise bad_value("path", "the name of a .gif or .mp4 file", name)
    if kind == ".mp4" and not _has_ffmpeg():
        raise bad_value("path", "the name of a .gif file where ffmpeg is not installed", name, "Or install ffmpeg.")
    fps = number("fps", fps, "a number from 0.01 to 100", lambda v: 0.01 <= v <= 100.0)
    between = whole("between", between, 0, 10_000)
    if sol.grid.dim == 3:
        raise bad_value("sol", "of one or two dimensions for an animation", "three")
    labels = sol.grid.names
    check_folder(name)
    with progress_bar(progress, "frames") as report:
        pictures = _drawn(sol, labels, between, report)
        write_atomically(path, lambda to: (_write_gif if kind == ".gif" else _write_mp4)(pictures, to, fps))


def _has_ffmpeg() -> bool:
    from matplotlib.animation import FFMpegWriter

    return bool(FFMpegWriter.isAvailable())


def _write_gif(pictures: Iterator[Figure], name: str, fps: float) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    images = []
    for fig in pictures:
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()).quantize(SHADES))
    images[0].save(name, save_all=True, append_images=images[1:], duration=round(1000.0 / fps), loop=0)


def _write_mp4(pictures: Iterator[Figure], name: str, fps: float) -> None:
    """Frames through ffmpeg, in colours that every player knows."""
    from matplotlib.animation import FFMpegWriter

    writer = FFMpegWriter(fps=fps, codec="h264", extra_args=["-pix_fmt", "yuv420p"])  # type: ignore[arg-type]
    first = next(pictures)
    with writer.saving(first, name, DPI):
        writer.grab_frame()
        for fig in pictures:
            writer.fig = fig
            writer.grab_frame()


def _drawn(sol: Solution, labels: Sequence[str], between: int, report: Callable[[float], None]) -> Iterator[Figure]:
    """The pictures, one after the other."""
    count, scale = sol.times.size, _scale(sol)
    for i, (now, density, current) in enumerate(_in_time(sol, between)):
        yield _frame(sol, now, density, current, labels, scale)
        report(min((i + 1) / (count + (count - 1) * between), 1.0))


def _in_time(sol: Solution, between: int) -> Iterator[tuple[float, np.ndarray, np.ndarray | None]]:
    """Time, density and current (None where it is not known) of each frame."""
    last = sol.times.size - 1
    for i, t in enumerate(sol.times.tolist()):
        yield t, sol.density[i], current_at(sol, i) if sol.grid.dim == 2 else None
        if i == last or between == 0:
            continue
        inner = np.linspace(t, float(sol.times[i + 1]), between + 2)[1:-1]
        for now, density in zip(inner.tolist(), _inner(sol, i, inner), strict=True):
            yield now, density, _current_inside(sol, now, density)


def _inner(sol: Solution, i: int, inner: np.ndarray) -> Iterator[np.ndarray]:
    """The density (*grid.shape) at times between the i-th output time and the next."""
    start, end = float(sol.times[i]), float(sol.times[i + 1])
    waits = any(name in sol.method for name in MEMORY_METHODS)
    if sol.generator is None or waits or not sol.moved_by_generator:
        for now in inner.tolist():
            share = (now - start) / (end - start)
            yield (1.0 - share) * sol.density[i] + share * sol.density[i + 1]
        return
    masses, before = sol.masses[i].ravel(), start
    for now in inner.tolist():
        q = sol.generator
        if sol.generator_at is not None:
            q = sol.generator_at(0.5 * (before + now), masses.reshape(sol.grid.shape))
        masses, _, _ = next(propagate(q, masses, np.array([now - before]), "auto", BETWEEN_ERROR))
        yield masses.reshape(sol.grid.shape) / sol.grid.volumes
        before = now


def _current_inside(sol: Solution, now: float, density: np.ndarray) -> np.ndarray | None:
    """The current between output times, in 2D where there is a generator."""
    if sol.grid.dim != 2 or sol.generator is None:
        return None
    masses = density * sol.grid.volumes
    q = sol.generator if sol.generator_at is None else sol.generator_at(now, masses)
    return np.asarray(q.current(masses))


def _scale(sol: Solution) -> tuple[Any, float, bool]:
    """The box that is shown, and the top of the axis or of the shades: a point mass at the start may be beyond it.

    Thirdly whether shades go with the root of the density, so that those of frames with lower peaks are seen.
    """
    box = [stretch(sol.grid, axis, sol.masses) for axis in range(sol.grid.dim)]
    peaks = sol.density.reshape(sol.times.size, -1).max(axis=1)
    room = 1.05 if sol.grid.dim == 1 else 1.0
    top = room * float(np.quantile(peaks, 0.8, method="higher"))
    return box, top, bool(top > UNEVEN * peaks.min())


@styled
def _frame(
    sol: Solution,
    t: float,
    density: np.ndarray,
    current: np.ndarray | None,
    labels: Sequence[str],
    scale: tuple[Any, float, bool],
) -> Figure:
    """One picture, (height, width) of 360 by 500 dots."""
    from matplotlib.colors import PowerNorm

    fig, axes = new_figure(5.0, 3.6, 1, 1)
    fig.set_dpi(DPI)
    ax, (box, top, root) = axes[0][0], scale
    atoms = {x: float(np.interp(t, sol.times, mass)) for x, mass in sol.atoms.items()}
    if sol.grid.dim == 2:
        density_map(ax, sol.grid, density, box, labels, None, top)
        image: Any = ax.collections[0]
        if root:
            image.set_norm(PowerNorm(0.5, 0.0, top))
        fig.colorbar(image, ax=ax, label="density", extend="max" if density.max() > 1.001 * top else "neither")
        arrows(ax, sol.grid, density, current, 8)
    else:
        curve(ax, sol.grid, 0, density, color=COLORS[0])
        span = with_atoms(ax, sol.atoms, *box[0])
        ax.set(xlim=span, ylim=(0, top), xlabel=labels[0], ylabel=f"density of {labels[0]}")
    ax.set_title(f"t = {t:.4g}{held(atoms)}")
    return fig
