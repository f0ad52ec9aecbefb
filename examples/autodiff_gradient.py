"""A loss known by its gradient: a small network, differentiated by JAX or PyTorch where there is one.

The unit y = tanh(w x) + v is fitted to four points. `from_gradient` wants the gradient of one sample's loss for many
independent pairs of a point and a sample; automatic differentiation of the sum over all pairs gives just that, as each
pair enters one term. Without a framework the same gradient is written out by hand, and says so.
"""

import importlib.util

import numpy as np

import fokkerplanck as fp

DATA = {"x": np.array([-1.0, -0.3, 0.4, 1.2]), "y": np.array([-0.9, 0.1, 0.2, 1.0])}
STEPS = [5, 40]


def by_jax():
    """Gradient by JAX, in double precision."""
    import jax

    jax.config.update("jax_enable_x64", True)

    def total(theta, x, y):
        return ((jax.numpy.tanh(theta[0] * x) + theta[1] - y) ** 2).sum() / 2

    slope = jax.jit(jax.grad(total))
    return lambda theta, sample: np.asarray(slope(theta, sample["x"], sample["y"]))


def by_torch():
    """Gradient by PyTorch."""
    import torch

    def grad(theta, sample):
        w = torch.tensor(theta, requires_grad=True)
        x, y = torch.as_tensor(sample["x"]), torch.as_tensor(sample["y"])
        (((torch.tanh(w[0] * x) + w[1] - y) ** 2).sum() / 2).backward()
        return w.grad.numpy()

    return grad


def by_hand(theta, sample):
    """The same without a framework."""
    bend = np.tanh(theta[0] * sample["x"])
    miss = bend + theta[1] - sample["y"]
    return np.stack([miss * (1.0 - bend**2) * sample["x"], miss])


def main(framework=None, cells=80, n_paths=5000):
    """Solve with the gradient of a framework ("jax", "torch" or "none"; default: what is installed); return the table."""
    installed = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]
    framework = framework or (installed or ["none"])[0]
    print(f"gradient by {framework}" if framework != "none" else "no jax and no torch here: gradient written by hand")
    grad = {"jax": by_jax, "torch": by_torch, "none": lambda: by_hand}[framework]()
    loss = fp.SampleLoss.from_gradient(grad, DATA, parameters=["w", "v"])
    sgd = fp.SGD(loss, learning_rate=0.5)
    grid, start = fp.Grid([(-0.5, 2.5), (-1, 1)], [cells, cells]), fp.gaussian([0.5, 0.5], 0.1)
    exact = sgd.transfer_operator(grid).evolve(start, STEPS)
    density = fp.solve(sgd.equation(), grid, start, STEPS)
    paths = sgd.simulate(start, STEPS, n_paths=n_paths, seed=0)
    table = fp.compare({"exact": exact, "first-order": density, "SGD": paths}, distances=["KL"])
    print(table)
    return table


if __name__ == "__main__":
    main()
