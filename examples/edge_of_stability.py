"""Models of SGD where the sharpness climbs to the edge of stability, 2 / eta = 20, and from above it.

In L = y x^2/2 + .025 (y - 21)^2 - .3 z x, z = +-1, the sharpness is y where x is small: descent pulls it up to 21, and the
oscillation along x that sets in beyond 20 pushes it down. Shown is the distance W1 of y to simulated SGD, and the mean of y, of
the transfer operator on a grid of the plane and of each model, as paths and as a density. The cells are wider than what y moves
in a step: what the densities are off by, the operator's too, is mostly their numerical diffusion.
"""

import warnings

import numpy as np
from scipy.stats import wasserstein_distance

import fokkerplanck as fp

LOSS = fp.SampleLoss("y*x**2/2 + 0.025*(y-21)**2 - 0.3*z*x", ["x", "y"], {"z": [-1.0, 1.0]})
SGD = fp.SGD(LOSS, 0.1, batch_size=1)
GRIDS = {19.0: [(-1.6, 1.6), (16.5, 22.0)], 21.5: [(-3.0, 3.0), (14.0, 23.0)]}  # by the y of the start
MODELS = {
    "first-order": SGD.equation(),
    "second-order": SGD.equation("second-order"),
    "central flow": SGD.equation("refined", central_flow=True),
    "two-step": SGD.equation("refined", drift="two-step"),
}


def distances(height, step, cells=(256, 128), n_paths=2000, models=MODELS):
    """(distance of paths, of the density, mean of the paths) of y to SGD, by name, after an even number of steps."""
    start, grid = fp.gaussian((0.0, height), (0.1, 0.1)), fp.Grid(GRIDS[height], cells)
    sgd, again = (SGD.simulate(start, [step], n_paths=10_000, seed=seed).positions[-1][:, 1] for seed in (1, 2))

    def of_density(solution):
        along = np.maximum(solution.masses[-1].sum(axis=0), 0.0)
        return wasserstein_distance(sgd, grid.centers[1], None, along)

    operator = of_density(SGD.transfer_operator(grid).evolve(start, [step]))
    found = {"SGD, other batches": (wasserstein_distance(sgd, again), operator, again.mean())}
    for name, eq in models.items():
        y = fp.simulate(eq, start, [float(step)], 0.25, n_paths=n_paths, seed=3, step_error=False).positions[-1][:, 1]
        density = fp.solve(eq, grid, start, [float(step)], error=False)
        found[name] = (wasserstein_distance(sgd, y), of_density(density), y.mean())
    return found


def main():
    """Print a table for each start."""
    with warnings.catch_warnings():  # that part of the density is above the edge, which is the subject
        warnings.simplefilter("ignore", fp.ModelWarning)
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        for height, step in ((19.0, 200), (21.5, 60), (21.5, 200)):
            print(f"from sharpness {height:g}, after {step} steps: W1 of paths, of the density (first: operator); mean")
            for name, (paths, density, mean) in distances(height, step).items():
                print(f"  {name:20s} {paths:7.4f} {density:7.4f} {mean:9.4f}")


if __name__ == "__main__":
    main()
