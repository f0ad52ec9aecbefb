"""How long does SGD stay in a narrow minimum, and which model of it can be trusted for that?

The transfer operator pushes the density through the true update maps, so it counts the steps of SGD itself, however
many; a simulation beside it, where one can keep up. The diffusion models are wrong twice: too slow at large learning
rates (566 steps for 149 at 0.02), and at small ones, where they should be good, too fast by nine orders of magnitude. A
rare escape feels the whole law of a step's noise, which two samples bound, and not its variance alone: the chain with
Gaussian steps of the same variance errs like the diffusions.
"""

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp

PIT = 1.00745330
RATES = np.geomspace(0.0025, 0.05, 14)
MODELS = ("first-order", "second-order", "gaussian-chain")


def escaped(w):
    """Out of the pit."""
    return w > 1.3


def escape_times(sgd, grid):
    """Mean steps from the bottom of the pit for SGD and for each model."""
    kinds = {"SGD": "exact", "gaussian-chain": "gaussian-chain"}
    times = {name: sgd.transfer_operator(grid, kind).first_passage(escaped).at(PIT) for name, kind in kinds.items()}
    for model in ("first-order", "second-order"):
        times[model] = fp.first_passage(sgd.equation(model), grid, escaped).at(PIT)
    return times


def main(rates=RATES, cells=1100, longest=20_000, n_paths=2000, picture="escape_from_the_pit.png"):
    """Print and draw the escape times over a sweep of learning rates; return them and the simulated ones."""
    loss, grid = fp.landscapes.two_datapoints().loss, fp.Grid((0.5, 1.6), cells)
    table, seen = {rate: escape_times(fp.SGD(loss, rate), grid) for rate in rates}, {}
    for rate in (r for r in rates if table[r]["SGD"] < longest):
        mc = fp.SGD(loss, rate).simulate(PIT, target="w > 1.3", max_steps=20 * longest, n_paths=n_paths).exit_times
        seen[rate] = mc.mean(), mc.std() / np.sqrt(n_paths)
    print(f"rate {'SGD':>9}  {'simulated':>19}" + "".join(f"{m:>16}" for m in MODELS))
    for rate, row in table.items():
        shown = "{:8.1f} +- {:<5.1f}".format(*seen[rate]) if rate in seen else " " * 17
        print(f"{rate:.4f} {row['SGD']:9.4g}  {shown}" + "".join(f"{row[m]:16.4g}" for m in MODELS))
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(rates, [table[r]["SGD"] for r in rates], "k", lw=2, label="SGD, exact operator")
    mean, error = np.array(list(seen.values())).T
    left.errorbar(list(seen), mean, error, fmt="ko", ms=4, label="SGD, simulated")
    for model, line in zip(MODELS, ("-", "--", ":"), strict=True):
        left.plot(rates, [table[r][model] for r in rates], line, label=model)
        right.plot(rates, [table[r][model] / table[r]["SGD"] for r in rates], line, label=model)
    right.axhline(1.0, color="k", lw=2)
    for axes, label in ((left, "mean escape time [steps]"), (right, "escape time of the model / of SGD")):
        axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel=label)
        axes.set_xticks([0.0025, 0.005, 0.01, 0.02, 0.05], ["0.0025", "0.005", "0.01", "0.02", "0.05"])
        axes.minorticks_off()
    left.legend()
    figure.savefig(picture, dpi=150)
    return table, seen


if __name__ == "__main__":
    main()
