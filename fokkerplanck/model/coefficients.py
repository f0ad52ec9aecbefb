"""Coefficients as fields: numbers, functions and arrays sampled at the places where a scheme reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

import numpy as np

from ..arguments import LARGEST, call, fields, takes_time
from ..errors import NotFiniteError, bad_type, bad_value
from .grid import Grid


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
        coords = tuple(np.array(c) for c in np.broadcast_arrays(*grid.coordinates()))  # functions may write to them
        return cls(coords, lambda values: values)

    @property
    def flat(self) -> np.ndarray:
        """The coordinates in one array (dim, n)."""
        return np.stack([x.ravel() for x in self.coords])

    @classmethod
    def faces(cls, grid: Grid, axis: int) -> Points:
        """The centers of the cell faces across an axis, walls included: one more than cells along it."""
        lines = [grid.edges[a] if a == axis else grid.centers[a] for a in range(grid.dim)]

        def from_cells(values: np.ndarray) -> np.ndarray:
            n = grid.shape[axis]
            low, high = np.clip(np.arange(-1, n), 0, None), np.clip(np.arange(n + 1), None, n - 1)
            return 0.5 * (np.take(values, low, axis=axis) + np.take(values, high, axis=axis))

        return cls(tuple(np.meshgrid(*lines, indexing="ij")), from_cells)


def _shown(value: Any) -> str:
    """A coefficient in a few words: functions by their name, arrays by their shape."""
    if isinstance(value, (list, tuple)):
        inside, (opened, closed) = ", ".join(map(_shown, value)), "[]" if isinstance(value, list) else "()"
        return f"{opened}{inside}{closed}"
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    return getattr(value, "__qualname__", None) or repr(value)


class Shown:
    """A dataclass that says of itself what it was given, see `_shown`, and not what it took by default."""

    def __repr__(self) -> str:
        given = ((f, _shown(getattr(self, f.name))) for f in dataclass_fields(self) if f.repr)  # type: ignore[arg-type]
        return (
            f"{type(self).__name__}({', '.join(f'{f.name}={text}' for f, text in given if text != _shown(f.default))})"
        )


def _leaves(value: Any) -> list[Any]:
    """The callables in a coefficient, however deeply nested in lists."""
    if callable(value):
        return [value]
    if isinstance(value, (list, tuple)):
        return [leaf for entry in value for leaf in _leaves(entry)]
    return []


def _call(name: str, function: Callable, points: Points, t: float) -> Any:
    named = {"t": t} if takes_time(function) else {}
    coords = points.coords if len(points.coords) > 1 else (points.coords[0].copy(),)  # it may write to what it is given
    with np.errstate(under="ignore"):
        return call(name, function, coords, **named)


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
    """One number for all points, or a finite field of exactly their shape: anything between was meant otherwise.

    What is larger than the square of the largest length counts as infinite, as rates made of it would be.
    """
    rule = f"a field that fits its {len(points.coords)} coordinate(s) of shape {points.shape}"
    array = fields(name, value, rule)
    if array.shape not in ((), shape):
        raise bad_value(name, rule, f"shape {array.shape}", "Return one array per dimension.")
    array = np.broadcast_to(array, shape).astype(float, copy=False)
    fine = np.abs(array) <= LARGEST**2
    if not fine.all():
        bad = np.argwhere(~fine)[0][-len(points.shape) :]
        got = f"{array[~fine][0]} at {_place(points, tuple(bad))}"
        limit = "finite" if not np.isfinite(array).all() else f"at most {LARGEST**2:g} in size"
        error = bad_value(name, f"{limit} everywhere on the grid", got, "Move the box or limit it.")
        infinite = (~fine & ~np.isnan(array)).any(axis=tuple(range(array.ndim - len(points.shape))))
        raise NotFiniteError(str(error), infinite)
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


def _sum_of_diffusions(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of two, each a diagonal or a tensor."""
    if a.ndim == b.ndim:
        return a + b
    tensor, diagonal = (a, b) if a.ndim > b.ndim else (b, a)
    return tensor + np.einsum("i...,ij->ij...", diagonal, np.eye(len(diagonal)))


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
