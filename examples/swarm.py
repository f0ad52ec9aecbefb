"""Workers that hold together: what a pull towards their common mean does to SGD, and what it does not.

Each worker runs SGD on its own and is pulled to the mean of its swarm. The density of infinitely many obeys an equation
that contains its own mean; simulated swarms of 1000 stand beside it. Of two minima of one shape the right one is wider and
less noisy. Free workers end there more often than in the other; coupled ones even more so, since those that the noise
throws out of the narrow minimum pull the rest along: the stronger the coupling, the fewer stay where the noise is
high, until the crowd is in one place. The pull by itself moves no mean: on a linear slope the mean of a swarm goes as without.
"""

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp

STRENGTHS = (0.0, 0.001, 0.002, 0.004, 0.008)
RATE, STEPS, SHOWN = 0.1, 3000, {0.0: "-", 0.002: "--", 0.008: ":"}
START = fp.gaussian(0.0, 0.5)


def means_on_a_line(strength):
    """Largest difference between the means of coupled and of free workers on a quadratic, step by step."""
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), RATE)
    free, coupled = (
        sgd.simulate_swarm(1.0, range(50), k, n_workers=100, n_swarms=5).positions for k in (0.0, strength)
    )
    shape = 50, 5, 100
    return np.abs(free.reshape(shape).mean(axis=2) - coupled.reshape(shape).mean(axis=2)).max()


def main(cells=120, n_workers=1000, n_swarms=8, strengths=STRENGTHS, picture="swarm.png"):
    """Print and draw the share of the workers in the wide minimum against the coupling; return it, computed and simulated."""
    land = fp.landscapes.wide_and_narrow(1.5, 0.05)
    sgd, grid = fp.SGD(land.loss, RATE), fp.Grid(land.box[0], cells)
    x, rows = grid.centers[0], {}
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k in strengths:
        # solve
        solution = fp.solve(sgd.equation("swarm", strength=k), grid, START, STEPS, rtol=1e-4)
        mc = sgd.simulate_swarm(START, [STEPS], k, n_workers=n_workers, n_swarms=n_swarms)
        share = (mc.positions[0].reshape(n_swarms, n_workers) > 0.0).mean(axis=1)

        # check
        far = fp.distances.wasserstein(solution, mc).value
        rows[k] = solution.masses[0][x > 0].sum(), share.mean(), share.std(ddof=1) / np.sqrt(n_swarms), far
        print(
            "strength {:.3f}: {:.4f} in the wide minimum, simulated {:.4f} +- {:.4f}; Wasserstein distance {:.4f}".format(
                k, *rows[k]
            )
        )
        if k in SHOWN:
            left.plot(x, solution.at(STEPS), SHOWN[k], label=f"strength {k:g}")
    print(f"on a quadratic the coupling moves the mean of a swarm by {means_on_a_line(0.1):.1e}")

    # plot
    table = np.array([row[:3] for row in rows.values()]).T
    right.plot(strengths, table[0], "k-", label="density")
    right.errorbar(
        strengths, table[1], 2 * table[2], fmt="ko", mfc="w", capsize=3, label=f"{n_swarms} swarms, 2 std. errors"
    )
    left.set(xlabel="w", ylabel="density", title=f"after {STEPS} steps")
    right.set(xlabel="strength of the coupling [1/step]", ylabel="share in the wide minimum, w > 0")
    left.legend(), right.legend()
    figure.savefig(picture, dpi=120)
    return rows


if __name__ == "__main__":
    main()
