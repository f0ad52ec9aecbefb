# %% [markdown]
# # A network of your own: from training runs to a verdict
#
# This page is a script with cells, `docs/tutorial_network.py`: run it whole (a minute; needs `fokkerplanck[networks]`), or
# cell by cell in an editor that knows `# %%`.
#
# The question: a network has come down into a valley, and SGD goes on. Which stochastic equation do the runs follow there,
# for which number, and up to when is a plane through the valley believed?

# %% [markdown]
# ## The network
#
# The handwritten digits of scikit-learn, a perceptron 64-16-10 of tanh with cross-entropy: 1210 parameters, 1797 images.
# Gradient descent takes it down first.

# %%
import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp
import fokkerplanck.networks as fn

net = fn.digits(16)
down = net.train([0, 1500], n_runs=1, learning_rate=1.0, noise="flow")
theta = down.final[0]
print(net)
print(f"loss {down.loss[-1, 0]:.4f};", fn.saddle_index(net, theta))

# %% [markdown]
# No negative curvature is seen above the floor of the count, but many directions are nearly flat: a valley, along which SGD
# will go on. A sixth of the noise is along one direction of 1210, the stiffest:

# %%
rate, batch = 0.1, 32
stiff = fn.extreme_eigenpairs(net, theta, 1, "highest")
stiffest, curvature = stiff.vectors[:, -1], stiff.values[-1]


def noise_along(place):
    """Variance of the batch gradient along the stiffest direction."""
    return net.slopes(place, stiffest[:, None]).var() / batch


noise = fn.gradient_noise(net, theta, batch)
print(f"eta lambda = {rate * curvature:.3f}; share of the noise along it: {noise_along(theta) / noise.trace:.2f}")

# %% [markdown]
# ## The runs
#
# 96 runs of SGD from here, recorded at every step. Two numbers to follow: the logarithm of the loss, as everybody plots it,
# and the displacement along the stiffest direction. After 50 steps both are as if stationary.

# %%
runs = net.train(np.arange(401), n_runs=96, learning_rate=rate, batch_size=batch, seed=0, starts=theta, keep=96)
settled = slice(50, None)
loss = fp.Paths(np.log(runs.loss[settled].T))
along = ((runs.kept - theta) @ stiffest)[settled].T  # (runs, steps)
print(fp.homogeneity_test(along))

# %% [markdown]
# ## Is it Markov?
#
# Without that there is no equation for it.

# %%
print("ln loss:", fp.markov_test(loss), "", "along the stiffest direction:", fp.markov_test(along), sep="\n")

# %% [markdown]
# The loss fails at all lags (p = .0005, the least that the test can give): at equal loss, what comes depends on what was. No
# Fokker-Planck equation of ln loss can have that. The displacement passes: these runs show no memory of it, which is not to
# say that there is none. This is one seed. With four others the p of the three lags was .0005 each time for the loss, and
# .08 to .99 for the displacement.

# %% [markdown]
# ## Fits
#
# Half of the runs for fits, the others for judgment. A lag of 10 steps: the batches draw from gradients with a kurtosis of 76
# along this direction, and a single step is far from Gaussian. First a family, of three parameters, then any drift and
# diffusion.

# %%
fitted_to, judged_by, lag = along[:48], along[48:], 10


def relaxation(k, m, D):
    """Towards m at the rate k, with constant noise."""
    return fp.FokkerPlanck(drift=lambda x: -k * (x - m), diffusion=D)


family = fp.fit(fitted_to, relaxation, start={"k": 0.1, "m": 0.0, "D": 0.001}, lag=lag)
spline = fp.fit(fitted_to, lag=lag)
print(family.report())

# %% [markdown]
# The report says that runs differ, most in D (p = .019; with four other seeds .007, .035, .56 and .82): with one constant D,
# some runs have more noise than others by more than chance explains. The errors that it gives are taken over runs, and so hold.

# %% [markdown]
# ## Equations that are built
#
# Nothing fitted: the curvature lambda and the noise s along the direction give the recursion x' = (1 - eta lambda) x + noise
# of variance eta^2 s, and one diffusion has the same law at whole steps. Once with lambda and s at the one point theta; once
# averaged over places where runs have been; and once with noise of the same trace in all 1210 directions.


# %%
def built(curvature, variance):
    """The diffusion that agrees with the recursion in mean and variance at whole steps."""
    keep = 1.0 - rate * curvature
    k = -np.log(keep)
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=rate**2 * variance * k / (1.0 - keep**2))


