"""Probability prefers low noise and wide minima: by how much?

Two minima of one shape and depth, the right one wider. Where both the slope and the noise of a step shrink with the
width b, the exponent of the stationary density is b^2 2 B depth / (eta noise^2): doubling the width multiplies it by
four. Four witnesses for the ratio of the masses: quadrature, the solved equation, the exact operator of SGD, and a
simulation; and other conventions, which SGD does not follow. Beside it the same thing on a lattice: a walker that leaves
site i at rate r_i, left or right alike, is found there with probability proportional to 1/r_i.
"""

import numpy as np

import fokkerplanck as fp
from fokkerplanck.sgd.landscapes import stationary_ratio

WIDTH, DEPTH, RATE = 1.5, 0.05, 0.1


def lattice(rates):
    """Stationary probabilities of the birth-death chain with rates r_i read at the source, half of it to each side."""
    q = np.diag(0.5 * rates[:-1], -1) + np.diag(0.5 * rates[1:], 1)
    q -= np.diag(q.sum(axis=0))
    values, vectors = np.linalg.eig(q)
    p = np.abs(vectors[:, np.argmin(np.abs(values))].real)
    return p / p.sum()


def main(cells=1000, n_paths=4000, steps=20_000):
    """Print the ratio of the mass in the wide minimum to that in the narrow one, in every way; return it."""
    land = fp.landscapes.wide_and_narrow(WIDTH, DEPTH)
    sgd, grid = fp.SGD(land.loss, RATE), fp.Grid(land.box[0], cells)
    right = grid.centers[0] > 0.0

    def ratio(result):
        return result.masses[right].sum() / result.masses[~right].sum()

    ratios = {"Ito, by quadrature": stationary_ratio(land, sgd)}
    for convention in ("ito", "stratonovich", "klimontovich"):
        ratios[f"{convention}, solved"] = ratio(fp.stationary(sgd.equation(convention=convention), grid))
    operator = sgd.transfer_operator(grid)
    ratios["SGD, exact operator"] = ratio(operator.stationary())
    share, error = sgd.simulate(0.0, [steps], n_paths=n_paths).fraction(lambda w: w > 0.0)
    ratios["SGD, simulated"] = share[0] / (1.0 - share[0])
    for name, value in ratios.items():
        print(f"{name:<24}{value:8.3f}")
    print(f"{'':<24}+-{error[0] / (1.0 - share[0]) ** 2:6.3f} by simulation")

    rates = np.array([1.0, 1.0, 4.0, 2.0, 0.5, 0.5])
    print("lattice: p_i r_i =", (lattice(rates) * rates).round(6), "the same everywhere: low noise holds more")
    return ratios, error[0] / (1.0 - share[0]) ** 2, lattice(rates) * rates


if __name__ == "__main__":
    main()
