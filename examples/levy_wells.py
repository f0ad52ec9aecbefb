"""Levy flights between two wells: escape depends on the width of a well, not on its depth.

V = k (x^4/4 - x^3/3 - x^2) has a narrow, shallow well at -1 and a wide, deep one at 2, with the barrier at 0. Gaussian noise
climbs: the mean escape time grows exponentially as the noise falls. Levy noise jumps: one jump longer than the distance d
to the barrier is enough, which takes a d^a / (C s^a) on average (Ditlevsen 1999), a power law in the scale s.
"""

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.fractional_laplacian import jump_constant

STIFFNESS, STABILITY = 2.0, 1.5
WELLS = {"narrow well, d = 1": (-1.0, lambda x: x > 0), "wide well, d = 2": (2.0, lambda x: x < 0)}
LEVY_SCALES, GAUSS_SCALES = np.geomspace(0.02, 1.0, 9), np.geomspace(0.55, 1.6, 9)


def potential(x):
    """Two wells of unequal width and depth."""
    return STIFFNESS * (x**4 / 4 - x**3 / 3 - x**2)


def levy(s):
    """Levy noise of scale s."""
    return fp.FokkerPlanck(potential=potential, jumps=fp.LevyJumps(STABILITY, float(s)))


def gauss(s):
    """Gaussian noise of the same form: width s sqrt(t) for s t^(1/a)."""
    return fp.FokkerPlanck(potential=potential, diffusion=float(s) ** 2)


def main(cells=600, n_paths=1000, picture="levy_wells.png"):
    """Escape times against noise strength for both kinds of noise; returns them by well."""
    grid = fp.Grid((-3.0, 4.0), cells)
    times, figure = {}, Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for color, mark, (name, (start, target)) in zip(("tab:blue", "tab:red"), "os", WELLS.items(), strict=True):
        # solve
        jumping = [float(fp.first_passage(levy(s), grid, target).at(start)) for s in LEVY_SCALES]
        climbing = [float(fp.first_passage(gauss(s), grid, target).at(start)) for s in GAUSS_SCALES]
        times[name] = np.array(jumping), np.array(climbing)

        # check: the power law, and true paths at the largest scale but one
        law = STABILITY * abs(start) ** STABILITY / jump_constant(STABILITY, 1) / LEVY_SCALES**STABILITY
        paths = fp.simulate(levy(LEVY_SCALES[-2]), start, [40 * jumping[-2]], dt=5e-3, n_paths=n_paths, target=target)
        slope = np.polyfit(np.log(LEVY_SCALES[:5]), np.log(jumping[:5]), 1)[0]
        print(f"{name}: T ~ s^{slope:.3f}, {jumping[0] / law[0]:.3f} of the power law at s = {LEVY_SCALES[0]:g};")
        print(f"  at s = {LEVY_SCALES[-2]:.3f} {jumping[-2]:.3f}, paths {paths.exit_times.mean():.3f}")

        # plot
        right.loglog(LEVY_SCALES, jumping, mark + "-", color=color, label=f"Levy, {name}")
        right.loglog(LEVY_SCALES, law, ":", color=color)
        right.loglog(GAUSS_SCALES, climbing, mark + "--", mfc="w", color=color, label=f"Gaussian, {name}")
    right.plot([], [], "k:", label=r"$a\,d^a / (C s^a)$")
    right.set(xlabel="noise strength s", ylabel="mean escape time", ylim=(0.3, None))
    left.plot(x := grid.centers[0], potential(x), color="0.6")
    left.set(xlabel="x", ylabel="V", ylim=(-6, 6), title="Levy noise favours the wide well, whatever its depth")
    density = left.twinx()
    density.plot(x, fp.stationary(levy(0.2), grid).density, color="tab:purple", label="Levy, s = 0.2")
    density.plot(x, fp.stationary(gauss(1.0), grid).density, "--", color="tab:green", label="Gaussian, s = 1")
    density.set(ylabel="stationary density", ylim=(-0.4, 9.8))
    density.legend(loc="upper center"), right.legend()
    figure.savefig(picture, dpi=120)
    return times


if __name__ == "__main__":
    main()
