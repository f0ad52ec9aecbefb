# %% [markdown]
# # From a landscape of your own to a verdict
#
# This page is a script with cells, `docs/tutorial.py`: run it whole (`python docs/tutorial.py`, half a minute), or cell by cell
# in an editor that knows `# %%`.
#
# The question: a loss has two minima of equal depth and equal width. SGD cannot tell them apart by the loss. Where does it end
# up, how long does it stay, and which model of SGD may be trusted with the answer?

# %% [markdown]
# ## The landscape
#
# One loss a sample. The mean over x is a symmetric double well; the samples disagree more on the right than on the left.

# %%
import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp

loss = fp.SampleLoss(
    "(w**2 - 1)**2 / 4 + x*(w + 0.15*w**2)",
    parameters=["w"],
    data={"x": [-0.9, 0.0, 0.9]},
)
grid = fp.Grid((-2.2, 2.2), 800)
w = grid.centers[0]


def share_left(result):
    """Probability of w < 0."""
    return float(result.masses[..., w < 0].sum())


# %% [markdown]
# ## The equation
#
# SGD with learning rate eta and batches of B is, to first order, dX = mu dt + sqrt(2 D) dW with time in steps,
# mu = -eta grad L and D = eta^2 Sigma / (2 B), where Sigma is the covariance of the per-sample gradients. Both are functions
# that can be looked at.

# %%
sgd = fp.SGD(loss, learning_rate=0.2, batch_size=1)
equation = sgd.equation()
print(equation)

landscape, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for x, line in zip((-0.9, 0.0, 0.9), (":", "-", "--"), strict=True):
    left.plot(w, (w**2 - 1) ** 2 / 4 + x * (w + 0.15 * w**2), line, label=f"x = {x}")
left.set(xlabel="w", ylabel="loss of a sample")
left.legend()
right.plot(w, sgd.diffusion(w), label="diffusion D")
right.plot(w, equation.noise_induced_drift(grid)[0], "--", label="noise-induced drift -D'")
right.axhline(0.0, color="0.7", lw=0.8)
right.set(xlabel="w", ylabel="per step")
right.legend()
landscape.savefig("tutorial_landscape.png", dpi=130)

# %% [markdown]
# ## The density moves
#
# From the right-hand minimum. `solve` answers with densities at the asked steps, and `stats` says how accurate they are.

# %%
start, steps = fp.gaussian(1.0, 0.05), [10, 100, 1000, 10_000]
solution = fp.solve(equation, grid, start, steps)
print(solution)
for step, mass in zip(steps, solution.masses, strict=True):
    print(f"after {step:6d} steps: {mass[w < 0].sum():.4f} on the left")
print("lost mass:", solution.stats["mass_error"], " smallest density:", solution.stats["min_density"])

# %% [markdown]
# ## Against SGD itself
#
# 20,000 runs of the real thing from the same start, and a table with errors in units of the sampling error (z).

# %%
paths = sgd.simulate(start, steps, n_paths=20_000, seed=1)
print(fp.compare({"first-order": solution, "SGD": paths}, reference="SGD", distances=[]))
densities = solution.plot(paths)
densities.savefig("tutorial_density.png", dpi=130)
densities

# %% [markdown]
# Behind each moment stands its error: of SGD by sampling, of the equation by its grid, as `largest_error` says. `two_time` is
# the covariance of paths between the first time and this one, which no density has. `z_mean` is the difference of the means in
# standard errors, of which 3 are hardly chance: the equation is near, and 20,000 runs see that it is not SGD. W1 is how far
# probability has to be moved on the mean to make one law of the other, in units of w.
#
# The teeth in the histogram of SGD are no sampling error: with three samples to draw from, the true density is a comb, and the
# diffusion smooths it. Means and shares of the wells are what it can be asked for.

# %% [markdown]
# ## Where it ends up
#
# The side with less noise wins: in a stationary state as much leaves as arrives, and where the noise is small little leaves.
# How much depends on the stochastic convention, that is on where in a step the noise is evaluated; SGD draws its
# mini-batch before it moves, so it is Ito. The exact operator pushes the density through the three update maps of SGD and
# assumes no diffusion.

# %%
exact = sgd.transfer_operator(grid)
print(f"\nstationary share of the left well; transfer operator ({exact.kind}): {share_left(exact.stationary()):.4f}")
for convention in ("ito", "stratonovich", "klimontovich"):
    at_rest = fp.stationary(sgd.equation(convention=convention), grid)
    print(f"    first-order, {convention:13s} {share_left(at_rest):.4f}")
uniform_noise = sgd.equation("langevin", temperature=0.2 * 0.27)  # learning rate times half the mean of x**2
print(f"    langevin (uniform noise)   {share_left(fp.stationary(uniform_noise, grid)):.4f}")

# %% [markdown]
# ## How long it stays
#
# Mean numbers of steps to the other side, from linear solves: rare escapes cost no more than frequent ones. They do need finer
# cells: on the 800 above, a warning says that the rarest is 27 % off.

# %%
rates, fine = np.geomspace(0.05, 0.4, 7), fp.Grid((-2.2, 2.2), 3200)
escapes: dict[str, list[float]] = {"exact, right to left": [], "first-order, right to left": []}
escapes |= {"exact, left to right": [], "first-order, left to right": []}
for rate in rates:
    here = fp.SGD(loss, learning_rate=rate)
    for way, start_at, target in (("right to left", 1.0, lambda w: w < 0), ("left to right", -1.0, lambda w: w > 0)):
        escapes[f"exact, {way}"].append(here.transfer_operator(fine).first_passage(target).at(start_at))
        escapes[f"first-order, {way}"].append(fp.first_passage(here.equation(), fine, target).at(start_at))

picture, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for (name, times), line in zip(escapes.items(), ("k-", "k--", "C0-", "C0--"), strict=True):
    axes.loglog(rates, times, line, label=name)
axes.set(xlabel="learning rate", ylabel="mean escape time [steps]")
axes.set_xticks([0.05, 0.1, 0.2, 0.4], ["0.05", "0.1", "0.2", "0.4"])
axes.minorticks_off()
axes.legend()
picture.savefig("tutorial_escape.png", dpi=130)

# %% [markdown]
# ## The verdict
#
# The diffusion finds the right well, and the right order of magnitude where escapes are frequent. It leaves the well with less
# noise too early, the more so the rarer the escape: the noise of a step is bounded by the data, and its Gaussian tail is not.

# %%
for rate, ours, model in zip(
    rates, escapes["exact, left to right"], escapes["first-order, left to right"], strict=True
):
    print(
        f"learning rate {rate:.3f}: SGD stays {ours:10.4g} steps, the diffusion {model:10.4g}: {ours / model:6.2f} times"
    )

# %% [markdown]
# Simulation agrees with the operator where it can keep up.

# %%
mc = sgd.simulate(1.0, target="w < 0", max_steps=100_000, n_paths=4000, seed=2).exit_times
error = mc.std() / np.sqrt(mc.size)
computed = exact.first_passage(lambda w: w < 0).at(1.0)
print(f"\nright to left at 0.2: {mc.mean():.1f} +- {error:.1f} simulated, {computed:.1f} computed")
assert abs(mc.mean() - computed) < 4 * error
