"""SGD on two datapoints: where the diffusion picture holds, and where it does not.

Both samples share a valley at w = 2; one of them digs a pit at w = 1. The noise of SGD vanishes exactly at w = 1, where
the drift does not: the diffusion can pass that point from left to right only. SGD itself takes steps of finite length.
"""

import fokkerplanck as fp

# parameters
LOSS = "-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)"
RATES = (0.02, 0.005)
STEPS = (10, 100, 1000)


def main(cells=4000, n_paths=100_000, picture="two_datapoints.png"):
    """Compare the first-order equation with SGD; return the comparison for each learning rate."""
    # problem
    loss = fp.SampleLoss(LOSS, parameters=["w"], data={"pit": [0, 1]})
    grid = fp.Grid((-0.5, 2.5), cells)
    start = fp.gaussian(0.5, 0.175)

    tables = {}
    for rate in RATES:
        # solve
        sgd = fp.SGD(loss, learning_rate=rate, batch_size=1)
        solution = fp.solve(sgd.equation(), grid, start, STEPS)
        paths = sgd.simulate(start, STEPS, n_paths=n_paths)

        # check
        assert abs(solution.mass - 1.0).max() < 1e-6
        tables[rate] = fp.compare({"first-order": solution, "SGD": paths}, reference="SGD")
        print(f"learning rate {rate:g}", tables[rate], sep="\n")

    # plot
    from fokkerplanck.results.figures import plot_evolution

    plot_evolution(solution, paths, title=f"learning rate {rate:g}").savefig(picture)
    return tables


if __name__ == "__main__":
    main()
