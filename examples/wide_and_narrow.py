"""Probability prefers low noise and wide minima: by how much?

Two minima of one shape and depth, the right one wider. Where both the slope and the noise of a step shrink with the
width b, the exponent of the stationary density is b^2 2 B depth / (eta noise^2): doubling the width multiplies it by
four. Four witnesses for the ratio of the masses: quadrature, the solved equation, the exact operator of SGD, and a
simulation; and other conventions, which SGD does not follow. The exponent is measured by how escape slows down when the
rate is halved. Beside it the same thing on a lattice: a walker that leaves site i at rate r_i, left or right alike, is
found there with probability proportional to 1/r_i.
"""

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp
from fokkerplanck.sgd.landscapes import stationary_ratio

WIDTH, DEPTH, RATE = 1.5, 0.05, 0.1


def lattice(rates):
    """Stationary probabilities of the birth-death chain with rates r_i read at the source, half of it to each side."""
    q = np.diag(0.5 * rates[:-1], -1) + np.diag(0.5 * rates[1:], 1)
    values, vectors = np.linalg.eig(q - np.diag(q.sum(axis=0)))
    return (p := np.abs(vectors[:, np.argmin(np.abs(values))].real)) / p.sum()


def exponent(width, cells):
    """ln[t(eta/2) / (2 t(eta))] at eta = RATE / 2, t the mean escape time from the wide minimum: equation, SGD."""
    land = fp.landscapes.wide_and_narrow(width, DEPTH)
    start, grid, ways = land.minima[1][0], fp.Grid(land.box[0], cells), []
    for eta in (RATE / 2, RATE / 4):
        sgd = fp.SGD(land.loss, eta)
        passages = fp.first_passage(sgd.equation(), grid, lambda w: w < 0), sgd.transfer_operator(grid)
        ways.append([passages[0].at(start), passages[1].first_passage(lambda w: w < 0).at(start)])
    return np.log(0.5 * np.divide(ways[1], ways[0])).ravel()


def main(cells=1000, n_paths=4000, steps=20_000, picture="wide_and_narrow.png"):
    """Print the ratio of the mass in the wide minimum to that in the narrow one, in every way, and the exponents; draw."""
    land = fp.landscapes.wide_and_narrow(WIDTH, DEPTH)
    sgd, grid = fp.SGD(land.loss, RATE), fp.Grid(land.box[0], cells)
    x, results = grid.centers[0], {"SGD, exact operator": sgd.transfer_operator(grid).stationary()}
    for convention in ("ito", "stratonovich", "klimontovich"):
        results[f"{convention}, solved"] = fp.stationary(sgd.equation(convention=convention), grid)
    ratios = {name: r.masses[x > 0].sum() / r.masses[x < 0].sum() for name, r in results.items()}
    ratios["Ito, by quadrature"] = stationary_ratio(land, sgd)
    share, error = (v[0] for v in sgd.simulate(0.0, [steps], n_paths=n_paths).fraction(lambda w: w > 0.0))
    ratios["SGD, simulated"], error = share / (1.0 - share), error / (1.0 - share) ** 2
    for name, value in ratios.items():
        print(f"{name:<24}{value:8.3f}" + (f" +- {error:.3f}" if "simulated" in name else ""))
    widths = np.linspace(1.0, 2.0, 5)
    slopes = np.array([exponent(b, 3 * cells) for b in widths])
    print(f"doubling the width multiplies the exponent by {slopes[-1, 0] / slopes[0, 0]:.2f}, predicted 4")
    rates = np.array([1.0, 1.0, 4.0, 2.0, 0.5, 0.5])
    print("lattice: p_i r_i =", (lattice(rates) * rates).round(6), "the same everywhere: low noise holds more")
    left, right = (figure := Figure(figsize=(10, 4), layout="constrained")).subplots(1, 2)
    for (name, result), line in zip(results.items(), ("k-", "--", "-.", ":"), strict=True):
        left.plot(x, result.density, line, label=name)
    right.plot(widths, widths**2 * 2 * DEPTH * 2 / RATE, "k-", label="predicted, as the square of b")
    right.plot(widths, slopes[:, 0], "o", mfc="w", label="Ito diffusion")
    right.plot(widths, slopes[:, 1], "kx", label="SGD, exact operator")
    left.set(xlabel="w", ylabel="stationary density")
    right.set(xlabel="width b", ylabel="growth of the exponent from eta = 0.05 to 0.025")
    left.legend(fontsize=8), right.legend(fontsize=8), figure.savefig(picture, dpi=120)
    return ratios, error, lattice(rates) * rates, slopes


if __name__ == "__main__":
    main()
