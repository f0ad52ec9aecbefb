"""The Fokker-Planck equation: drift, diffusion, and where in a random step the noise is read.

dX = mu dt + sqrt(2 D) dW,      dp/dt = -div J,      J_i = mu_i p - sum_j d_j (D_ij p)      (Ito)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from numbers import Real
from typing import Any

import numpy as np

from ..arguments import call, fields, instance, number, takes_time
from ..errors import bad_type, bad_value
from .grid import Grid
from .levy import LevyJumps

CONVENTIONS = {"ito": 0.0, "stratonovich": 0.5, "klimontovich": 1.0}


@dataclass(frozen=True)
class Points:
    """Places at which coefficients are sampled.

    coords are `dim` arrays of one shape; `from_cells` carries an array given on the grid's cells to these places.
    """

    coords: tuple[np.ndarray, ...]
    from_cells: Callable[[np.ndarray], np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every sampled field."""
        return self.coords[0].shape

    @classmethod
    def centers(cls, grid: Grid) -> Points:
        """The cell centers of a grid."""
        coords = grid.centers if grid.dim == 1 else tuple(np.broadcast_arrays(*grid.coordinates()))
        return cls(coords, lambda values: values)

    @classmethod
    def faces(cls, grid: Grid, axis: int) -> Points:
        """The centers of the cell faces across an axis, walls included: one more than cells along it."""
        lines = [grid.edges[a] if a == axis else grid.centers[a] for a in range(grid.dim)]

        def from_cells(values: np.ndarray) -> np.ndarray:
            n = grid.shape[axis]
            low, high = np.clip(np.arange(-1, n), 0, None), np.clip(np.arange(n + 1), None, n - 1)
            return 0.5 * (np.take(values, low, axis=axis) + np.take(values, high, axis=axis))

        return cls(tuple(np.meshgrid(*lines, indexing="ij")), from_cells)


@dataclass(frozen=True)
class Swarm:
    """Many walkers pulled towards their common mean: the drift -strength (x - <x>), nonlinear in the density.

    Parameters
    ----------
    strength : float
        kappa >= 0, per time. Away from walls d<x>/dt = <mu>: the coupling alone never moves the mean.
    """

    strength: float

    def __post_init__(self) -> None:
        strength = number("strength", self.strength, "a number not below 0", lambda v: 0.0 <= v < np.inf)
        object.__setattr__(self, "strength", strength)

    def pull(self, points: Points, mean: np.ndarray) -> np.ndarray:
        """-strength (x - mean), shape (dim, *points.shape)."""
        return np.stack([self.along(x, m) for x, m in zip(points.coords, mean, strict=True)])

    def along(self, x: np.ndarray, mean: float | np.ndarray) -> np.ndarray:
        """The pull along one axis at coordinates x."""
        return -self.strength * (x - mean)


