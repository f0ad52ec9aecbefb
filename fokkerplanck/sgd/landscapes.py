"""Small landscapes with per-sample structure, each chosen for one question about SGD.

Every function returns a `Landscape`: the loss, a box to look at it in, and what is known about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arguments import instance, number, reals, whole
from ..errors import bad_type, bad_value
from ..model.equation import FokkerPlanck
from .loss import SampleLoss


@dataclass(frozen=True)
class Landscape:
    """A loss with a name.

    Attributes
    ----------
    name : str
    loss : SampleLoss
        It knows the box too.
    box : tuple of (low, high), one a parameter
    minima : tuple of points
        Where full-batch descent can end inside the box, as far as they are isolated.
    barriers : tuple of points
        Maxima between minima, or saddles.
    note : str
        The question it is made for.
    """

    name: str
    loss: SampleLoss
    box: tuple[tuple[float, float], ...]
    minima: tuple[tuple[float, ...], ...] = ()
    barriers: tuple[tuple[float, ...], ...] = ()
    note: str = ""
    facts: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "loss", self.loss.within(self.box))


def two_datapoints(pit: float = 100.0) -> Landscape:
    """-exp(-(w-2)^2), and for one of the two samples a narrow pit -exp(-pit (w-1)^2) more (reference case B).

    The noise is exactly zero at w = 1, where the drift is not, and practically zero at the wide minimum w = 2.
    """
    pit = _positive("pit", pit)
    formula = f"-exp(-(w-2)**2) - pit*exp(-{pit!r}*(w-1)**2)"
    loss = SampleLoss(formula, ["w"], {"pit": [0.0, 1.0]})
    known = pit == 100.0
    return Landscape(
        "two datapoints", loss, ((-0.5, 3.0),),
        minima=((1.00745330,), (2.0,)) if known else (), barriers=((1.17431018,),) if known else (),
        note="How long does SGD stay in a narrow pit that only one of two samples has?",
    )  # fmt: skip


def wide_and_narrow(width: float = 2.0, depth: float = 0.1, noise: float = 1.0, joint: float = 0.02) -> Landscape:
    """Two minima of one shape, the left one of width 1, the right one of `width`: which does SGD prefer?

    l = depth (u^2 - 1)^2 + x u with x = +-noise and u = w on the left, w / width on the right, joined smoothly over
    `joint`. With u' = 1/b in a well of width b both the drift and the noise of a step scale, Sigma = noise^2 / b^2, so
    that the exponent of the stationary density and of the escape times,

        (2 B / eta) * integral of L' / Sigma = b^2 * 2 B depth / (eta noise^2),

    grows with the square of the width: doubling the width multiplies it by four.
    """
    width, depth, joint = _positive("width", width), _positive("depth", depth), _positive("joint", joint)
    noise = _positive("noise", noise)
    u = f"(w + {1.0 / width - 1.0!r}*{joint!r}*(softplus(w/{joint!r}) - log(2)))"
    loss = SampleLoss(f"{depth!r}*({u}**2 - 1)**2 + x*{u}", ["w"], {"x": [-noise, noise]})
    shift = (1.0 - width) * joint * np.log(2.0)  # where the right minimum moved by the joint
    return Landscape(
        "wide and narrow", loss, ((-2.0, 2.0 * width),), minima=((-1.0 - shift / width,), (width + shift,)),
        barriers=((0.0,),), note="Probability prefers low noise and wide minima: by how much?",
        facts={"width": width, "depth": depth, "noise": noise},
    )  # fmt: skip


def stationary_ratio(landscape: Landscape, sgd: Any, split: float = 0.0, alpha: float = 0.0) -> float:
    """Mass right of `split` over mass left of it in the stationary density of the first-order model in 1D, by quadrature.

    p is proportional to D^(alpha - 1) exp(integral of mu / D), alpha = 0 for Ito.
    """
    from scipy.integrate import quad

    instance("landscape", landscape, Landscape, "a Landscape")
    (low, high), w = landscape.box[0], np.linspace(*landscape.box[0], 20_001)
    number("split", split, f"between {low:g} and {high:g}", lambda v: low < v < high)
    number("alpha", alpha, "a number in [0, 1]", lambda v: 0.0 <= v <= 1.0)
    if not hasattr(sgd, "diffusion") or isinstance(sgd, type):
        raise bad_type("sgd", "an SGD", sgd)
    diffusion = sgd.diffusion(w)
    force = sgd.drift(w) / diffusion
    exponent = np.concatenate([[0.0], np.cumsum(0.5 * (force[1:] + force[:-1]) * np.diff(w))])
    log_density = exponent + (alpha - 1.0) * np.log(diffusion)
    density = np.exp(log_density - log_density.max())
    parts = [
        quad(lambda x: np.interp(x, w, density), a, b, limit=400, epsabs=0.0)[0]
        for a, b in ((low, split), (split, high))
    ]
    return parts[1] / parts[0]


def degenerate(order: int = 4, noise: float = 0.5) -> Landscape:
    """w^order / order, each of two samples (1 +- noise) times it: does SGD stick to a minimum whose noise vanishes?"""
    if whole("order", order, 2, 100) % 2:
        raise bad_value("order", "an even whole number of at least 2", order)
    noise = _positive("noise", noise)
    loss = SampleLoss(f"(1 + s*{noise!r})*w**{int(order)}/{int(order)}", ["w"], {"s": [-1.0, 1.0]})
    return Landscape(
        f"degenerate, order {order}", loss, ((-1.5, 1.5),), minima=((0.0,),),
        note="Drift and noise vanish together at the minimum: does SGD stick there?",
    )  # fmt: skip


def _samples(target: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Twelve samples with the moments of x ~ N(0, 1) to the fifth, y = target x + e, e = +-noise independent of x."""
    x = np.repeat(np.sqrt(3.0) * np.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0]), 2)
    return x, target * x + np.tile([noise, -noise], 6)


