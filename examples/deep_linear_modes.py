"""A deep linear network learns one mode after the other: the density of each, and where its noise is largest.

A teacher of rank three, depth 3, small balanced start: each mode waits at its saddle and then rises, the strong first. Bands
hold 90 % of the probability by the equation of one mode; beside them runs of a chain of three numbers a mode under SGD.
"""

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp
from fokkerplanck.deep_linear import ModeEquation, crossing_steps

TEACHER, DEPTH, START = (1.5, 1.0, 0.6), 3, 0.05
RATE, BATCH, NOISE = 0.01, 2, 0.1
BANDS = (0.05, 0.5, 0.95)


def quantiles(solution):
    """The strengths below which 5, 50 and 95 % of the probability lie, (n_times, 3)."""
    below = np.cumsum(solution.masses, axis=1)
    return np.array([np.interp(BANDS, share, solution.grid.edges[0][1:]) for share in below])


def descend(target, steps, runs):
    """Strengths of chains w_3 w_2 w_1 under SGD, (n_times, runs, 1)."""
    chain = fp.landscapes.scalar_chain(DEPTH, target, NOISE)
    start = [START ** (1 / DEPTH)] * DEPTH
    sgd = fp.SGD(chain.loss, RATE, BATCH)
    return sgd.simulate(start, steps, n_paths=runs, seed=round(10 * target)).positions.prod(axis=2, keepdims=True)


def main(points=61, runs=400, picture="deep_linear_modes.png"):
    """Solve each mode, compare the half-way time with chains under SGD, and draw; return the mean times."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.add_subplot()
    times = {}
    for target, color, dash in zip(TEACHER, ("0.0", "tab:red", "tab:blue"), ("-", "--", "-."), strict=True):
        mode = ModeEquation(DEPTH, target, RATE, BATCH, label_noise=NOISE)
        steps = np.linspace(0, 600, points).astype(int)
        band, sampled = quantiles(mode.density(START, steps)), descend(target, steps, runs)
        passage = mode.passage(START).at(START)
        half = crossing_steps(steps, sampled, target / 2)
        times[target] = (passage, half.mean(), half.std() / np.sqrt(runs))
        axes.fill_between(steps, band[:, 0], band[:, 2], color=color, alpha=0.25, lw=0)
        axes.plot(steps, band[:, 1], dash, color=color, label=f"mode with target {target}")
        axes.plot(steps[::4], sampled[::4, :40, 0], ".", color=color, ms=2)
        loud = mode.largest_diffusion
        axes.plot(np.interp(loud, band[:, 1], steps), loud, "o", color=color, mfc="w", ms=8, zorder=3)
        print(
            f"target {target}: half of it after {passage:.1f} steps, runs of SGD {half.mean():.1f} +- {times[target][2]:.1f}"
        )
    axes.plot([], [], "ko", mfc="w", ms=8, label="largest diffusion")
    axes.plot([], [], "k.", ms=2, label="SGD, 40 of the runs")
    axes.set(xlabel="step", ylabel="mode strength s", title="median and 90 % of the probability, depth 3")
    axes.legend(loc="lower right", fontsize=9)
    figure.savefig(picture, dpi=120)
    return times


if __name__ == "__main__":
    main()
