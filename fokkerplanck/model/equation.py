"""The Fokker-Planck equation: drift, diffusion and the stochastic convention.

dX = mu dt + sqrt(2 D) dW,      dp/dt = -div J,      J_i = mu_i p - sum_j d_j (D_ij p)      (Ito)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from ..arguments import LARGEST, LEAST_INDEX, did_you_mean, different_words, instance, nearest, number, takes_time
from ..errors import bad_type, bad_value
from .coefficients import (
    Points,
    Shown,
    _check_nonnegative,
    _covariance,
    _diffusion,
    _field,
    _leaves,
    _noise_matrix,
    _sum_of_diffusions,
    _vector,
)
from .grid import AXES, Grid, wall_name
from .levy import LevyJumps
from .mean_field import MeanField
from .pair_force import PairForce
from .poisson import PoissonJumps
from .portable import Portable

CONVENTIONS = {"ito": 0.0, "stratonovich": 0.5, "klimontovich": 1.0}


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

    def observed(self, coords: np.ndarray) -> np.ndarray:
        """What is averaged, (dim, n), at points (dim, n)."""
        return coords

    def on_axis(self, axis: int, mean: np.ndarray) -> Callable[[Points], np.ndarray]:
        """The pull along an axis as a function of the points."""
        return lambda points: self.along(points.coords[axis], float(mean[axis]))

    def along(self, x: np.ndarray, mean: float | np.ndarray) -> np.ndarray:
        """The pull along one axis at coordinates x."""
        return -self.strength * (x - mean)


T = TypeVar("T")
OTHER_WORDS = {  # what others call the coefficients, and what is meant
    "sigma": "noise=sigma, as sqrt(2 D) dW = sigma dW",
    "D": "diffusion=D",
    "mu": "drift=mu",
    "force": "drift=force",
    "V": "potential=V",
    "U": "potential=U",
    "temperature": "diffusion=temperature",
    "alpha": "convention=alpha, or jumps=fp.LevyJumps(stability=alpha)",
    "beta": "time_order=beta",
    "source": "fp.solve(..., source=s) or fp.stationary(..., source=s)",
    "reset": "fp.solve(..., reset=density) or fp.stationary(..., reset=density)",
    "sink": "killing=k, a rate",
    "decay": "killing=k, a rate",
}


def _naming_keywords(cls: type[T]) -> type[T]:
    """Let an unknown keyword meet a sentence that names the right one."""
    own = cls.__init__

    @functools.wraps(own)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        known = list(inspect.signature(own).parameters)[1:]
        for word in kwargs:
            if word not in known:
                close = nearest(word, known, cutoff=0.6)
                meant = OTHER_WORDS.get(word) or (f"{close}=" if close else "")
                then = f"Did you mean {meant}?" if meant else ""
                raise bad_type(word, f"one of the keywords {', '.join(known)}", word, then)
        own(self, *args, **kwargs)

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


@_naming_keywords
@dataclass(frozen=True, eq=False, repr=False)
class FokkerPlanck(Shown, Portable):
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
        Where in a random step the noise is evaluated: alpha = 0, 1/2, 1 or any number between, so that the Ito drift is
        mu + alpha dD/dx. For a full tensor: "ito", "klimontovich" (Ito drift mu + div D), or, where `noise` is given,
        "stratonovich" (Ito drift mu_i + (1/2) sum_jk sigma_jk d_j sigma_ik, which depends on sigma itself).
    time_order : float from 0.01 to 1
        beta: below 1 the process waits between its moves, for times of infinite mean: dp/dt = L(t) D_t^(1-beta) p
        (Riemann-Liouville). Free spreading is then <x^2> = 2 D t^beta / Gamma(1 + beta).
    jumps : LevyJumps or PoissonJumps, optional
        Levy noise, or jumps at a finite rate, beside the diffusion, which may then be left out. Ito only.
    interaction : Swarm, MeanField or PairForce, optional
        A drift, or with a MeanField a diffusion, that depends on the density itself: by averages over it, or by a force
        between pairs.
    killing : number, callable or array, optional
        Rate k >= 0 at which a path ends where it is: dp/dt = L p - k p. A function of the coordinates without `t`. The
        mass that is left is the survival; with `fp.stationary(..., reset=...)` what is killed enters again.
    reactivity : mapping from the name of a wall to a number, optional
        kappa >= 0, a velocity: such as {"x high": 2.0}, by `names`, a reflecting wall of the grid that takes what touches it at
        the rate kappa p per area (a Robin or radiation boundary: J = kappa p). 0 reflects, and an infinite one would absorb.
    assumption : callable, optional
        assumption(points (dim, n), weights (n,)), called with the cells and masses that `solve` and `stationary` find, or with
        the last positions of simulated paths: models of SGD say there where they lie where the model does not hold.
    settings : dict, optional
        What it was made from, for the record; changes nothing. Models of SGD say here what they chose.
    names : sequence of str, optional
        Of the coordinates, one an axis, for figures, tables and files. Default: those of the grid, x, y, z. Equations of SGD
        have the names of its parameters.

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
    jumps: LevyJumps | PoissonJumps | None = None
    interaction: Swarm | MeanField | PairForce | None = None
    killing: Any = None
    reactivity: Mapping[str, float] | None = None
    assumption: Callable[[np.ndarray, np.ndarray], None] | None = field(default=None, repr=False, compare=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    names: Sequence[str] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.jumps is not None and self.diffusion is None and self.noise is None:
            object.__setattr__(self, "diffusion", 0.0)
        if (self.diffusion is None) == (self.noise is None):
            given = "neither" if self.noise is None else "both"
            raise bad_value(
                "diffusion", "given, or `noise` instead of it", given, "Pass diffusion=0.0 for a pure drift."
            )
        for name in ("drift", "diffusion", "noise", "potential", "killing"):
            value = getattr(self, name)
            if isinstance(value, (str, bytes, bool, np.bool_, dict, set, type)):
                then = "For text use fokkerplanck.formulas.parser.parse(text, names)." if isinstance(value, str) else ""
                raise bad_type(name, "a number, a function or an array", value, then)
            if name == "potential" and np.isscalar(value):
                raise bad_type(name, "a function or an array", value, "A constant has no slope: leave it out.")
        if isinstance(self.diffusion, Real) and self.diffusion < 0:
            raise bad_value("diffusion", "at least 0", self.diffusion, "It is D in sqrt(2 D) dW.")
        rule = "None or fp.Swarm(strength=...), fp.MeanField(observe, force) or fp.PairForce(force)"
        instance("interaction", self.interaction, (Swarm, MeanField, PairForce, type(None)), rule)
        if self.names is not None:
            object.__setattr__(self, "names", different_words("names", self.names))
        self._check_convention()
        self._check_diffusion_of_density()
        self._check_memory_and_jumps()
        self._check_killing()
        self._check_reactivity()

    def _check_memory_and_jumps(self) -> None:
        then = "1 is the ordinary equation; below 1 the process waits."
        order = number(
            "time_order", self.time_order, f"from {LEAST_INDEX:g} to 1", lambda v: LEAST_INDEX <= v <= 1.0, then
        )
        object.__setattr__(self, "time_order", order)
        if self.jumps is None:
            return
        rule = "None or fp.LevyJumps(stability=..., scale=...) or fp.PoissonJumps(rate=..., law=...)"
        instance("jumps", self.jumps, (LevyJumps, PoissonJumps), rule)
        if self.alpha != 0.0:
            then = "A jump reads its scale where it starts."
            raise bad_value("convention", "'ito' together with jumps", self.convention, then)

    def _check_diffusion_of_density(self) -> None:
        if not self.diffusion_reads_density:
            return
        if self.noise is not None:
            raise bad_value(
                "noise", "None together with a diffusion that reads averages", self.noise, "Give `diffusion`."
            )
        if self.reactivity is not None:
            then = "A reactive wall needs a diffusion of its own."
            raise bad_value("reactivity", "None together with a diffusion that reads averages", self.reactivity, then)
        entries = self.diffusion if isinstance(self.diffusion, (list, tuple)) else [self.diffusion]
        if any(isinstance(entry, np.ndarray) and entry.ndim for entry in entries):
            rule = "numbers or functions together with a diffusion that reads averages"
            raise bad_value("diffusion", rule, "an array")

    def _check_killing(self) -> None:
        if self.killing is None:
            return
        if callable(self.killing) and takes_time(self.killing):
            raise bad_value("killing", "a function of the coordinates alone", self.killing, "Leave `t` out.")
        if self.time_order < 1.0:
            then = "Whether those who wait are killed is another equation."
            raise bad_value("killing", "None with time_order below 1", self.killing, then)

    def _check_reactivity(self) -> None:
        if self.reactivity is None:
            return
        then = f'Such as reactivity={{"{self.walls[1]}": 2.0}}.'
        if not isinstance(self.reactivity, Mapping) or not self.reactivity:
            raise bad_type("reactivity", "a mapping from names of walls to numbers", self.reactivity, then)
        for name, value in self.reactivity.items():
            if name not in self.walls:
                raise bad_value("reactivity", f"for walls named {', '.join(map(repr, self.walls))}", name, then)
            number("reactivity", value, "of finite numbers not below 0", lambda v: 0.0 <= v < np.inf, then)
        if self.jumps is not None:
            then = "What jumps over a wall does not touch it: make the wall absorbing or reflecting."
            raise bad_value("reactivity", "None together with jumps", self.reactivity, then)

    @property
    def walls(self) -> tuple[str, ...]:
        """Names of the walls, the lower and the higher of each axis: "x low", "x high", by the names of the coordinates."""
        return tuple(wall_name(axis, side) for axis in self.names or AXES for side in (0, 1))

    @property
    def ends_paths(self) -> bool:
        """Whether paths may end inside the box or at its reflecting walls."""
        return self.killing is not None or any(value > 0.0 for value in (self.reactivity or {}).values())

    def killing_at(self, points: Points) -> np.ndarray:
        """The killing rate, shape points.shape; zero where there is none."""
        values = np.zeros(points.shape) if self.killing is None else _field("killing", self.killing, points, 0.0)
        if values.min(initial=0.0) < 0.0:
            raise bad_value("killing", "nowhere negative", float(values.min()), "It is a rate, per time.")
        return values

    def _check_convention(self) -> None:
        word = self.convention
        if isinstance(word, str):
            if word not in CONVENTIONS:
                then = did_you_mean(word.lower(), CONVENTIONS, cutoff=0.3)
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
        return bool(self.time_leaves)

    @functools.cached_property
    def time_leaves(self) -> list[tuple[str, Callable[..., Any]]]:
        """The functions with a parameter `t`, each with the name of the coefficient that it is part of."""
        names = ("drift", "diffusion", "noise", "potential")
        return [(name, f) for name in names for f in _leaves(getattr(self, name)) if takes_time(f)]

    @property
    def diffusion_is_function(self) -> bool:
        """Whether D, or sigma, is a function of the coordinates somewhere, and so may vanish between the cells."""
        return bool(_leaves(self.diffusion) + _leaves(self.noise))

    @property
    def diffusion_reads_density(self) -> bool:
        """Whether the interaction adds to the diffusion."""
        return isinstance(self.interaction, MeanField) and self.interaction.diffusion is not None

    def with_diffusion_of(self, averages: np.ndarray) -> FokkerPlanck:
        """The equation whose diffusion is the sum for given averages, (k,), or (k, *shape of the points read)."""
        own, interaction = self.diffusion, self.interaction
        assert isinstance(interaction, MeanField)

        def at(coords: tuple[np.ndarray, ...], t: float) -> np.ndarray:
            points = Points(coords, lambda values: values)
            return _sum_of_diffusions(_diffusion(own, points, t), interaction.diffusion_at(points, averages))

        total = (lambda *x, t: at(x, t)) if any(map(takes_time, _leaves(own))) else (lambda *x: at(x, 0.0))
        return replace(self, diffusion=total)

    @property
    def on_cells(self) -> bool:
        """Whether a coefficient is an array on the cells of a grid."""
        given = [self.drift, self.diffusion, self.noise, self.potential, self.killing]
        entries = [e for value in given for e in (value if isinstance(value, (list, tuple)) else [value])]
        return any(isinstance(e, np.ndarray) and e.ndim > 0 for e in entries)

    def drift_at(self, points: Points, t: float = 0.0, mean: Any = None) -> np.ndarray:
        """The drift without the potential's share, shape (dim, *points.shape); `mean` is what an interaction reads.

        Of a Swarm <x>, (dim,), or (dim, *points.shape) where it differs from point to point.
        """
        dim = len(points.coords)
        own = np.zeros((dim, *points.shape)) if self.drift is None else _vector("drift", self.drift, points, t)
        if self.interaction is None or mean is None:
            return own
        return own + self.interaction.pull(points, mean)

    def potential_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """V, shape points.shape."""
        return _field("potential", self.potential, points, t)

    def diffusion_at(self, points: Points, t: float = 0.0, *, check: bool = True) -> np.ndarray:
        """D, shape (dim, *points.shape) where it is diagonal by form, else (dim, dim, *points.shape).

        check: whether a negative one is refused.
        """
        if self.noise is not None:
            return _covariance(_noise_matrix(self.noise, points, t))
        if isinstance(self.diffusion, float) and 0.0 <= self.diffusion <= LARGEST:  # nothing to look at
            return np.full((len(points.coords), *points.shape), self.diffusion)
        value = _diffusion(self.diffusion, points, t)
        if check:
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

        The part of the current that pushes probability away from regions of high noise:
        J = (mu - (1 - alpha) div D) p - D grad p. The divergence is taken between the two faces of each cell.
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


def _check_place(grid: Any, t: Any) -> None:
    instance("grid", grid, Grid, "a Grid", "Make one with fp.Grid((low, high), cells).")
    number("t", t)