@dataclass(frozen=True, eq=False)
class FokkerPlanck:
    """A drift, a diffusion and a convention.

    Parameters
    ----------
    drift : callable, sequence, array or number, optional
        mu: f(x), f(x, y) or f(x, y, t=...), vectorised over numpy arrays, returning one array per dimension (in 1D a bare
        array); or one entry per dimension, each a number, a callable or an array on the grid. Default: none.
    diffusion : number, callable, sequence or array
        D in sqrt(2 D) dW: a number; one entry per axis; a d x d nested list (full tensor); each entry a number, a
        callable or an array on the grid. A callable may return a field, one field per axis, or a d x d stack of fields.
        D must be symmetric positive semidefinite and may vanish.
    noise : d x m nested list or callable, optional
        sigma, instead of diffusion: D = sigma sigma^T / 2.
    potential : callable or array, optional
        V adds the drift -grad V. With a constant scalar D the equilibrium exp(-V/D) is exact to round-off.
    convention : {"ito", "stratonovich", "klimontovich"} or float
        Where in a random step the noise is read: alpha = 0, 1/2, 1 or any number between, so that the Ito drift is
        mu + alpha dD/dx. For a full tensor: "ito", "klimontovich" (Ito drift mu + div D), or, where `noise` is given,
        "stratonovich" (Ito drift mu_i + (1/2) sum_jk sigma_jk d_j sigma_ik, which depends on sigma itself).
    time_order : float in (0, 1]
        beta: below 1 the process waits between its moves, for times of infinite mean: dp/dt = L(t) D_t^(1-beta) p
        (Riemann-Liouville). Free spreading is then <x^2> = 2 D t^beta / Gamma(1 + beta).
    jumps : LevyJumps, optional
        Levy noise beside the diffusion, which may then be left out. Ito only.
    interaction : Swarm, optional
        A drift that depends on the density itself.
    settings : dict, optional
        What it was made from, for the record; changes nothing. Models of SGD say here what they chose.

    Notes
    -----
    A coefficient depends on time if and only if its signature has a parameter `t`.

    Examples
    --------
    >>> eq = FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    >>> eq = FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 + y**2, diffusion=[0.1, 0.2])
    """

    drift: Any = None
    diffusion: Any = None
    noise: Any = None
    potential: Any = None
    convention: str | float = "ito"
    time_order: float = 1.0
    jumps: LevyJumps | None = None
    interaction: Swarm | None = None
    settings: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.jumps is not None and self.diffusion is None and self.noise is None:
            object.__setattr__(self, "diffusion", 0.0)
        if (self.diffusion is None) == (self.noise is None):
            given = "neither" if self.noise is None else "both"
            raise bad_value(
                "diffusion", "given, or `noise` instead of it", given, "Pass diffusion=0.0 for a pure drift."
            )
        for name in ("drift", "diffusion", "noise", "potential"):
            value = getattr(self, name)
            if isinstance(value, (str, bytes, bool, np.bool_, dict, set, type)):
                then = "For text use fokkerplanck.formula.parse(text, names)." if isinstance(value, str) else ""
                raise bad_type(name, "a number, a function or an array", value, then)
            if name == "potential" and np.isscalar(value):
                raise bad_type(name, "a function or an array", value, "A constant has no slope: leave it out.")
        if isinstance(self.diffusion, Real) and self.diffusion < 0:
            raise bad_value("diffusion", "at least 0", self.diffusion, "It is D in sqrt(2 D) dW.")
        instance("interaction", self.interaction, (Swarm, type(None)), "None or fp.Swarm(strength=...)")
        self._check_convention()
        self._check_memory_and_jumps()

    def __repr__(self) -> str:
        given = ((f, _shown(getattr(self, f.name))) for f in dataclass_fields(self) if f.repr)
        return f"FokkerPlanck({', '.join(f'{f.name}={text}' for f, text in given if text != _shown(f.default))})"

    def _check_memory_and_jumps(self) -> None:
        then = "1 is the ordinary equation; below 1 the process waits."
        order = number("time_order", self.time_order, "in (0, 1]", lambda v: 0.0 < v <= 1.0, then)
        object.__setattr__(self, "time_order", order)
        if self.jumps is None:
            return
        instance("jumps", self.jumps, LevyJumps, "None or fp.LevyJumps(stability=..., scale=...)")
        if self.alpha != 0.0:
            then = "A jump reads its scale where it starts."
            raise bad_value("convention", "'ito' together with jumps", self.convention, then)

    def _check_convention(self) -> None:
        word = self.convention
        if isinstance(word, str):
            if word not in CONVENTIONS:
                close = difflib.get_close_matches(word.lower(), CONVENTIONS, n=1, cutoff=0.3)
                then = f"Did you mean {close[0]!r}?" if close else ""
                raise bad_value("convention", "'ito', 'stratonovich', 'klimontovich' or a number in [0, 1]", word, then)
        else:
            rule = "'ito', 'stratonovich', 'klimontovich' or a number in [0, 1]"
            number("convention", word, rule, lambda v: 0.0 <= v <= 1.0)

    @property
    def alpha(self) -> float:
        """The convention as a number: 0 Ito, 1/2 Stratonovich, 1 Klimontovich."""
        return CONVENTIONS[self.convention] if isinstance(self.convention, str) else float(self.convention)

    @property
    def time_dependent(self) -> bool:
        """Whether any coefficient has a parameter `t`."""
        return any(
            takes_time(f) for value in (self.drift, self.diffusion, self.noise, self.potential) for f in _leaves(value)
        )

    def drift_at(self, points: Points, t: float = 0.0, mean: np.ndarray | None = None) -> np.ndarray:
        """The drift without the potential's share, shape (dim, *points.shape); `mean` is <x>, for an interaction.

        `mean` (dim,), or (dim, *points.shape) where it differs from point to point.
        """
        dim = len(points.coords)
        own = np.zeros((dim, *points.shape)) if self.drift is None else _vector("drift", self.drift, points, t)
        if self.interaction is None or mean is None:
            return own
        return own + self.interaction.pull(points, mean)

    def potential_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """V, shape points.shape."""
        return _field("potential", self.potential, points, t)

    def diffusion_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """D, shape (dim, *points.shape) where it is diagonal by form, else (dim, dim, *points.shape)."""
        if self.noise is not None:
            return _covariance(_noise_matrix(self.noise, points, t))
        value = _diffusion(self.diffusion, points, t)
        _check_nonnegative(value, points)
        return value

    def stratonovich_drift(self, grid: Grid, t: float = 0.0) -> np.ndarray:
        """(1/2) sum_jk sigma_jk d_j sigma_ik at the cell centers, (dim, *grid.shape): what turns Stratonovich into Ito.

        The derivative is taken between the faces of each cell.
        """
        _check_place(grid, t)
        if self.noise is None:
            raise bad_value("noise", "given for a Stratonovich drift", None, "`diffusion` does not say sigma.")
        sigma = _noise_matrix(self.noise, Points.centers(grid), t)
        result = np.zeros((grid.dim, *grid.shape))
        for j in range(grid.dim):
            width = grid.widths[j].reshape([-1 if a == j else 1 for a in range(grid.dim)])
            slope = np.diff(_noise_matrix(self.noise, Points.faces(grid, j), t), axis=j + 2) / width
            result += 0.5 * np.einsum("k...,ik...->i...", sigma[j], slope)
        return result

    def noise_induced_drift(self, grid: Grid, t: float = 0.0) -> np.ndarray:
        """-(1 - alpha) div D at the cell centers, shape (dim, *grid.shape).

        The part of the current that pushes probability away from loud places: J = (mu - (1 - alpha) div D) p - D grad p.
        The divergence is taken between the two faces of each cell.
        """
        _check_place(grid, t)
        result = np.zeros((grid.dim, *grid.shape))
        for axis in range(grid.dim):
            faces = Points.faces(grid, axis)
            d = self.diffusion_at(faces, t)
            column = (
                d[:, axis] if d.ndim == grid.dim + 2 else np.stack([d[axis] * (i == axis) for i in range(grid.dim)])
            )
            width = grid.widths[axis].reshape([-1 if a == axis else 1 for a in range(grid.dim)])
            result -= (1.0 - self.alpha) * np.diff(column, axis=axis + 1) / width
        return result


