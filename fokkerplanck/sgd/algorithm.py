"""Stochastic gradient descent, and the Fokker-Planck equations that stand for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, number, whole
from ..errors import ModelWarning, bad_type, bad_value, warn
from ..formulas.parser import Formula
from .loss import SampleLoss
from .phase_space import coordinate_names
from .schedule import factor_at, read_schedule, schedule_name

if TYPE_CHECKING:
    from ..model.box import Box
    from ..model.equation import FokkerPlanck
    from ..model.grid import Grid
    from ..rare_events.result import LeastAction, Quasipotential
    from ..results.ensemble import Ensemble
    from .central_flow import CentralFlow
    from .diffusion_models import Temperature
    from .measure import Measurement
    from .transfer_operator import TransferOperator


@dataclass(frozen=True, repr=False)
class SGD:
    """Stochastic gradient descent theta' = theta - eta * (mean gradient of a batch), each batch drawn afresh.

    Parameters
    ----------
    loss : SampleLoss
    learning_rate : float
        eta.
    batch_size : int or None
        B; None takes every sample in each step, which leaves no noise.
    replacement : bool
        Whether a sample may come twice in one batch.
    shuffle : bool
        Every epoch visits each sample once, in an order of its own, cut into batches (what DataLoader users mean); the
        last batch of an epoch may be smaller. Goes with replacement=False, which it implies.
    momentum : float
        m in v' = m v - eta g, theta' = theta + v' (heavy ball), below 1.
    weight_decay : float, optional
        lambda in g + lambda theta, the gradient with L2 regularisation as in torch.optim.SGD: `loss` then has the term
        lambda |theta|^2 / 2 in every sample. Default: what the loss has already, else 0.
    schedule : str or callable, optional
        What the learning rate is multiplied with in each step, as in torch's LambdaLR: a formula in t such as
        "1 / (1 + t/100)", or a function of t, the number of steps done before (0 for the first). Equations read it at
        their time t, which need not be whole.
    langevin_temperature : float
        T of the normal noise of variance 2 eta T (1 - m) that stochastic gradient Langevin dynamics (SGLD; with momentum SGHMC)
        add to each step. For a posterior density exp(-N loss), prior included, T = 1 / N.

    Notes
    -----
    Time is counted in steps. With g the mean gradient and Sigma the population covariance of the per-sample gradients,
    drift and diffusion per step are

        mu = -eta g,     D = eta^2 f Sigma / (2 B) + eta T,     f = 1 with replacement, (N - B)/(N - 1) without.

    SGD reads its noise where the step starts, hence the Ito convention. Sources: Welling and Teh (2011) for SGLD, Chen, Fox and
    Guestrin (2014) for SGHMC.
    """

    loss: SampleLoss
    learning_rate: float = 0.02
    batch_size: int | None = 1
    replacement: bool = True
    shuffle: bool = False
    momentum: float = 0.0
    weight_decay: float | None = None
    schedule: str | Callable[[float], float] | None = None
    langevin_temperature: float = 0.0

    def __post_init__(self):
        if not isinstance(self.loss, SampleLoss):
            raise bad_type("loss", "a SampleLoss", self.loss, 'Such as SampleLoss("(w-x)**2", ["w"], {"x": [0, 1]}).')
        then = 'One that changes goes by schedule=, such as schedule="1 / (1 + t/100)" beside the first rate.'
        changes = callable(self.learning_rate) or isinstance(self.learning_rate, (str, list, tuple))
        rate = number(
            "learning_rate",
            self.learning_rate,
            "positive and finite",
            lambda v: 0.0 < v < math.inf,
            then if changes else "",
        )
        flag("replacement", self.replacement)
        flag("shuffle", self.shuffle)
        m = number("momentum", self.momentum, "at least 0 and below 1", lambda v: 0.0 <= v < 1.0)
        object.__setattr__(self, "momentum", m)
        if self.weight_decay is not None:
            object.__setattr__(self, "loss", self.loss.with_weight_decay(self.weight_decay))
        object.__setattr__(self, "weight_decay", self.loss.weight_decay)
        if self.shuffle:
            object.__setattr__(self, "replacement", False)
        batch = self.batch_size
        if batch is not None:
            whole("batch_size", batch, 1, 2**31 - 1, "None takes every sample.")
            if batch > self.loss.n_samples and not self.replacement:
                how = "with shuffling" if self.shuffle else "without replacement"
                rule = f"at most the {self.loss.n_samples} samples {how}"
                raise bad_value("batch_size", rule, batch, "Set replacement=True or batch_size=None.")
            object.__setattr__(self, "batch_size", int(batch))
        object.__setattr__(self, "learning_rate", rate)
        rule = "at least 0 and finite"
        heat = number("langevin_temperature", self.langevin_temperature, rule, lambda v: 0.0 <= v < math.inf)
        object.__setattr__(self, "langevin_temperature", heat)
        object.__setattr__(self, "schedule", read_schedule(self.schedule))
        self.rate_at(0)

    def __repr__(self) -> str:
        plain = ("loss", "learning_rate", "batch_size", "replacement", "shuffle", "momentum")
        parts = [f"{name}={getattr(self, name)!r}" for name in plain]
        if self.schedule is not None:
            parts.append(f"schedule={schedule_name(self.schedule)!r}")
        if self.langevin_temperature:
            parts.append(f"langevin_temperature={self.langevin_temperature!r}")
        return f"SGD({', '.join(parts)})"

    @property
    def content(self) -> tuple:
        """What tells this SGD from others beside its repr: its loss and its schedule."""
        schedule = self.schedule.text if isinstance(self.schedule, Formula) else self.schedule
        return self.loss.content if schedule is None else (*self.loss.content, schedule)

    def rate_at(self, step: float) -> float:
        """The learning rate of the step that is taken after so many."""
        return self.learning_rate if self.schedule is None else self.learning_rate * factor_at(self.schedule, step)

    def at(self, step: float) -> SGD:
        """This SGD with the learning rate of one step, for all steps."""
        if self.schedule is None:
            return self
        frozen = copy(self)  # the rate may be 0, as at the start of a warm-up
        object.__setattr__(frozen, "learning_rate", self.rate_at(step))
        object.__setattr__(frozen, "schedule", None)
        return frozen

    @property
    def injected_variance(self) -> float:
        """2 eta T (1 - m), of the noise that is added to each coordinate in a step, beside that of the batches."""
        return 2.0 * self.learning_rate * self.langevin_temperature * (1.0 - self.momentum)

    @property
    def samples_a_step(self) -> int:
        """B, or all N samples where the batch is full."""
        return self.loss.n_samples if self.batch_size is None else self.batch_size

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the axes of its densities: the parameters and, with momentum, a velocity v_NAME of each behind them."""
        return coordinate_names(self.loss.parameters, self.momentum > 0.0)

    @property
    def noise_factor(self) -> float:
        """f / B: the covariance of a batch gradient is this times Sigma; 0 where the batch is all there is."""
        n_samples = self.loss.n_samples
        if self.batch_size is None:
            return 0.0
        if self.replacement:
            return 1.0 / self.batch_size
        return (n_samples - self.batch_size) / (max(n_samples - 1, 1) * self.batch_size)

    def drift(self, *theta) -> np.ndarray:
        """mu = -eta g per step, shape (d, *shape); in 1D the shape of the point array. With a schedule: of its factor 1."""
        drift = -self.learning_rate * self.loss.gradient(*theta)
        return drift[0] if self.loss.dim == 1 else drift

    def batch_diffusion(self, *theta) -> np.ndarray:
        """eta^2 f Sigma / (2 B) per step, shape (d, d, *shape)."""
        return 0.5 * self.learning_rate**2 * self.noise_factor * self.loss.covariance(*theta)

    def diffusion(self, *theta) -> np.ndarray:
        """D = eta^2 f Sigma / (2 B), and eta T (1 - m) where noise is added, per step, shape (d, d, *shape); in 1D the shape
        of the point array. With a schedule: of its factor 1.
        """
        diffusion = self.batch_diffusion(*theta)
        if self.injected_variance:
            each = range(self.loss.dim)
            diffusion[each, each] += 0.5 * self.injected_variance
        return diffusion[0, 0] if self.loss.dim == 1 else diffusion

    def equation(
        self,
        model: str = "first-order",
        *,
        convention: str = "ito",
        temperature: float | None = None,
        stability: float | None = None,
        scale: Any = None,
        time_order: float = 1.0,
        strength: float | None = None,
        box: Any = None,
        anisotropic: bool = False,
        drift: str = "first-order",
        central_flow: bool = False,
    ) -> FokkerPlanck:
        """A Fokker-Planck equation for this SGD, in steps; see `fokkerplanck.sgd.diffusion_models` for when each holds.

        Parameters
        ----------
        model : {"first-order", "second-order", "langevin", "levy", "subdiffusive", "momentum", "swarm", "refined"}
            "refined" takes the settings of "levy", "subdiffusive" and "swarm", and drift and central_flow, all together.
        convention : str
            The stochastic convention. SGD is "ito"; the others are for comparison.
        temperature : float, optional
            Of "langevin". Default: that of `temperature`; the equation's `settings` say what it is and where it was read.
        stability, scale : float, number or callable
            Of "levy" and "momentum": the stability index, and the per-sample scale of the gradient noise (default: what gives
            the first-order diffusion at stability 2).
        time_order : float
            Of "subdiffusive", below 1.
        strength : float
            Of "swarm": the pull towards the mean, per step.
        box : Grid or list of (low, high), optional
            Of "langevin" and of anisotropic jumps: where the smallest loss is looked for.
        anisotropic : bool
            Of "levy" and "momentum": whether jumps have the covariance of the batch noise, times a factor that gives them its
            interquartile range at the point of smallest loss. `scale`, a number, then is that range in units of a normal law of
            the same covariance (default: measured over 4000 batches; `settings` says it).
        drift : {"first-order", "second-order", "two-step"}
            Of "refined". "two-step" holds at and above the edge of stability, see `fokkerplanck.sgd.two_step_model`; together
            with `stability` for one parameter whose gradient is linear.
        central_flow : bool
            Of "refined": whether the oscillation at the edge of stability adds its drift, see `fokkerplanck.sgd.refined_model`.
        """
        from .diffusion_models import Settings, model_equation

        return model_equation(
            self,
            model,
            Settings(
                convention, temperature, stability, scale, time_order, strength, box, anisotropic, drift, central_flow
            ),
        )

    def temperature(self, box: Any = None) -> Temperature:
        """eta f tr Sigma / (2 B d) at the point of smallest loss: the temperature that "langevin" takes.

        Parameters
        ----------
        box : Grid or list of (low, high), optional
            Where the smallest loss is looked for. Default: the box of a named landscape (`SampleLoss.within` gives any
            loss one); else the lowest end of 24 descents without bounds.

        Returns
        -------
        Temperature
            (value, point, loss, where)
        """
        from .diffusion_models import noise_temperature

        return noise_temperature(self, box)

    def check(self, result: Any, model: str = "first-order") -> float:
        """eta times the largest curvature where a result carries its mass; warns as it approaches 2.

        Parameters
        ----------
        result : Solution, Ensemble, or pair (masses, grid)
        model : str
            For the words of the warning.
        """
        from .diffusion_models import check

        return check(self, result, model)

    def measure(self, p0: Any, steps: int = 2000, n_paths: int = 16, *, seed: int | None = None) -> Measurement:
        """Run this SGD and say which refinements its noise and its place support, with 95 % intervals.

        Parameters
        ----------
        p0 : density, point or array
            As for `simulate`: a point, or a region such as ``fp.uniform([-1, -1], [1, 1])``.
        steps, n_paths : int
            Length and number of the runs.
        seed : int, optional
            As for `simulate`.

        Returns
        -------
        Measurement
            `stability` and `scale` of the whitened noise of a step, `time_order` from stays at one place, `edge` (eta times the
            largest curvature), each (value, low, high); `refinements` for ``equation("refined", **refinements)``; `sentences`.

        Notes
        -----
        See `fokkerplanck.sgd.measure`. Noise is whitened by the covariance of the batch gradient where each step begins, so
        that Gaussian noise which is stronger at some points than at others is not taken for heavy tails. With few samples a
        batch, the index is that of the samples: of finitely many, sums of enough become Gaussian.
        """
        from .measure import measure

        return measure(self, p0, steps, n_paths, seed)

    def central_flow(self, start: Any, steps: Any, rtol: float = 1e-8) -> CentralFlow:
        """The path about which full-batch descent oscillates at the edge of stability; see `fokkerplanck.sgd.central_flow`.

        Parameters
        ----------
        start : d numbers
        steps : increasing sequence, from 0 on
        """
        from .central_flow import central_flow

        return central_flow(self, start, steps, rtol)

    def transfer_operator(
        self,
        grid: Grid | Box,
        model: str = "exact",
        *,
        kind: str = "auto",
        n_batches: int = 4096,
        seed: int = 0,
        tol: float | None = None,
    ) -> TransferOperator:
        """The density of this SGD itself, step by step, without a diffusion approximation.

        Parameters
        ----------
        grid : Grid, or with `tol` a Box
            Over the parameters; over the parameters and then the velocities if there is momentum.
        model : {"exact", "gaussian-chain"}
            "gaussian-chain" replaces the gradient noise of each step by a normal law of the same covariance.
        kind : {"auto", "enumerated", "kernel", "sampled"}
            How "exact" sees the batches: every distinct one, a normal law in their place, or `n_batches` drawn with
            `seed`. "auto" enumerates up to 10^4 distinct batches; beyond, it takes the normal law for batches of 30 or
            more, else draws some.
        n_batches, seed : int
            For "sampled".
        tol : number, optional
            Largest error of the stationary density in the 1-norm, or where walls absorb of the mean passage to them, beside the
            mean; the cells are found. The operator's questions take a `tol` of their own.

        Returns
        -------
        TransferOperator
            One application is one step; one epoch with `shuffle`. With a `schedule` it changes from one to the next: only
            `evolve` can be asked.
        """
        from .build_operator import transfer_operator

        return transfer_operator(self, grid, model, kind=kind, n_batches=n_batches, seed=seed, tol=tol)

    def quasipotential(
        self, a: Any, b: Any, model: str = "exact", *, points: int = 200
    ) -> LeastAction | Quasipotential:
        """The exponent V of rare escapes: mean steps from `a` to `b` grow like exp(V / eta) as eta becomes small.

        Parameters
        ----------
        a, b : number or d numbers
            A minimum, and a point on the edge of its basin, such as a saddle; or a Grid, for all its cells.
        model : {"exact", "first-order", "gaussian-chain"}
            Of SGD itself, or of its models with normal noise, which both have the same exponent.
        points : int
            Sides of the polygon that stands for the path, with two and more parameters.

        Returns
        -------
        LeastAction
            With `.exponent`, `.path` (the most likely way), `.cost` along it, `.error` and `.plot()`. Infinite where no
            batch leads on; with `shuffle`, where the batches of an epoch together leave no noise of this order.
        Quasipotential
            For a Grid of one or two axes (see `fokkerplanck.quasipotential`).

        Notes
        -----
        See `fokkerplanck.sgd.quasipotential`. The learning rate does not enter, batch size and momentum do.
        """
        from .quasipotential import quasipotential

        return quasipotential(self, a, b, model, points)

    def simulate(
        self,
        p0: Any,
        steps: Sequence[int] | None = None,
        n_paths: int = 20_000,
        *,
        seed: int | None = None,
        target: Callable | str | None = None,
        max_steps: int | None = None,
        threads: int | None = None,
    ) -> Ensemble:
        """Run SGD itself, many times.

        Parameters
        ----------
        p0 : density, point or array
            A density with ``sample(rng, n)``, one point (d numbers) for all paths, or one row a path (n_paths, d).
            With momentum, positions hold the d parameters and then the d velocities; starts may give both (2 d
            numbers) or the parameters only, at rest. A function as `target` is then called with both.
        steps : increasing whole numbers from 0 on
            When positions are recorded. May be None with a target; then the positions at the end are kept.
        n_paths : int
        seed : int, optional
            Same seed, same numbers, whatever `threads` and `steps` are; equal seeds pair simulations on purpose: they start
            from the same points. Default: a seed of its own, keyed by this SGD and all arguments but `steps`, so that it is
            independent of other calls, such as `fokkerplanck.simulate` of an equation; the result shows it.
        target : str or callable, optional
            A condition such as ``"w > 1.3"`` (compiled into the loop of a formula loss) or a vectorised function of
            the coordinates returning a mask (asked after each step). A path in the target stops there.
        max_steps : int, optional
            With a target: when to give up. Default: the last of `steps`.
        threads : int, optional
            Default: all cores. Gradients given as Python functions run in one thread.

        Returns
        -------
        Ensemble
            With `exit_times` if there is a target: the first step at which a path is in it, inf if unfinished.
        """
        from ..simulation.sgd_paths import simulate
        from .diffusion_models import undefined

        result = simulate(self, p0, steps, n_paths, seed=seed, target=target, max_steps=max_steps, threads=threads)
        last = result.positions[-1]
        last = last[np.isfinite(last).all(axis=1), : self.loss.dim].T
        if where := undefined(self.loss, last, np.ones(last.shape[1])):
            warn(f"The loss is not finite where paths are, {where}; they follow its gradient, which is.", ModelWarning)
        return result

    def simulate_swarm(
        self,
        p0: Any,
        steps: Sequence[int],
        strength: float,
        *,
        n_workers: int = 1000,
        n_swarms: int = 10,
        seed: int | None = None,
    ) -> Ensemble:
        """Run swarms of interacting workers, each of which does this SGD and is pulled to the mean of its swarm.

            theta' = theta - eta g_B(theta) - strength (theta - mean of the swarm)

        Parameters
        ----------
        p0 : density, point or array
            As for `simulate`, for all n_swarms * n_workers workers.
        steps : increasing whole numbers from 0 on
        strength : float
            From 0 to 1, per step.
        n_workers, n_swarms : int
            Workers in a swarm, and independent swarms.
        seed : int, optional
            As for `simulate`.

        Returns
        -------
        Ensemble
            Of n_swarms * n_workers paths, swarm by swarm. Workers of one swarm are not independent: take error bars over
            swarms, ``positions.reshape(n_times, n_swarms, n_workers, d)``.

        Notes
        -----
        ``equation("swarm", strength=...)`` is the limit of many workers. A swarm of n shares a mean that itself fluctuates:
        on a quadratic of rate h per step and small noise D, a worker has the variance D/(h + k) + (k/h) D/(h + k) / n for the
        strength k, of which the equation has the first term.
        """
        from ..simulation.swarm import simulate_swarm

        return simulate_swarm(self, p0, steps, strength, n_workers=n_workers, n_swarms=n_swarms, seed=seed)
