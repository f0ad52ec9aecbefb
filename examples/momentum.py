"""SGD with momentum: where does its phase-space equation hold?

On a quadratic everything is known by hand: the covariance of parameter and velocity of the discrete heavy ball, and that
of its equation. The equation gets the parameter right at any momentum (too narrow by eta h / (2 (1 + m))), the velocity
only as m nears 1: it takes a step for an instant, and at m = 0.5 a velocity lives for two. On a grid the transport along the
parameter carries no noise, so that the scheme is of first order; extrapolation takes that error off.
"""

import warnings

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp
from fokkerplanck.sgd import heavy_ball_covariance

RATE, MOMENTA = 0.1, (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def main(momenta=MOMENTA, cells=(256, 92), n_paths=20_000, picture="momentum.png"):
    """Print and draw the variances of parameter and velocity over momentum; return them, one row a momentum."""
    loss, rows = fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), []
    for m in momenta:
        # problem
        sgd = fp.SGD(loss, RATE, momentum=m)
        by_hand = np.array([RATE, RATE**2]) / (2.0 * (1.0 - m))
        box = [(-5.0 * s, 5.0 * s) for s in np.sqrt(by_hand)]

        # solve
        equation = sgd.equation("momentum")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fp.ResolutionWarning)  # of what the extrapolation takes off
            plain = fp.stationary(equation, fp.Grid(box, cells))
        grid, limit = (np.diag(st.covariance()) for st in (plain, plain.extrapolated()))
        start = fp.gaussian([0.0, 0.0], np.diag(by_hand))
        mc = sgd.simulate(start, [round(12 / (RATE / (1.0 - m)) + 12 / (1.0 - m))], n_paths=n_paths).positions[0]

        # check
        exact = np.diag(heavy_ball_covariance(RATE, m))
        rows.append(np.concatenate([[m], exact, mc.var(axis=0), limit, grid, by_hand]))
        assert np.allclose(limit, by_hand, rtol=0.05)
    table = np.array(rows)
    print("variance of:    parameter                          velocity")
    print("momentum   SGD   simul.  grid  extr.   eq.     SGD    simul.   grid    extr.    eq.")
    for m, *v in table:
        left, right = (" ".join(f"{v[2 * k + i]:{6 + 2 * i}.{4 + i}f}" for k in (0, 1, 3, 2, 4)) for i in (0, 1))
        print(f"{m:6.2f}  {left}  {right}")

    # plot
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    styles = ("parameter", "tab:blue", "-", "o"), ("velocity", "tab:red", "--", "s")
    for i, (name, color, line, mark) in enumerate(styles):
        exact, seen, limit, grid, by_hand = table[:, 1 + i :: 2].T
        axes.plot(table[:, 0], by_hand / exact, line, color=color, label=f"equation, {name}")
        axes.plot(table[:, 0], limit / exact, mark, color=color, label="  extrapolated")
        axes.plot(table[:, 0], grid / exact, mark, color=color, mfc="w", label=f"  grid, {cells[0]} cells")
        axes.errorbar(
            table[:, 0] + 0.006, seen / exact, 2 * np.sqrt(2 / n_paths), fmt="k" + "+x"[i], label="  SGD paths"
        )
    axes.axhline(1.0, color="0.6", lw=1)
    axes.set(xlabel="momentum m", ylabel="variance / exact variance of SGD", ylim=(0.7, 1.25))
    axes.legend(fontsize=8, ncols=2)
    figure.savefig(picture, dpi=120)
    return table


if __name__ == "__main__":
    main()