def _shown(value: Any) -> str:
    """A coefficient in a few words: functions by their name, arrays by their shape."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_shown(entry) for entry in value)}]"
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    return getattr(value, "__qualname__", None) or repr(value)


def _check_place(grid: Any, t: Any) -> None:
    instance("grid", grid, Grid, "a Grid", "Make one with fp.Grid((low, high), cells).")
    number("t", t)


def _leaves(value: Any) -> list[Any]:
    """The callables in a coefficient, however deeply nested in lists."""
    if callable(value):
        return [value]
    if isinstance(value, (list, tuple)):
        return [leaf for entry in value for leaf in _leaves(entry)]
    return []


def _call(name: str, function: Callable, points: Points, t: float) -> Any:
    named = {"t": t} if takes_time(function) else {}
    with np.errstate(under="ignore"):
        return call(name, function, points.coords, **named)


def _field(name: str, value: Any, points: Points, t: float) -> np.ndarray:
    """A number, callable or array on the grid as a finite real field of shape points.shape."""
    if callable(value):
        return _real(name, _call(name, value, points, t), points.shape, points)
    if _rank(name, value) == 0:
        return _real(name, value, points.shape, points)
    return _from_cells(name, value, points)


def _rank(name: str, value: Any) -> int:
    """Number of axes of what is no function."""
    try:
        return np.ndim(value)
    except (TypeError, ValueError):
        then = "Give every row as many entries."
        raise bad_type(name, "a number, a function or an array, none of them ragged", value, then) from None


def _from_cells(name: str, value: Any, points: Points) -> np.ndarray:
    array = fields(name, value, "a number, a function or an array with the grid's shape")
    if array.ndim != len(points.coords):
        raise bad_value(name, "a number, a function or an array with the grid's shape", f"shape {array.shape}")
    try:
        array = points.from_cells(array)
    except (ValueError, IndexError):
        raise bad_value(name, "an array with the grid's shape", f"shape {array.shape}") from None
    return _real(name, array, points.shape, points)


def _real(name: str, value: Any, shape: tuple[int, ...], points: Points) -> np.ndarray:
    """One number for all points, or a finite field of exactly their shape: anything between was meant otherwise."""
    rule = f"a field that fits its {len(points.coords)} coordinate(s) of shape {points.shape}"
    array = fields(name, value, rule)
    if array.shape not in ((), shape):
        raise bad_value(name, rule, f"shape {array.shape}", "Return one array per dimension.")
    array = np.broadcast_to(array, shape).astype(float, copy=False)
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))[0][-len(points.shape) :]
        where = _place(points, tuple(bad))
        raise bad_value(
            name,
            "finite everywhere on the grid",
            f"{array[~np.isfinite(array)][0]} at {where}",
            "Move the box or limit it.",
        )
    return array


def _place(points: Points, index: tuple[int, ...]) -> str:
    return "(" + ", ".join(f"{np.broadcast_to(c, points.shape)[index]:.6g}" for c in points.coords) + ")"


def _vector(name: str, value: Any, points: Points, t: float) -> np.ndarray:
    dim = len(points.coords)
    shape = (dim, *points.shape)
    if callable(value):
        result = _call(name, value, points, t)
        listed = isinstance(result, (list, tuple)) and len(result) == 1
        if dim == 1 and not listed and _rank(name, result) <= len(points.shape):
            return _real(name, result, points.shape, points)[None]
        return _stack(name, result, dim, points)
    if dim == 1 and not (isinstance(value, (list, tuple)) and len(value) == 1):
        value = [value]
    entries = list(value) if isinstance(value, (list, tuple)) or np.ndim(value) else []
    if len(entries) != dim:
        got = f"{len(entries)}" if entries else value
        then = "A function returns one array per dimension."
        raise bad_value(name, f"{dim} entries, one per dimension", got, then)
    result = np.empty(shape)
    for row, entry in zip(result, entries, strict=True):
        row[...] = _field(name, entry, points, t)
    return result


def _stack(name: str, result: Any, count: int, points: Points) -> np.ndarray:
    """A function's answer of several fields, (count, *points.shape)."""
    if isinstance(result, np.ndarray) and result.ndim == len(points.shape) > 0:
        raise bad_value(name, f"{count} arrays, one per dimension", "one array", "Return one array per dimension.")
    if isinstance(result, np.ndarray) and result.shape == (count, *points.shape):
        return _real(name, result, result.shape, points)
    if not hasattr(result, "__len__") or len(result) != count:
        got = f"{len(result)}" if hasattr(result, "__len__") else "one value"
        raise bad_value(name, f"{count} arrays, one per dimension", got, "Return one array per dimension.")
    return np.stack([_real(name, entry, points.shape, points) for entry in result])


