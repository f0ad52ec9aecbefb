"""Logistic regression on Fisher's iris by SGD: the density of two parameters, and the current that never stops.

Is a plant versicolor or virginica, judged by the width of its petals? The noise of SGD is neither uniform nor aligned with the
landscape. So the stationary density is no Boltzmann factor of the loss, and a current circulates in it.
"""

import csv
from pathlib import Path

import fokkerplanck as fp

# parameters: intercept a, slope b per 0.4 cm
LOGIT = "(a + b*(x - 1.5)/0.4)"
RATE, BATCH, STEPS = 1.0, 8, (10, 100, 1000)


def petal_widths():
    """Petal widths in cm, and 1 for virginica or 0 for versicolor."""
    with Path(__file__).with_name("iris.csv").open(encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    rows = [row for row in csv.DictReader(lines) if row["species"] != "0"]
    return {"x": [float(r["petal_width"]) for r in rows], "y": [float(r["species"]) - 1.0 for r in rows]}


def main(cells=160, n_paths=20_000, picture="iris.png"):
    """Solve, compare with SGD and draw; return the stationary density and the comparison."""
    # problem
    loss = fp.SampleLoss(f"softplus{LOGIT} - y*{LOGIT}", parameters=["a", "b"], data=petal_widths())
    sgd = fp.SGD(loss, learning_rate=RATE, batch_size=BATCH)
    grid = fp.Grid([(-3.2, 2.6), (0.4, 7.0)], [cells, cells])
    start = fp.gaussian([0.8, 2.3], 0.35)

    # solve
    solution = fp.solve(sgd.equation(), grid, start, STEPS)
    stationary = fp.stationary(sgd.equation(), grid)
    paths = sgd.simulate(start, STEPS, n_paths=n_paths)

    # check
    assert abs(solution.mass - 1.0).max() < 1e-6
    comparison = fp.compare({"first-order": solution, "SGD": paths}, reference="SGD")
    print(comparison, stationary, sep="\n\n")

    # plot
    from fokkerplanck.results.figures import plot_evolution

    plot_evolution(solution, paths, landscape=loss.value).savefig(picture)
    return stationary, comparison


if __name__ == "__main__":
    main()
