"""Continuous models of SGD: one Fokker-Planck equation each, per step, all on the same grid and comparable.

With g the mean gradient, H its Hessian, Sigma the covariance of the per-sample gradients, B the batch size, f = 1 with
replacement and (N - B)/(N - 1) without:

    first-order   mu = -eta g,  D = eta^2 f Sigma / (2 B)
    second-order  mu = -eta grad(L + (eta/4) |grad L|^2) = -eta (g + (eta/2) H g),  D as above
    langevin      mu = -eta g,  D = eta T
    levy          mu = -eta g,  jumps of stability a and scale eta c,  c = c_1 B^(1/a - 1); anisotropic: with the covariance
                  C = q eta^2 f Sigma / B, q from the interquartile range of the batch noise
    subdiffusive  first-order with waiting times of time_order below 1
    momentum      theta' = v,  v' = -(1 - m) v - eta g + noise of D = eta^2 f Sigma / (2 B), on (theta, v);
                  `extrapolated()` takes the grid's first-order error off the density; with stability, jumps of v as in levy
    swarm         first-order plus -strength (theta - <theta>)
    shuffled      what is left of the noise at the ends of epochs, and its drift, see `fokkerplanck.sgd.shuffled_model`
    refined       any of these refinements together, see `fokkerplanck.sgd.refined_model`

Noise that SGD adds itself (`langevin_temperature`) is part of each D; with a `schedule` eta is that of time t. In the drift of
second order it is read half a step before t, so that the integral over n steps is the sum over them where it changes smoothly.

Sources: Li, Tai and E (2017) for the first two; Mandt, Hoffman and Blei (2017) for langevin; Simsekli, Sagun and
Gurbuzbalaban (2019) for levy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import LEAST_INDEX, call, did_you_mean, fields, flag, instance, number, reals
from ..errors import ModelWarning, bad_type, bad_value, warn
from ..model.equation import FokkerPlanck, Swarm
from ..model.grid import Grid
from ..model.levy import LevyJumps
from .batch_noise_scale import covariance_factor, quartile_share
from .global_minimum import as_low_and_near, smallest_loss
from .momentum_model import MomentumModel
from .refined_model import RefinedDrift
from .shuffled_model import ShuffledModel, tell_of_shuffling
from .two_step_model import TwoStepModel, check_two_step

if TYPE_CHECKING:
    from .algorithm import SGD
    from .loss import SampleLoss

VALID_WHEN = {
    "first-order": "eta times the largest curvature is much below 2",
    "second-order": "as first-order; one order better in the mean, but not in the stationary variance (there it is worse)",
    "langevin": "never quite: the usual assumption of a constant temperature, as a baseline",
    "levy": "the gradient noise has heavy tails",
    "subdiffusive": "plateaus and trapping",
    "momentum": "1 - m is small, as is eta times the largest curvature",
    "shuffled": "eta times the largest curvature times the steps of an epoch is much below 1; at the ends of epochs",
    "swarm": "many loosely coupled workers",
    "refined": "each of its refinements holds; at the edge of stability with drift='two-step'",
}
DRIFTS = ("first-order", "second-order", "two-step")
CHAINS = {"exact": "", "gaussian-chain": ", model='gaussian-chain'"}  # and what `transfer_operator` is to be told
EDGE = 1.0  # eta times curvature from which `check` warns: the first-order variance is off by 2/(2 - eta h)
HALF_A_STEP = 0.5
UNLIKE = 0.01  # of the noise at minima that are as low, from which none of them stands for all
UNSTABLE = 2.0  # eta times curvature from which descent moves away from a minimum
AT_EDGE = 0.02  # relative: a sliding mode on a grid lies within cells of the edge
FAR_ABOVE = 3.0  # eta times curvature, where the approximant of the logarithm of two steps is off by 8 %
LOOKED_AT = 4096  # points at which a loss has to be finite
CARRIES = 0.99  # the share of the mass that counts as carrying it


@dataclass(frozen=True)
class Settings:
    """The settings of all models; see `fokkerplanck.sgd.SGD.equation`."""

    convention: str = "ito"
    temperature: float | None = None
    stability: float | None = None
    scale: Any = None
    time_order: float = 1.0
    strength: float | None = None
    box: Any = None
    anisotropic: bool = False
    drift: str = "first-order"
    central_flow: bool = False


USES = {
    "langevin": {"temperature", "box"},
    "levy": {"stability", "scale", "anisotropic", "box"},
    "subdiffusive": {"time_order"},
}
USES["swarm"] = {"strength"}
USES["momentum"] = USES["levy"]
USES["refined"] = {"stability", "scale", "anisotropic", "box", "time_order", "strength", "drift", "central_flow"}
NAMES = ("temperature", "stability", "scale", "time_order", "strength", "box", "anisotropic", "drift", "central_flow")


class Temperature(NamedTuple):
    """The temperature of "langevin", and where it was read.

    Attributes
    ----------
    value : float
        eta f tr Sigma / (2 B d).
    point : tuple of float
        Of smallest loss.
    loss : float
    where : str
        What was searched.
    """

    value: float
    point: tuple[float, ...]
    loss: float
    where: str


def model_equation(sgd: SGD, model: str, settings: Settings) -> FokkerPlanck:
    """The equation of one model; see `fokkerplanck.sgd.SGD.equation`."""
    if isinstance(model, str) and model == "central-flow":
        then = "It is a trajectory without a density of its own: use sgd.central_flow(start, steps)."
        raise bad_value("model", "a model with an equation", model, then)
    if isinstance(model, str) and model in CHAINS:
        then = f"It is no equation: use sgd.transfer_operator(grid{CHAINS[model]})."
        raise bad_value("model", "a model with an equation", model, then)
    if not isinstance(model, str) or model not in VALID_WHEN:
        then = did_you_mean(str(model), VALID_WHEN, cutoff=0.4)
        raise bad_value("model", f"one of {', '.join(map(repr, VALID_WHEN))}", model, then)
    _check_settings(sgd, model, settings)
    _check_schedule(sgd, model, settings)
    if model != "shuffled" and not (model == "langevin" and settings.temperature is not None):
        tell_of_shuffling(sgd, model)
    builds = {"langevin": _langevin, "levy": _levy, "momentum": _momentum, "refined": _refined, "shuffled": _shuffled}
    build = builds.get(model, _diffusive)
    coefficients = build(sgd, model, settings)
    record = {"model": model, "process": repr(sgd), **coefficients.pop("settings", {})}
    return FokkerPlanck(
        **coefficients,
        convention=settings.convention,
        assumption=_assumption(sgd, settings),
        settings=record,
        names=sgd.coordinates,
    )


def _diffusive(sgd: SGD, model: str, settings: Settings) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if model == "subdiffusive":
        more["time_order"] = settings.time_order
    if model == "swarm":
        more["interaction"] = Swarm(settings.strength)  # type: ignore[arg-type]
    name, lag = ("second_order_drift", HALF_A_STEP) if model == "second-order" else ("drift", 0.0)
    return {"drift": _read(sgd, name, lag), "diffusion": _read(sgd, "diffusion"), **more}


def _read(sgd: SGD, name: str, lag: float = 0.0) -> Callable[..., Any]:
    """A coefficient of SGD or of `_Coefficients`; with a schedule a function of time too."""
    return _in_time(sgd, partial(_coefficient, name=name), lag)


def _coefficient(sgd: SGD, name: str) -> Callable[..., Any]:
    own = _Coefficients(sgd)
    found: Callable[..., Any] = getattr(own, name) if hasattr(own, name) else getattr(sgd, name)
    return found


def _in_time(sgd: SGD, make: Callable[[SGD], Callable[..., Any]], lag: float = 0.0) -> Callable[..., Any]:
    """What `make` makes of an SGD of constant learning rate, at each time."""
    return make(sgd) if sgd.schedule is None else _InTime(sgd, make, lag)


@dataclass(frozen=True, eq=False)
class _InTime:
    """A coefficient of SGD at the learning rate of a time, read `lag` before it."""

    sgd: SGD
    make: Callable[[SGD], Callable[..., Any]]
    lag: float

    def __call__(self, *theta: np.ndarray, t: float) -> Any:
        """At points given by d arrays of one shape."""
        return self.make(self.sgd.at(max(t - self.lag, 0.0)))(*theta)


def _check_schedule(sgd: SGD, model: str, settings: Settings) -> None:
    """Refuse what the rates of jumps and of waiting steps do not have."""
    if sgd.schedule is None:
        return
    jumps = settings.stability is not None
    waiting = settings.time_order < 1.0
    if jumps or waiting or settings.central_flow or model == "shuffled":
        edge = "the edge of stability" if settings.central_flow else f"model {model!r}"
        what = "jumps" if jumps else "steps that wait" if waiting else edge
        then = "Take model='first-order' or 'second-order', or sgd.simulate."
        raise bad_value("schedule", f"None with {what}", sgd.schedule, then)


def _check_settings(sgd: SGD, model: str, settings: Settings) -> None:
    plain = Settings()
    uses = USES.get(model, set())
    for name in ("anisotropic", "central_flow"):
        flag(name, getattr(settings, name))
    for name in NAMES:
        value = getattr(settings, name)
        unused = name not in uses and value is not getattr(plain, name)
        if unused and not (isinstance(value, (float, str)) and value == getattr(plain, name)):
            owner = next(m for m, names in USES.items() if name in names)
            raise bad_value(name, f"left out for model {model!r}", value, f"It belongs to {owner!r}.")
    for name, owner in (("stability", "levy"), ("strength", "swarm")):
        if model == owner and getattr(settings, name) is None:
            raise bad_value(name, f"given for model {owner!r}", None)
    if settings.stability is None and model in ("refined", "momentum"):
        for name in ("scale", "anisotropic", "box"):
            if getattr(settings, name) is not getattr(plain, name):
                raise bad_value(name, "left out without stability", getattr(settings, name), "It belongs to the jumps.")
    if model == "refined":
        _check_refined(sgd, settings)
    if model == "subdiffusive":
        rule = f"from {LEAST_INDEX:g} to below 1 for model 'subdiffusive'"
        number("time_order", settings.time_order, rule, lambda v: LEAST_INDEX <= v < 1.0)
    if sgd.momentum and model != "momentum":
        then = "Use model='momentum', on a grid of parameter and velocity."
        raise bad_value("model", "'momentum' for SGD with momentum", model, then)
    if model == "momentum" and (not sgd.momentum or sgd.loss.dim != 1):
        got = "no momentum" if not sgd.momentum else f"{sgd.loss.dim} parameters"
        raise bad_value("model", "for SGD with momentum and one parameter", got, "Such as SGD(loss, momentum=0.9).")


def _check_refined(sgd: SGD, settings: Settings) -> None:
    """Refuse refinements that contradict each other."""
    if not isinstance(settings.drift, str) or settings.drift not in DRIFTS:
        then = did_you_mean(str(settings.drift), DRIFTS, cutoff=0.4)
        raise bad_value("drift", "'first-order', 'second-order' or 'two-step'", settings.drift, then)
    rule = f"from {LEAST_INDEX:g} to 1"
    order = number("time_order", settings.time_order, rule, lambda v: LEAST_INDEX <= v <= 1.0)
    if settings.strength is not None and order < 1.0:
        then = "A swarm whose workers wait would have to share their physical times."
        raise bad_value("strength", "None together with time_order below 1", settings.strength, then)
    curved = {"central_flow": (settings.central_flow, False), "drift": (settings.drift, "first-order")}
    for name, (asked, without) in curved.items():
        if asked != without and not sgd.loss.knows_curvature:
            rule = f"{without!r} where the loss has no Hessian"
            raise bad_value(name, rule, asked, "Give `hessian` with the gradient.")
    if settings.drift == "two-step":
        check_two_step(sgd, settings.central_flow, settings.stability)


@dataclass(frozen=True, eq=False)
class _Coefficients:
    """What the models need beside `SGD.drift` and `SGD.diffusion`: methods, which other processes can read too."""

    sgd: SGD
    stability: float = 2.0
    scale: Any = None

    def second_order_drift(self, *theta: np.ndarray) -> np.ndarray:
        """-eta (g + (eta/2) H g)."""
        sgd, eta = self.sgd, self.sgd.learning_rate
        g = sgd.loss.gradient(*theta)
        modified = -eta * (g + 0.5 * eta * np.einsum("ij...,j...->i...", sgd.loss.hessian(*theta), g))
        return modified[0] if sgd.loss.dim == 1 else modified

    def scaled_loss(self, *theta: np.ndarray) -> np.ndarray:
        """eta L, the potential of "langevin"."""
        return self.sgd.learning_rate * self.sgd.loss.value(*theta)

    def levy_scale(self, *theta: np.ndarray) -> np.ndarray:
        """eta c_1 B^(1/a - 1), c_1 as given or what gives the first-order diffusion at stability 2."""
        sgd, batch = self.sgd, self.sgd.samples_a_step
        if self.scale is None:
            trace = np.einsum("ii...->...", sgd.loss.covariance(*theta))
            one = np.sqrt(0.5 * sgd.noise_factor * batch * trace / sgd.loss.dim)
        elif callable(self.scale):
            one = fields("scale", call("scale", self.scale, theta), "a function that returns a field")
        else:
            one = np.full(np.shape(theta[0]), float(self.scale))
        return sgd.learning_rate * batch ** (1.0 / self.stability - 1.0) * one

    def levy_covariance(self, *theta: np.ndarray) -> np.ndarray:
        """C = q eta^2 f Sigma / B, (d, d, *shape)."""
        return 2.0 * self.scale * self.sgd.batch_diffusion(*theta)

    def levy_deviation(self, theta: np.ndarray) -> np.ndarray:
        """C^(1/2) of one parameter."""
        return np.sqrt(2.0 * self.scale * self.sgd.batch_diffusion(theta)[0, 0])


@dataclass(frozen=True, eq=False)
class _Assumption:
    """Whether the loss is finite and descent is stable where a density lies: no diffusion stands for what is not."""

    sgd: SGD
    beyond: float = UNSTABLE
    then: str = "no diffusion stands for it"

    def __call__(self, points: np.ndarray, weights: np.ndarray) -> None:
        """Refuse a loss that is not finite where more than a per cent lies, and warn of a rate that is too large there."""
        if not weights.size:
            return
        points = points[: self.sgd.loss.dim]
        carrying = weights > (1.0 - CARRIES) / weights.size * weights.sum()
        points, weights = points[:, carrying], weights[carrying] / weights.sum()
        if where := undefined(self.sgd.loss, points, weights):
            then = "Write a loss that is finite there, or end what gets there by an absorbing wall or a target."
            raise bad_value("loss", "finite where the density lies", f"one that is not for {where}", then)
        if self.sgd.loss.knows_curvature and self.sgd.schedule is None:  # whose rate at this time is not known here
            self._judge_curvature(points, weights)

    def _judge_curvature(self, points: np.ndarray, weights: np.ndarray) -> None:
        edge = self.sgd.learning_rate * self.sgd.loss.curvature(*points) / (1.0 + self.sgd.momentum)
        unstable = edge >= self.beyond
        share = float(weights[unstable].sum())
        if share <= 1.0 - CARRIES:
            return
        place = int(np.nanargmax(np.where(unstable, edge * weights, -np.inf)))
        where = ", ".join(f"{x[place]:.4g}" for x in points)
        text = (
            f"{share:.0%} of the density has eta times curvature {edge[place]:.3g}, above 2 (at {where}): "
            f"descent is unstable there, and {self.then}. Use sgd.transfer_operator(grid) or sgd.simulate."
        )
        warn(text, ModelWarning)


def _assumption(sgd: SGD, settings: Settings) -> _Assumption:
    if settings.drift == "two-step":
        return _Assumption(sgd, FAR_ABOVE, "the drift over two steps is off by 8 % and more")
    if settings.central_flow:
        then = "overshoots, which the central flow does not know: drift='two-step' does"
        return _Assumption(sgd, UNSTABLE * (1.0 + AT_EDGE), then)
    return _Assumption(sgd)


def undefined(loss: SampleLoss, points: np.ndarray, weights: np.ndarray) -> str:
    """Which share of points (d, n) lies where the loss is not finite, and where; empty where that is less than a per cent.

    A gradient may go on where its loss does not: that of log(w) is 1 / w for negative w, too.
    """
    if not loss.has_value or not weights.size:
        return ""
    some = slice(None, None, -(-weights.size // LOOKED_AT))
    points, weights = points[:, some], weights[some]
    with np.errstate(all="ignore"):
        outside = ~np.isfinite(loss.value(*points))
    share = float(weights[outside].sum() / weights.sum())
    if share <= 1.0 - CARRIES:
        return ""
    place = int(np.argmax(np.where(outside, weights, -1.0)))
    return f"{share:.0%} at places such as ({', '.join(f'{x[place]:.4g}' for x in points)})"


def _langevin(sgd: SGD, model: str, settings: Settings) -> dict[str, Any]:
    temperature, record = settings.temperature, {}
    if temperature is None:
        found = noise_temperature(sgd, settings.box)
        temperature, record = found.value, {"temperature_at": found.point, "searched": found.where}
    temperature = number("temperature", temperature, "a finite number not below 0", lambda v: 0.0 <= v < np.inf)
    diffusion: Any = sgd.learning_rate * temperature
    if sgd.schedule is not None:
        diffusion = _in_time(sgd, partial(_heat, temperature=temperature))
    parts = {"diffusion": diffusion, "settings": {"temperature": float(temperature), **record}}
    if sgd.loss.formula is not None:  # by its potential the equilibrium exp(-L/T) comes out to round-off
        return {"potential": _read(sgd, "scaled_loss"), **parts}
    return {"drift": _read(sgd, "drift"), **parts}


def _heat(sgd: SGD, temperature: float) -> Callable[..., np.ndarray]:
    """eta T as a field."""
    return lambda *theta: np.full(np.shape(theta[0]), sgd.learning_rate * temperature)


def noise_temperature(sgd: SGD, box: Any = None) -> Temperature:
    """eta f tr Sigma / (2 B d) at the point of smallest loss; see `fokkerplanck.sgd.SGD.temperature`."""
    point, loss, where = smallest_loss(sgd.loss, box)
    traces = np.einsum("ii...->...", sgd.loss.covariance(*as_low_and_near(sgd.loss, point, loss, box)))
    trace = float(traces[0])
    beside = np.einsum("ii...->...", sgd.loss.covariance(*(x[None] + 1.0 for x in point)))
    if np.ptp(traces) > UNLIKE * traces.max() + 1e-12 * float(np.nan_to_num(beside[0])):  # no noise at all but rounding
        got = f"minima as low and as near to the origin whose noise differs, of trace {traces.min():.3g} to {traces.max():.3g}"
        raise bad_value("temperature", "given where there is no one smallest loss", got, "Such as temperature=0.01.")
    value = 0.5 * sgd.learning_rate * sgd.noise_factor * trace / sgd.loss.dim + sgd.langevin_temperature
    return Temperature(value, tuple(point.tolist()), loss, where)


def _levy(sgd: SGD, model: str, settings: Settings) -> dict[str, Any]:
    a = LevyJumps(settings.stability).stability  # type: ignore[arg-type]
    if sgd.batch_size is None:
        raise bad_value("batch_size", "a number for model 'levy'", None, "A full batch has no noise.")
    given = settings.scale
    if given is not None and not callable(given):
        number("scale", given, "a finite number not below 0, or a function", lambda v: 0.0 <= v < np.inf)
    own = _Coefficients(sgd, a, given)
    record: dict[str, Any] = {}
    if settings.anisotropic:
        own, record = _with_covariance(sgd, a, given, settings.box)
    elif settings.box is not None:
        raise bad_value("box", "None without anisotropic=True", settings.box, "It is where the noise is measured.")
    read: Callable[..., np.ndarray] = own.levy_scale
    if settings.anisotropic:
        read = own.levy_covariance if sgd.loss.dim > 1 else own.levy_deviation
    added = 0.5 * sgd.injected_variance
    return {"drift": sgd.drift, "diffusion": added, "jumps": LevyJumps(stability=a, scale=read), "settings": record}


def _with_covariance(sgd: SGD, a: float, given: Any, box: Any) -> tuple[_Coefficients, dict[str, Any]]:
    """Coefficients whose `scale` is q of C = q eta^2 f Sigma / B, and what the result says of it."""
    if callable(given):
        raise bad_value("scale", "a number, or None, with anisotropic=True", given)
    share = given
    record: dict[str, Any] = {}
    if given is None:
        share, point = quartile_share(sgd, box)
        record = {"scale": share, "scale_at": point}
    return _Coefficients(sgd, a, covariance_factor(float(share), a)), record


def _refined(sgd: SGD, model: str, settings: Settings) -> dict[str, Any]:
    parts: dict[str, Any] = {"drift": _read(sgd, "drift"), "diffusion": _read(sgd, "diffusion")}
    if settings.stability is not None:
        parts = _levy(sgd, model, settings)
    if settings.drift == "two-step":
        two = TwoStepModel(sgd, parts.get("jumps"))
        parts |= {"drift": two.drift, "diffusion": two.diffusion}
        if two.jumps is not None:
            parts["jumps"] = LevyJumps(two.jumps.stability, two.jump_scale)
    elif settings.drift == "second-order" or settings.central_flow:
        second, flow = settings.drift == "second-order", settings.central_flow
        make = partial(RefinedDrift, second_order=second, central_flow=flow)
        parts["drift"] = _in_time(sgd, make, HALF_A_STEP if second else 0.0)
    if settings.strength is not None:
        parts["interaction"] = Swarm(settings.strength)
    return {**parts, "time_order": settings.time_order}


def _momentum(sgd: SGD, model: str, settings: Settings) -> dict[str, Any]:
    parts = {name: _in_time(sgd, partial(_kicked, name=name)) for name in ("drift", "diffusion")}
    if settings.stability is None:
        return parts
    kicks = _levy(sgd, model, settings)
    kicked = MomentumModel(sgd, kicks["jumps"])
    jumps = LevyJumps(kicks["jumps"].stability, (0.0, kicked.kick), kind="axes")
    return {"drift": kicked.drift, "diffusion": kicked.diffusion, "jumps": jumps, "settings": kicks["settings"]}


def _kicked(sgd: SGD, name: str) -> Callable[..., Any]:
    """A coefficient of momentum."""
    found: Callable[..., Any] = getattr(MomentumModel(sgd), name)
    return found


def _shuffled(sgd: SGD, model: str, settings: Settings) -> dict[str, Any]:
    own = ShuffledModel(sgd)
    return {"drift": own.drift, "diffusion": own.diffusion}


def check(sgd: SGD, result: Any, model: str = "first-order") -> float:
    """See `fokkerplanck.sgd.SGD.check`."""
    instance("model", model, str, "the name of a model")
    points, weights = _carriers(result)
    d = sgd.loss.dim
    order = np.argsort(weights)[::-1]
    carrying = order[: int(np.searchsorted(np.cumsum(weights[order]), CARRIES * weights.sum())) + 1]
    curvature = sgd.loss.curvature(*(x[carrying] for x in points[:d]))
    place = int(np.nanargmax(curvature))
    edge = float(sgd.rate_at(_last_time(result)) * curvature[place])
    if edge >= EDGE:
        where = ", ".join(f"{x[carrying][place]:.4g}" for x in points[:d])
        off = f"its local variance is off by a factor {2.0 / (2.0 - edge):.3g}" if edge < 2.0 else "descent is unstable"
        text = (
            f"eta times the largest curvature is {edge:.3g} at ({where}), where the density carries mass: {off} there."
        )
        valid = f" {model!r} holds where {VALID_WHEN[model]}." if model in VALID_WHEN else ""
        warn(text + valid + " Use sgd.transfer_operator(grid).", ModelWarning)
    return edge


def _last_time(result: Any) -> float:
    """Of a result in time; else 0."""
    times = getattr(result, "times", None)
    return 0.0 if times is None else float(times[-1])


def _carriers(result: Any) -> tuple[list[np.ndarray], np.ndarray]:
    """Points (d arrays) and weights of whatever holds a density: its last time."""
    if hasattr(result, "positions") and not isinstance(result, type):
        last = result.positions[-1]
        last = last[np.isfinite(last).all(axis=1)]
        return list(last.T), np.full(len(last), 1.0 / max(len(last), 1))
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Grid):
        masses, grid = reals("result", result[0]), result[1]
        if masses.shape != grid.shape:
            raise bad_value("result", f"masses of the grid's shape {grid.shape}", f"shape {masses.shape}")
    elif hasattr(result, "masses") and hasattr(result, "grid"):
        masses, grid = result.masses, result.grid
        masses = masses[-1] if masses.ndim > grid.dim else masses
    else:
        raise bad_type("result", "a Solution, an Ensemble or a pair (masses, grid)", result)
    return [x.ravel() for x in np.meshgrid(*grid.centers, indexing="ij")], masses.ravel()