def _diffusion(value: Any, points: Points, t: float) -> np.ndarray:
    dim = len(points.coords)
    if callable(value):
        return _diffusion_result(_call("diffusion", value, points, t), dim, points)
    if isinstance(value, (list, tuple)) and len(value) == dim:
        if all(isinstance(row, (list, tuple)) and len(row) == dim for row in value):
            rows = [[_field("diffusion", entry, points, t) for entry in row] for row in value]
            return _drop_diagonal(np.array(rows))
        if dim > 1:
            return np.stack([_field("diffusion", entry, points, t) for entry in value])
        value = value[0]
    elif isinstance(value, np.ndarray) and value.shape == (dim, dim) and dim > 1 and points.shape != (dim, dim):
        return _drop_diagonal(
            np.array([[_real("diffusion", entry, points.shape, points) for entry in row] for row in value])
        )
    elif isinstance(value, np.ndarray) and value.ndim == dim + 1 and len(value) == dim:
        return np.stack([_from_cells("diffusion", entry, points) for entry in value])
    elif isinstance(value, np.ndarray) and value.ndim == dim + 2 and value.shape[:2] == (dim, dim):
        return _drop_diagonal(np.array([[_from_cells("diffusion", entry, points) for entry in row] for row in value]))
    elif isinstance(value, np.ndarray) and value.shape == (dim,) and dim > 1:
        return np.stack([_field("diffusion", entry, points, t) for entry in value])
    elif dim == 1 and isinstance(value, (list, tuple)) and len(value) > 1:
        value = fields("diffusion", value, "a number, a function or an array with the grid's shape")
    elif isinstance(value, (list, tuple)) and (not value or _rank("diffusion", value[0]) == 0):
        raise bad_value("diffusion", f"a number, {dim} entries (one an axis) or {dim} x {dim}", f"{len(value)} entries")
    field = _field("diffusion", value, points, t)
    return np.broadcast_to(field, (dim, *points.shape))


