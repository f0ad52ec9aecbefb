"""Escape from a well by a particle that waits: no rate, no mean time, a power law.

The particle sits in the left well of V = x^4/4 - x^2/2 and is gone once it reaches x = 1. Ordinary noise gives an exponential
decay. With waiting times of infinite mean, time_order < 1, most particles leave early, but some wait for ages: the
survival falls as tau / (Gamma(1 - b) t^b), tau the mean time of the ordinary particle.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.special import gamma

import fokkerplanck as fp

ORDERS, DIFFUSION = (1.0, 0.8, 0.6), 0.1
TIMES = np.geomspace(1e-1, 1e5, 61)


def problem(order):
    """The equation with a memory exponent."""
    return fp.FokkerPlanck(potential=lambda x: x**4 / 4 - x**2 / 2, diffusion=DIFFUSION, time_order=order)


def main(cells=400, n_paths=2000, picture="subdiffusive_escape.png"):
    """Solve for three exponents, simulate one of them, and draw; return the survival curves."""
    grid = fp.Grid((-2.5, 1.0), cells, boundary=("reflecting", "absorbing"))
    start = fp.point(-1.0)

    # solve
    solutions = {order: fp.solve(problem(order), grid, start, TIMES) for order in ORDERS}
    tau = float(fp.first_passage(problem(1.0), grid).at(-1.0))
    spots = np.array([1.0, 10.0, 100.0])
    paths = fp.simulate(problem(0.6), start, spots, dt=0.02, n_paths=n_paths, grid=grid)
    alive = paths.fraction(lambda x: x < 1.0)

    # check
    late = tau / gamma(1 - np.array(ORDERS[1:])) * TIMES[-1] ** -np.array(ORDERS[1:])
    print(f"mean escape time without waiting {tau:.4f}; survival at t = {TIMES[-1]:g}:")
    for order, law in zip(ORDERS[1:], late, strict=True):
        print(f"  time_order {order}: {solutions[order].mass[-1]:.6f}, the power law alone {law:.6f}")

    # plot
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    looks = (("0.45", "-"), ("tab:blue", "--"), ("tab:red", "-."))
    for (color, line), (order, solution) in zip(looks, solutions.items(), strict=True):
        left.loglog(TIMES, solution.mass, line, color=color, label=f"time_order {order:g}")
        if order < 1:
            left.loglog(TIMES, tau / gamma(1 - order) * TIMES**-order, ":", color=color)
        right.plot(grid.centers[0], solution.at(TIMES[10]), line, color=color, label=f"time_order {order:g}")
    left.errorbar(spots, alive.value, 2 * alive.standard_error, fmt="ko", ms=4, label=f"{n_paths} paths, 0.6")
    left.plot([], [], "k:", label=r"$\tau\,t^{-b}/\Gamma(1-b)$")
    left.set(xlabel="time", ylabel="still in the well", ylim=(1e-3, 1.6))
    right.set(xlabel="x", ylabel="density", title=f"t = {TIMES[10]:.3g}: the cusp marks those that never moved")
    left.legend(), right.legend()
    figure.savefig(picture, dpi=120)
    return {order: solution.mass for order, solution in solutions.items()}


if __name__ == "__main__":
    main()
