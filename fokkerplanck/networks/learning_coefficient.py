"""How degenerate a minimum is: the local learning coefficient, from tempered posteriors and in closed form.

With K = L - L(theta*) near a minimum theta* the volume where K < e behaves as e^lambda (-ln e)^(m-1): lambda is the (local)
learning coefficient, d / 2 at a regular minimum and less at a degenerate one, m its multiplicity (Watanabe 2009). Under the
density exp(-t K - pull |theta - theta*|^2 / 2), t E[K] = lambda - (m - 1) / ln t + smaller terms.

Chains of the Metropolis-adjusted Langevin algorithm (MALA) sample it. Those that start at theta* (cold) climb out of it and
tend to report too little where they mix slowly, with good R-hat: all of them have seen the stiff directions, none the soft
ones. Every other move is therefore scaled by the Hessian at theta*, where there are few enough parameters. The moves between
are as long in every direction, since a curved valley turns away from the axes of that Hessian. Chains that come down from
small t (annealed) tend to report too much. Both together bracket the value; one alone does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import callable_with, number, reals, whole
from ..errors import ModelWarning, bad_value, warn
from ..progress import Pace
from ..randomness import private_generator

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

STARTS = ("cold", "annealed")
TARGET = 0.574  # acceptance at which MALA moves furthest (Roberts and Rosenthal 1998)
SCATTER = 1.5  # of ln step from move to move: what is stiff in one place is flat in another
LARGEST_R_HAT = 1.1
MOST_CURVED = 100  # parameters up to which moves are scaled by the Hessian, of as many gradients
DIFFERENCE = 1e-5  # step of the differences behind it
FAR = 3.0  # standard errors by which a centre above the minimum may lower the answer
ANNEAL = 4.0  # factor between the temperatures of annealing


@dataclass(frozen=True, eq=False, repr=False)
class LearningCoefficient:
    """t E[K] on a ladder of t, from cold and annealed starts.

    Attributes
    ----------
    ladder : ndarray (n,)
        Inverse temperatures t.
    values : dict of ndarray (n,)
        t E[K] for each kind of start.
    errors : dict of ndarray (n,)
        Standard errors, from the spread between chains.
    r_hat : dict of ndarray (n,)
        Gelman and Rubin's of K; near 1 it does not show that cold chains mix.
    acceptance : dict of ndarray (n,)
    """

    ladder: np.ndarray
    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    r_hat: dict[str, np.ndarray]
    acceptance: dict[str, np.ndarray]

    @property
    def bracket(self) -> tuple[float, float] | None:
        """Least and largest value at the largest t over both kinds of start; None where only one was run."""
        if len(self.values) < 2:
            return None
        last = [values[-1] for values in self.values.values()]
        return float(min(last)), float(max(last))

    @property
    def mixed(self) -> bool | None:
        """Whether both kinds agree at the largest t within three standard errors, R-hat below 1.1; None for one kind."""
        if len(self.values) < 2:
            return None
        (a, b), (e, f) = ([v[-1] for v in d.values()] for d in (self.values, self.errors))
        return bool(abs(a - b) <= 3.0 * math.hypot(e, f) and max(r[-1] for r in self.r_hat.values()) < LARGEST_R_HAT)

    @property
    def multiplicity_slope(self) -> tuple[float, float]:
        """Slope of t E[K] in -1 / ln t along the ladder, an estimate of m - 1, and its standard error; nan for one t."""
        if self.ladder.size < 2:
            return math.nan, math.nan
        values = np.mean(list(self.values.values()), axis=0)
        errors = np.sqrt(np.mean(np.square(list(self.errors.values())), axis=0)) / math.sqrt(len(self.values))
        x = -1.0 / np.log(self.ladder)
        weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
        return float(weights @ values), float(np.sqrt(weights**2 @ errors**2))

    def __repr__(self) -> str:
        lines = ["Learning coefficient: t E[K] (standard error; R-hat)"]
        for n, t in enumerate(self.ladder):
            parts = [
                f"{kind} {v[n]:.4g} ({self.errors[kind][n]:.2g}; {self.r_hat[kind][n]:.2f})"
                for kind, v in self.values.items()
            ]
            lines.append(f"  t = {t:g}: " + ", ".join(parts))
        if self.bracket is None:
            lines.append('  one kind of start shows no lack of mixing; run starts="both"')
        else:
            low, high = self.bracket
            how = (
                "the starts agree" if self.mixed else "the starts do not agree: the value lies between, or is not found"
            )
            lines.append(f"  bracket at the largest t: {low:.4g} to {high:.4g}; {how}")
        slope, error = self.multiplicity_slope
        if slope > 3.0 * error:
            lines.append(f"  rises with t: slope {slope:.2g} ({error:.2g}) in -1 / ln t, as of a multiplicity above 1")
        return "\n".join(lines)


def learning_coefficient(
    excess: Callable[[np.ndarray], np.ndarray],
    gradient: Callable[[np.ndarray], np.ndarray],
    theta: Any,
    ladder: Sequence[float] = (1e2, 1e3, 1e4),
    *,
    starts: str = "both",
    pull: float = 1.0,
    chains: int = 16,
    draws: int = 2000,
    seed: int = 0,
) -> LearningCoefficient:
    """Local learning coefficient at a minimum by MALA.

    Parameters
    ----------
    excess : callable
        K: (n, d) -> (n,), the expected loss less its value at theta.
    gradient : callable
        (n, d) -> (n, d), its gradient.
    theta : array (d,)
        The minimum: polish it first.
    ladder : sequence of float
        Inverse temperatures t above 1, increasing.
    starts : {"both", "cold", "annealed"}
    pull : float
        Strength of the Gaussian that keeps chains near theta.
    chains, draws : int
        Draws of each chain at each t; half as many before them set the step, so that 57 % of moves are accepted.
    seed : int

    Warns
    -----
    ModelWarning
        Where the chains find places that are lower than theta.
    """
    callable_with("excess", excess, 1, "argument, rows of parameters")
    callable_with("gradient", gradient, 1, "argument, rows of parameters")
    centre = np.atleast_1d(reals("theta", theta))
    temperatures = _ladder(ladder)
    if starts not in ("both", *STARTS):
        raise bad_value("starts", '"both", "cold" or "annealed"', starts)
    pull = number("pull", pull, "a positive number", lambda v: 0.0 < v < math.inf)
    chains, draws = whole("chains", chains, 4), whole("draws", draws, 20)
    tables: dict[str, list[np.ndarray]] = {}
    for kind in STARTS if starts == "both" else (starts,):
        rng = private_generator(f"learning coefficient, {kind} starts", whole("seed", seed, 0))
        tables[kind] = _climb(_Posterior(excess, gradient, centre, pull), kind, temperatures, chains, draws, rng)
    columns = ({kind: np.array(rows)[:, n] for kind, rows in tables.items()} for n in range(4))
    found = LearningCoefficient(temperatures, *columns)
    _tell_deeper(found, {kind: np.array(rows)[:, 4] for kind, rows in tables.items()})
    return found


def _tell_deeper(found: LearningCoefficient, depths: dict[str, np.ndarray]) -> None:
    """A warning where the chains found lower places: by t times that depth the answer is too small, or more."""
    lowest = max(depths, key=lambda kind: float(depths[kind].max()))
    n = int(np.argmax(depths[lowest]))
    depth = float(depths[lowest][n])
    if depth > FAR * float(found.errors[lowest][n]):
        t = float(found.ladder[n])
        text = (
            f"theta is not the minimum: chains found places {depth / t:.3g} lower; at t = {t:g} the answer is too small "
            f'by {depth:.3g} or more. Move theta there first, for a network by net.train(..., noise="flow").'
        )
        warn(text, ModelWarning)


def network_learning_coefficient(
    net: LossFunctions,
    theta: Any,
    ladder: Sequence[float] = (1e2, 1e3, 1e4),
    starts: str = "both",
    **options: Any,
) -> LearningCoefficient:
    """Local learning coefficient of a network at a minimum of its mean loss over the samples; `learning_coefficient`.

    Parameters
    ----------
    net : Network
        With precision="float64" for t above 1e4: t times the rounding of the loss must stay below 1.
    theta : array (d,)
        Polished: losses below that at theta count as they are and make the answer too small.
    ladder, starts, **options
        As in `learning_coefficient`: pull, chains, draws, seed.
    """
    centre = np.asarray(net.flat(theta), dtype=float)
    least = net.mean_losses(centre[None])[0]
    return learning_coefficient(
        lambda rows: net.mean_losses(rows) - least, net.gradients, centre, ladder, starts=starts, **options
    )


@dataclass(frozen=True)
class _Posterior:
    """-ln density = t K + pull |theta - centre|^2 / 2."""

    excess: Callable
    gradient: Callable
    centre: np.ndarray
    pull: float

    def scales(self, t: float) -> np.ndarray | None:
        """S (d, d) with S S^T the inverse of t H + pull, H the Hessian at the minimum; None for many parameters."""
        d = self.centre.size
        if d > MOST_CURVED:
            return None
        near = DIFFERENCE * (1.0 + float(np.abs(self.centre).max())) * np.eye(d)
        up, down = (self.at(self.centre + move)[1] for move in (near, -near))
        hessian = (up - down) / (2.0 * near[0, 0])
        curvatures, axes = np.linalg.eigh(0.5 * (hessian + hessian.T))
        return axes / np.sqrt(t * np.maximum(curvatures, 0.0) + self.pull)

    def at(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """K (n,) and its gradient (n, d)."""
        k = reals("excess", self.excess(theta), "a function that returns (n,)")
        g = reals("gradient", self.gradient(theta), "a function that returns (n, d)")
        if k.shape != theta.shape[:1] or g.shape != theta.shape:
            raise bad_value("excess, gradient", f"of shapes {theta.shape[:1]}, {theta.shape}", f"{k.shape}, {g.shape}")
        return k, g

    def energy(self, theta: np.ndarray, k: np.ndarray, t: float) -> np.ndarray:
        return t * k + 0.5 * self.pull * ((theta - self.centre) ** 2).sum(axis=1)


def _climb(
    posterior: _Posterior, kind: str, ladder: np.ndarray, chains: int, draws: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """A row a temperature: t E[K], its standard error, R-hat, acceptance, t times the depth that was found below the centre."""
    d = posterior.centre.size
    theta = np.tile(posterior.centre, (chains, 1))
    step = 0.5 / math.sqrt(d) * np.ones(chains) / np.array([[ladder[0]], [1.0]])  # of moves that are alike, and scaled
    if kind == "annealed":
        theta = theta + rng.standard_normal(theta.shape) / math.sqrt(posterior.pull)
        first = np.exp(np.arange(0.0, math.log(ladder[0]), math.log(ANNEAL)))
        for t in first:
            theta, _, step, _ = _mala(posterior, theta, float(t), step, draws // 4, 0, rng)
    rows, last = [], ladder[0]
    for t in ladder:
        if kind == "cold":
            theta = np.tile(posterior.centre, (chains, 1))
        else:
            for between in np.exp(np.arange(math.log(last) + math.log(ANNEAL), math.log(t), math.log(ANNEAL))):
                theta, _, step, _ = _mala(posterior, theta, float(between), step, draws // 4, 0, rng)
        theta, trace, step, accepted = _mala(posterior, theta, float(t), step, draws // 2, draws, rng)
        means, within = trace.mean(axis=0), trace.var(axis=0, ddof=1).mean()
        between_chains = means.var(ddof=1)
        r_hat = math.sqrt((within * (draws - 1) / draws + between_chains) / within) if within > 0.0 else math.inf
        row = [t * means.mean(), t * math.sqrt(between_chains / chains), r_hat, accepted, t * max(0.0, -trace.min())]
        rows.append(np.array(row))
        last = t
    return rows


def _mala(
    posterior: _Posterior,
    theta: np.ndarray,
    t: float,
    step: np.ndarray,
    burn: int,
    draws: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Positions after burn + draws moves, K of the draws (draws, chains), the step, and the share accepted of the draws.

    Proposal u' = u - h grad E + sqrt(2 h) xi, accepted with min(1, exp(E - E') q(u | u') / q(u' | u)), with u = theta, and in
    every other move theta = S u of `_Posterior.scales`; `step` has a row for either, (2, chains).
    ln h scatters by `SCATTER` from move to move, whatever theta. While burning, each chain's ln h moves
    by (acceptance - TARGET) / n^(1/2): chains far out are stiffer than others.
    """
    scales = posterior.scales(t)

    def forced(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k, g = posterior.at(theta)
        return k, t * g + posterior.pull * (theta - posterior.centre)

    k, force = forced(theta)
    step, trace, taken = step.copy(), np.empty((draws, len(theta))), 0.0
    pace = Pace(__name__, "draws of a learning coefficient")
    for n in range(burn + draws):
        pace(n / (burn + draws), f"t = {t:.4g}")
        kind = 0 if scales is None else n % 2
        s = scales if kind else None
        h = (step[kind] * np.exp(SCATTER * rng.standard_normal(len(theta))))[:, None]
        down = force if s is None else force @ s
        move = np.sqrt(2.0 * h) * rng.standard_normal(theta.shape) - h * down
        new = theta + (move if s is None else move @ s.T)
        new_k, new_force = forced(new)
        new_down = new_force if s is None else new_force @ s
        log_ratio = posterior.energy(theta, k, t) - posterior.energy(new, new_k, t)
        log_ratio += (((move + h * down) ** 2).sum(axis=1) - ((h * new_down - move) ** 2).sum(axis=1)) / (4.0 * h[:, 0])
        probability = np.exp(np.minimum(np.where(np.isnan(log_ratio), -np.inf, log_ratio), 0.0))
        moved = rng.random(len(theta)) < probability
        theta, force = np.where(moved[:, None], new, theta), np.where(moved[:, None], new_force, force)
        k = np.where(moved, new_k, k)
        if n < burn:
            step[kind] *= np.exp((probability - TARGET) / math.sqrt(1.0 + (n // 2 if scales is not None else n)))
        else:
            trace[n - burn], taken = k, taken + probability.mean()
    return theta, trace, step, taken / max(draws, 1)


def _ladder(ladder: Any) -> np.ndarray:
    array = np.atleast_1d(reals("ladder", ladder))
    if (
        array.ndim != 1
        or not array.size
        or not np.isfinite(array).all()
        or array[0] <= 1.0
        or (np.diff(array) <= 0).any()
    ):
        raise bad_value("ladder", "increasing numbers above 1", ladder)
    return array


@dataclass(frozen=True)
class ExactCoefficient:
    """Learning coefficient and multiplicity known in closed form."""

    value: float
    multiplicity: int


def deep_linear_coefficient(widths: Sequence[int], rank: int) -> ExactCoefficient:
    """Learning coefficient of a deep linear network that learns a map of some rank, and its multiplicity.

    With H_0, ..., H_L the widths, M_s = H_s - rank, and the set S of the smallest l + 1 of the M for which
    max over S <= (sum over S) / l <= min outside S; M = ceil(sum / l), a = sum - (M - 1) l:
    lambda = (rank (H_0 + H_L) - rank^2) / 2 + a (l - a) / (4 l) - (l - 1) sum^2 / (4 l) + (1/2) sum over pairs in S of M_i M_j,
    m = a (l - a) + 1 (Aoyagi and Watanabe 2005 for L = 2; Aoyagi 2024).
    """
    array = np.asarray(widths)
    if array.ndim != 1 or array.size < 2 or array.dtype.kind not in "iu" or (array < 1).any():
        raise bad_value("widths", "at least two whole numbers above 0", widths)
    rank = whole("rank", rank, 0, int(array.min()))
    free = np.sort(array - rank).tolist()
    ends = 0.5 * (rank * int(array[0] + array[-1]) - rank**2)
    for n in range(1, len(free)):
        inside, outside = free[: n + 1], free[n + 1 :]
        total = sum(inside)
        if n * inside[-1] <= total and all(n * m >= total for m in outside):
            break
    a = total - (-(-total // n) - 1) * n
    pairs = 0.5 * (total**2 - sum(m * m for m in inside))
    value = ends + a * (n - a) / (4.0 * n) - (n - 1) * total**2 / (4.0 * n) + 0.5 * pairs
    return ExactCoefficient(value, a * (n - a) + 1)