def _diffusion_result(result: Any, dim: int, points: Points) -> np.ndarray:
    """A callable's diffusion: a field, one field per axis, or a d x d stack."""
    if isinstance(result, (list, tuple)) and len(result) == dim:
        if all(isinstance(row, (list, tuple)) and len(row) == dim for row in result):
            return _drop_diagonal(
                np.array([[_real("diffusion", entry, points.shape, points) for entry in row] for row in result])
            )
        return _stack("diffusion", result, dim, points)
    array = fields("diffusion", result, "a field, one field per axis, or a d x d stack of fields")
    rank = array.ndim - len(points.shape)
    if rank == 2:
        return _drop_diagonal(_real("diffusion", array, (dim, dim, *points.shape), points))
    if rank == 1:
        return _real("diffusion", array, (dim, *points.shape), points)
    return np.broadcast_to(_real("diffusion", array, points.shape, points), (dim, *points.shape))


def _drop_diagonal(tensor: np.ndarray) -> np.ndarray:
    """A tensor as it is, or its diagonal where nothing lies off it."""
    dim = len(tensor)
    off = [tensor[i, j] for i in range(dim) for j in range(dim) if i != j]
    if not any(entry.any() for entry in off):
        return np.stack([tensor[i, i] for i in range(dim)])
    return tensor


def _noise_matrix(noise: Any, points: Points, t: float) -> np.ndarray:
    """sigma, shape (dim, m, *points.shape)."""
    dim = len(points.coords)
    computed = callable(noise)
    if computed:
        noise = _call("noise", noise, points, t)
    if dim == 1 and (not isinstance(noise, (list, tuple)) and _rank("noise", noise) <= len(points.shape)):
        noise = [[noise]]
    rows = list(noise) if isinstance(noise, (list, tuple)) or np.ndim(noise) else []
    if len(rows) != dim or any(not hasattr(row, "__len__") or len(row) != len(rows[0]) for row in rows):
        raise bad_value(
            "noise", f"a matrix of {dim} rows of equal length", noise, "Write sigma as [[s11, s12], [s21, s22]]."
        )

    def field(entry: Any) -> np.ndarray:
        return _real("noise", entry, points.shape, points) if computed else _field("noise", entry, points, t)

    return np.array([[field(entry) for entry in row] for row in rows])


def _covariance(sigma: np.ndarray) -> np.ndarray:
    tensor = 0.5 * np.einsum("ik...,jk...->ij...", sigma, sigma)
    return _drop_diagonal(tensor)


def _check_nonnegative(d: np.ndarray, points: Points) -> None:
    if d.ndim == len(points.shape) + 1:
        lowest = d
        floor = 0.0
    else:
        matrices = np.moveaxis(d, (0, 1), (-2, -1))
        if not np.allclose(matrices, np.swapaxes(matrices, -1, -2), rtol=1e-10, atol=0.0):
            raise bad_value(
                "diffusion", "symmetric", "a tensor that is not", "Give D = sigma sigma^T / 2, or pass `noise`."
            )
        lowest = _lowest_eigenvalue(d, matrices)
        floor = -1e-12 * float(np.abs(matrices).max(initial=0.0))
    if (lowest < floor).any():
        index = np.unravel_index(int(np.argmin(lowest)), lowest.shape)
        where = _place(points, tuple(int(i) for i in index[-len(points.shape) :]))
        raise bad_value(
            "diffusion",
            "positive semidefinite everywhere",
            f"{lowest[index]:.4g} at {where}",
            "It is D in sqrt(2 D) dW.",
        )


def _lowest_eigenvalue(d: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    if len(d) == 2:
        return 0.5 * (d[0, 0] + d[1, 1]) - np.hypot(0.5 * (d[0, 0] - d[1, 1]), d[0, 1])
    return np.linalg.eigvalsh(matrices)[..., 0]
