"""A least-squares line through points in numpy functions: every quantity has a closed form."""

import numpy as np

import fokkerplanck.networks as fn


class Line:
    """l_i(w) = (w . x_i - y_i)^2 / 2 with n points in dim dimensions."""

    def __init__(self, n=12, dim=3, seed=5):
        rng = np.random.default_rng(seed)
        self.x, self.y = rng.standard_normal((n, dim)), rng.standard_normal(n)
        self.hessian = self.x.T @ self.x / n
        self.minimum = np.linalg.solve(self.hessian, self.x.T @ self.y / n)

    def errors(self, w):
        return self.x @ w - self.y

    def noise(self, w):
        """Covariance of the per-sample gradients."""
        return np.cov(self.errors(w)[:, None] * self.x, rowvar=False, bias=True)

    def network(self, params=None, product=None):
        start = np.zeros(self.x.shape[1]) if params is None else params
        return fn.Network.from_functions(
            lambda w, p: (p * self.errors(w)) @ self.x, lambda w: 0.5 * self.errors(w) ** 2, product, params=start
        )

    def jax_network(self, params=None, **options):
        start = np.zeros(self.x.shape[1]) if params is None else params
        return fn.Network(
            lambda w, xy: 0.5 * (w @ xy[0] - xy[1]) ** 2,
            start,
            (self.x, self.y),
            **({"precision": "float64"} | options),
        )