def scalar_net(target: float = 1.0, noise: float = 0.5) -> Landscape:
    """The two-layer net y = w2 w1 x: minima on the hyperbola w1 w2 = target, a saddle at the origin."""
    x, y = _samples(number("target", target), number("noise", noise))
    loss = SampleLoss("(y - w2*w1*x)**2/2", ["w1", "w2"], {"x": x, "y": y})
    return Landscape(
        "scalar net", loss, ((-2.0, 2.0), (-2.0, 2.0)), barriers=((0.0, 0.0),),
        note="How does SGD leave a saddle, with Gaussian and with heavy-tailed noise?",
    )  # fmt: skip


def scalar_chain(depth: int = 3, target: float = 1.0, noise: float = 0.5) -> Landscape:
    """The deep linear chain y = w_L ... w_1 x, L = depth; see `chain_equation` for its balanced reduction to one number."""
    depth = _depth(depth)
    x, y = _samples(number("target", target), number("noise", noise))
    names = [f"w{k + 1}" for k in range(depth)]
    loss = SampleLoss(f"(y - {'*'.join(names)}*x)**2/2", names, {"x": x, "y": y})
    return Landscape(
        f"scalar chain, depth {depth}", loss, ((-2.0, 2.0),) * depth, barriers=((0.0,) * depth,),
        note="The deeper, the flatter the saddle at the origin.",
    )  # fmt: skip


def chain_equation(
    depth: int, target: float, noise: float, learning_rate: float, batch_size: int = 1, kurtosis: float = 3.0
) -> FokkerPlanck:
    """The product s = w_L ... w_1 of a balanced scalar chain (all factors alike), per step, in the Ito convention.

    With T = eta / B and C = (k - 1) (s* - s)^2 + sigma^2, k = <x^4> the kurtosis of inputs x of unit variance, 3 if they
    are normal, per time eta (reference case F4):

        ds = [L s^(2 - 2/L) (s* - s) + (L (L - 1) / 2) T C s^(3 - 4/L)] dt + L s^(2 - 2/L) sqrt(T C) dW

    See `fokkerplanck.deep_linear.ModeEquation` for its grid, its densities and its passage times.
    """
    n, eta = float(_depth(depth)), _positive("learning_rate", learning_rate)
    number("target", target)
    number("noise", noise)
    temperature = eta / whole("batch_size", batch_size, 1, 2**31 - 1)

    def spread(s: np.ndarray) -> np.ndarray:
        return (kurtosis - 1.0) * (target - s) ** 2 + noise**2

    def drift(s: np.ndarray) -> np.ndarray:
        flow = n * s ** (2.0 - 2.0 / n) * (target - s)
        second = 0.5 * n * (n - 1.0) * temperature * spread(s) * s ** (3.0 - 4.0 / n) if n > 1.0 else 0.0
        return eta * (flow + second)

    def diffusion(s: np.ndarray) -> np.ndarray:
        return 0.5 * eta * n**2 * s ** (4.0 - 4.0 / n) * temperature * spread(s)

    return FokkerPlanck(drift=drift, diffusion=diffusion)


def linear_regression(x: Any, y: Any) -> Landscape:
    """(w . x - y)^2 / 2 on data x (N, d), y (N,); parameters w0, w1, ..."""
    return _regression("linear regression", x, y, "({}-y)**2/2")


def logistic_regression(x: Any, y: Any) -> Landscape:
    """ln(1 + exp(-y w . x)) on data x (N, d) and labels y = +-1; parameters w0, w1, ..."""
    labels = reals("y", y, "labels -1 and 1")
    if not np.isin(labels, (-1.0, 1.0)).all():
        raise bad_value("y", "labels -1 and 1", labels[~np.isin(labels, (-1.0, 1.0))][:1], "Write 2*y - 1 for 0 and 1.")
    return _regression("logistic regression", x, labels, "softplus(-y*({}))")


def _regression(name: str, x: Any, y: Any, formula: str) -> Landscape:
    table, values = reals("x", x, "an array (N, d) with one y a row"), reals("y", y, "N numbers")
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise bad_value("x", "a finite array (N, d) with one y a row", x)
    if values.shape != (len(table),) or not np.isfinite(values).all():
        raise bad_value("y", f"{len(table)} finite numbers, one a row of `x`", y)
    columns = {f"x{k}": table[:, k] for k in range(table.shape[1])} | {"y": values}
    names = [f"w{k}" for k in range(table.shape[1])]
    product = " + ".join(f"{w}*x{k}" for k, w in enumerate(names))
    best = tuple(np.linalg.lstsq(table, values, rcond=None)[0].tolist())
    reach = max(2.0, 2.0 * max(abs(b) for b in best))
    loss = SampleLoss(formula.format(product), names, columns)
    minima = (best,) if name.startswith("linear") else ()
    return Landscape(name, loss, ((-reach, reach),) * len(names), minima=minima)


def _positive(name: str, value: Any) -> float:
    return number(name, value, "positive and finite", lambda v: 0.0 < v < np.inf)


def _depth(depth: Any) -> int:
    return whole("depth", depth, 1, 30)