visited = runs.kept[50::50, :48:8].reshape(-1, theta.size)
curvature_there = np.mean([stiffest @ net.hessian_product(place, stiffest) for place in visited])
noise_there = np.mean([noise_along(place) for place in visited])
print(f"at theta:   curvature {curvature:.3f}, noise {noise_along(theta):.5f}")
print(f"along runs: curvature {curvature_there:.3f}, noise {noise_there:.5f}")
models = {
    "family": family,
    "spline": spline,
    "built at theta": built(curvature, noise_along(theta)),
    "built along runs": built(curvature_there, noise_there),
    "isotropic noise": built(curvature, noise.trace / theta.size),
}
ranking = fp.rank(models, judged_by, lag=lag)
print(ranking)

# %% [markdown]
# Isotropic noise is out, by 8.6 in ln L a transition: it has a 210th of the noise where it matters. The four others are not
# told apart, and two of them have nothing fitted. With four other seeds the family, the spline and the equation built at theta
# were in the best set three times, and that built along the runs, where the noise is 3 to 6 % larger than at theta, each time.

# %%
picture, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
for one in along[:6]:
    left.plot(np.arange(50, 401), one, lw=0.7)
spread = np.sqrt(rate**2 * noise_there / (1.0 - (1.0 - rate * curvature_there) ** 2))
left.axhspan(-2 * spread, 2 * spread, color="0.85", zorder=0, label="built along runs, two deviations")
left.set(xlabel="step", ylabel="displacement along the stiffest direction")
left.legend(loc="upper right", fontsize="small")
x = np.linspace(*np.quantile(along, [0.005, 0.995]), 100)
low, high = spline.interval(x)["diffusion"]
right.fill_between(x, low, high, alpha=0.3, label="spline, 95 %")
for name, line in (("family", "C1-"), ("built along runs", "C2--"), ("built at theta", "C3:")):
    equation = family.equation if name == "family" else models[name]
    right.plot(x[[0, -1]], [equation.diffusion] * 2, line, label=name)
right.set(xlabel="displacement", ylabel="diffusion per step", ylim=(0, None))
right.legend(fontsize="small")
picture.savefig("tutorial_network_fit.png", dpi=130)

# %% [markdown]
# The spline may have any diffusion, and needs none but a constant: a constant lies within its band.

# %% [markdown]
# ## A plane, and its verdict
#
# The two stiffest directions, with drift and noise measured on cells, against the same training for longer.

# %%
steps = [3, 10, 30, 100, 300, 1000, 3000, 10_000, 20_000]
longer = net.train([0, *steps], n_runs=96, learning_rate=rate, batch_size=batch, seed=0, starts=theta, keep=96)
cut = net.slice(theta, plane="hessian", runs=longer, cells=48)
solution = fp.solve(cut.equation(rate, batch), cut.grid, fp.gaussian([0.0, 0.0], 0.003), steps)
verdict = cut.verdict(solution, longer)
print(verdict)

# %% [markdown]
# Errors of means are in standard deviations of the runs; a spread of 1.4 is a standard deviation that is off by that factor.
# Only two thirds of the drift and two fifths of the noise lie in the plane, and yet the equation holds for long: what leaves
# the plane hardly changes curvature and noise in it. Until step 3000 the means agree within .23 and the spreads within a third.
# Then the runs go on down the valley, from a loss of .0079 to .0027, where gradients are smaller, and their noise shrinks; in
# the plane it stays. After 20,000 steps SGD that is confined to the plane is off itself, and no finer grid would mend that.
# With four other seeds the slice was believed until the same step 10,000, with spreads 1.5 to 1.6 times too wide there.

# %%
heights = np.array([0.01, 0.03, 0.1, 0.3, 0.6, 1.0])
map_of_plane, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained", sharey=True)
for axis, step in zip(axes, (1000, 20_000), strict=True):
    density = solution.density[steps.index(step)]
    axis.contourf(*cut.grid.centers, density.T, levels=density.max() * heights, cmap="Blues")
    axis.plot(*cut.project(longer.kept[1 + steps.index(step)]).T, "k.", ms=3)
    axis.set(title=f"step {step}", xlabel="along the stiffest direction")
axes[0].set_ylabel("along the next")
map_of_plane.savefig("tutorial_network_plane.png", dpi=130)

# %% [markdown]
# ## The verdict
#
# For this network in this valley: an equation of ln loss is refused. The displacement along the stiffest direction follows a
# linear relaxation with constant noise at a lag of 10 steps, and curvature and noise that are measured, with nothing fitted,
# give it; isotropic noise is wrong beyond doubt. The equation on the plane of the two stiffest directions may be asked for
# means and spreads up to some 3000 steps, and for means up to 10,000. None of this says anything of other networks, or of how
# SGD came here.
