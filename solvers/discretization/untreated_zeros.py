"""Where D vanishes and the scheme does not obey Feller's classification: found, and said in a sentence each.

Full tensors keep the links of their lattice at curves without noise, and at walls without noise but for one axis in 2D (Ito).
"""

from __future__ import annotations

import numpy as np

from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .axis_links import AxisLinks
from .axis_reader import AxisReader, along_axis
from .quadrature import NODES_ACROSS, gauss
from .singular_axes import fades
from .singular_points import DIP, VANISHED, SingularPoint
from .zero_curves import ZeroCurve


def in_tensor(eq: FokkerPlanck, grid: Grid, t: float, d_cells: np.ndarray, treated: int | None) -> list[str]:
    """Of a full tensor (dim, dim, *shape): walls across which it vanishes, but for the axis `treated`, and curves."""
    if d_cells.ndim < grid.dim + 2 or not eq.diffusion_is_function:
        return []
    found = []
    for axis in range(grid.dim):
        along = np.moveaxis(d_cells[axis, axis], axis, 0)
        if len(along) < 4:
            continue
        if axis != treated and not grid.periodic(axis) and fades(along):
            found += _at_walls(eq, grid, axis, t, along)
        if _dips(along):
            found += _on_curves(eq, grid, axis, t)
    return list(dict.fromkeys(found))


def beside_jumps(points: list[SingularPoint], name: str) -> list[str]:
    """Of the points of a line of this name on which there are jumps too."""
    return [f"{point.described(name)}, but not with jumps: there it is passed, and nothing is kept" for point in points]


def _at_walls(eq: FokkerPlanck, grid: Grid, axis: int, t: float, along: np.ndarray) -> list[str]:
    """The walls at which D across them is zero, somewhere."""
    wall = along_axis(eq.diffusion_at(Points.faces(grid, axis), t, check=False), axis, Points.faces(grid, axis))
    found = []
    for end in (0, -1):
        if (np.take(wall, end, axis=axis) <= VANISHED * along[end]).any():
            place = f"{grid.names[axis]} = {grid.edges[axis][end]:.6g}"
            found.append(
                f"D across the wall {place} vanishes: of this tensor the wall reflects, and means beside it are off"
            )
    return found


def _on_curves(eq: FokkerPlanck, grid: Grid, axis: int, t: float) -> list[str]:
    """Curves at which D along an axis, and across the curve, is zero."""
    links = AxisLinks.of(grid, axis)
    points = links.points(gauss(NODES_ACROSS)[0])
    diffusion = np.moveaxis(along_axis(eq.diffusion_at(points, t, check=False), axis, points), axis + 1, 1)
    samples = np.maximum(diffusion, 0.0).reshape(*diffusion.shape[:2], -1)
    curve = ZeroCurve.look(AxisReader(eq, grid, axis, t), links, samples)
    if curve is None or (curve.forward * curve.backward).all():
        return []
    return [f"{text}, but of a full tensor it is crossed" for text in curve.found if "passed both ways" not in text]


def _dips(along: np.ndarray) -> bool:
    """Whether D in cells, along its first axis, has a narrow minimum."""
    if len(along) < 5:
        return False
    inner = along[2:-2] < DIP * np.minimum(along[:-4], along[4:])
    return bool(inner.any())
