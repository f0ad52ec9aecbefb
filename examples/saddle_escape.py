"""Leaving a saddle: does heavy-tailed noise get away sooner than Gaussian noise of the same typical size?

The two-layer net y = w2 w1 x has a saddle at the origin, where SGD from small weights starts. Both noises are given the
same interquartile range of a step. Gaussian noise must be amplified along the unstable direction until it leaves the
ball: everyone leaves at about the same time. Heavy-tailed noise leaves earlier, some of it by a single long jump, so that
its escape times spread from the first step on. The densities come from the equation on a grid, with walls that absorb
whatever jumps across; the paths are steps of gradient descent with the noise added, one step at a time.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import levy_stable

import fokkerplanck as fp

RATE, NOISE, RADIUS = 0.02, 0.4, 0.6  # NOISE: upper quartile of the gradient noise of a step
STEPS = np.arange(0, 401, 20)
NOISES = {"Gaussian, a = 2": 2.0, "Levy, a = 1.5": 1.5, "Levy, a = 1.2": 1.2}


def outside(w1, w2):
    """Away from the saddle."""
    return w1**2 + w2**2 > RADIUS**2


def equation(stability):
    """Gradient descent with noise of a stability, its scale set by the upper quartile."""
    sgd = fp.SGD(fp.landscapes.scalar_net().loss, RATE)
    quartile = float(levy_stable.ppf(0.75, stability, 0.0))  # at stability 2 a normal law of variance 2
    return sgd.equation("levy", stability=stability, scale=NOISE / quartile)


def main(cells=60, n_paths=4000, noises=NOISES, picture="saddle_escape.png"):
    """Print and draw the survival near the saddle for each noise; return it with the simulated one and its error."""
    grid = fp.Grid([(-0.75, 0.75)] * 2, [cells, cells], boundary="absorbing")
    origin, curves = np.zeros(2), {}
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for (name, stability), line, mark in zip(noises.items(), ("-", "--", ":"), "os^", strict=False):
        # solve
        eq = equation(stability)
        passage = fp.first_passage(eq, grid, outside)
        stay = passage.survival(STEPS, fp.point(origin))

        # check
        mc = fp.simulate(eq, origin, [STEPS[-1]], dt=1.0, n_paths=n_paths, seed=1, target=outside)
        seen = (mc.exit_times[:, None] > STEPS).mean(axis=0)
        curves[name] = stay, seen, np.sqrt(seen * (1.0 - seen) / n_paths)
        quartiles = np.quantile(mc.exit_times, [0.05, 0.5, 0.95])
        print(f"{name:<16} mean {passage.at(origin):6.1f} steps; 5, 50, 95 % of the paths are gone by", quartiles)

        # plot
        (drawn,) = axes.plot(STEPS, stay, line, label=f"{name}, density")
        axes.errorbar(STEPS, seen, 2 * curves[name][2], fmt=mark, ms=4, color=drawn.get_color(), mfc="w", capsize=2)
    axes.plot([], [], "ko", mfc="w", label=f"{n_paths} paths each, 2 std. errors")
    axes.set(xlabel="steps", ylabel=f"share still within {RADIUS} of the saddle", ylim=(0, 1.03))
    axes.legend()
    figure.savefig(picture, dpi=120)
    return curves


if __name__ == "__main__":
    main()
