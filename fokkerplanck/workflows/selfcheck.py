"""`fokkerplanck validate`: known answers, asked of the installed package within a minute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import gaussian, point
from ..model.levy import LevyJumps
from ..passages import first_passage
from ..queries import solve, spectrum, stationary
from ..sgd import SGD, SampleLoss


class Claim(NamedTuple):
    """One known answer: what was computed, what it should be, and how far off it may be (relative)."""

    name: str
    computed: float
    expected: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the computed value lies within the tolerance."""
        return abs(self.computed - self.expected) <= self.tolerance * abs(self.expected)


def check() -> Iterator[Claim]:
    """All claims, one after the other."""
    for claims in (_moments, _conventions, _passages, _plane, _memory_and_jumps, _sgd):
        yield from claims()


def _moments() -> Iterator[Claim]:
    solution = solve(FokkerPlanck(drift=lambda x: -x, diffusion=0.5), Grid((-6, 6), 800), point(2.0), 0.7)
    yield Claim("Ornstein-Uhlenbeck, mean at t = 0.7", float(solution.mean()[0, 0]), 0.9931706076, 2e-4)
    yield Claim("Ornstein-Uhlenbeck, variance", float(solution.covariance()[0, 0, 0]), 0.3767015180, 5e-4)
    yield Claim("Ornstein-Uhlenbeck, mass", float(solution.mass[0]), 1.0, 1e-8)


def _conventions() -> Iterator[Claim]:
    for word, mean in (("ito", 0.3862943611), ("stratonovich", 0.4426950409), ("klimontovich", 0.5)):
        eq = FokkerPlanck(diffusion=lambda x: (1 + x) ** 2, convention=word)
        yield Claim(f"D = (1 + x)^2, {word}, mean", float(stationary(eq, Grid((0, 1), 400)).mean()[0]), mean, 1e-5)


def _passages() -> Iterator[Claim]:
    well = FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.1)
    grid = Grid((-3, 3), 800)
    yield Claim(
        "double well, mean time to the barrier", first_passage(well, grid, _right).at(-1.0), 30.8213024727, 2e-4
    )
    yield Claim("double well, slowest rate", -float(spectrum(well, grid, 2).eigenvalues[1].real), 0.03354528731, 2e-4)


def _plane() -> Iterator[Claim]:
    tensor = [[0.775, 0.389711431703], [0.389711431703, 0.325]]
    eq = FokkerPlanck(drift=lambda x, y: (-x - 2 * y, -3 * y), diffusion=tensor)
    rest = stationary(eq, Grid([(-3.5, 3.5), (-1.7, 1.7)], 96))
    yield Claim("turned noise, variance in x", float(rest.covariance()[0, 0]), 0.49362190163, 1e-3)
    yield Claim("turned noise, entropy production", rest.entropy_production, 0.041875693930517, 2e-2)


def _memory_and_jumps() -> Iterator[Claim]:
    waiting = FokkerPlanck(drift=lambda x: -x, diffusion=1.0, time_order=0.7)
    solution = solve(waiting, Grid((-12, 12), 1600), point(2.0), 1.0)
    yield Claim("memory 0.7, mean at t = 1", float(solution.mean()[0, 0]), 0.799223956231, 2e-4)
    flight = FokkerPlanck(jumps=LevyJumps(stability=1.5))
    leaving = first_passage(flight, Grid((-1, 1), 800, boundary="absorbing")).at(0.0)
    yield Claim("Levy 1.5, exit time of (-1, 1)", leaving, 0.7522527781, 2e-3)


def _sgd() -> Iterator[Claim]:
    loss = SampleLoss("-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)", parameters=["w"], data={"pit": [0, 1]})
    sgd = SGD(loss, learning_rate=0.02)
    box = Grid((0.9, 1.23), 800, boundary=("reflecting", "absorbing"))
    yield Claim("pit, escape in the diffusion picture", first_passage(sgd.equation(), box).at(1.00745), 565.73, 1e-3)
    operator = sgd.transfer_operator(Grid((0.5, 2.5), 2000))
    yield Claim(
        "pit, escape of SGD by its operator", operator.first_passage(_past_the_barrier).at(1.00745), 148.8, 1e-2
    )
    paths = SGD(SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), learning_rate=0.1).simulate(
        gaussian(0.0, 0.3), [200], n_paths=40_000, seed=0
    )
    # 5 standard errors of a variance from 40,000 paths: fails by chance once in two million
    yield Claim("quadratic, variance of simulated SGD", float(paths.covariance()[0, 0, 0]), 0.0526315789, 3.6e-2)


def _right(x: np.ndarray) -> np.ndarray:
    return x > 0


def _past_the_barrier(w: np.ndarray) -> np.ndarray:
    return w > 1.3
