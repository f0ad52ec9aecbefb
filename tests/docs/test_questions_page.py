"""Questions that people ask: each answer of the page beside a value known by other means."""

import re

import numpy as np
import pytest
from paths import ROOT
from scipy import special, stats
from scipy.integrate import quad

import fokkerplanck as fp

TEXT = (ROOT / "docs" / "howto" / "questions.md").read_text(encoding="utf-8")
PAGE = dict(re.findall(r"^## (.+?)\n.*?```python\n(.*?)```", TEXT, flags=re.S | re.M))


def gibbs_variance():
    x = np.linspace(-6, 6, 4001)
    p = np.exp(-(x**2) - 3 * np.cos(x))
    return (x**2 * p).sum() / p.sum()


def square_root_law():
    """The transition law of dX = k (th - X) dt + s sqrt(X) dW is a noncentral chi-square (Cox, Ingersoll, Ross 1985)."""
    scale = 4 / (0.36 * (1 - np.exp(-1.0)))
    return stats.ncx2.cdf(0.05 * scale, 4 * 0.1 / 0.36, 0.2 * np.exp(-1.0) * scale)


def siegert():
    ends = -0.8 / np.sqrt(0.2), 0.2 / np.sqrt(0.2)
    return 1 / (0.1 + np.sqrt(np.pi) * quad(lambda z: special.erfcx(-z), *ends)[0])


def lognormal_quantile():
    return np.exp(30 * (0.05 - 0.045) + 0.3 * np.sqrt(30) * stats.norm.ppf(0.99))


def variance_of_sgd():
    return 0.3 * np.random.default_rng(0).normal(size=50).var() / (5 * (2 - 0.3))


def variance_of_sgld():
    """(1 - eta)^2 V + eta^2 var / 5 + 2 eta / 20 = V, over 1/20."""
    x = np.random.default_rng(0).normal(1.0, 1.0, size=20)
    return 20 * (0.01 * x.var() / 5 + 0.2 / 20) / (1 - 0.81)


def heston_call(kappa=2.0, level=0.1, s=0.8, rho=-0.7, v=0.1, t=1.0):
    """Lewis (2000): 1 - (1 / pi) int Re phi(u - i/2) / (u^2 + 1/4) du, phi the characteristic function of the log price."""

    def phi(u):
        b = kappa - rho * s * 1j * u
        d = np.sqrt(b**2 + s**2 * (1j * u + u**2))
        g = (b - d) / (b + d)
        decay = np.exp(-d * t)
        grown = kappa * level / s**2 * ((b - d) * t - 2 * np.log((1 - g * decay) / (1 - g)))
        return np.exp(grown + v / s**2 * (b - d) * (1 - decay) / (1 - g * decay))

    return 1 - quad(lambda u: (phi(u - 0.5j) / (u**2 + 0.25)).real, 0, 200, limit=500)[0] / np.pi


def ruin(mu=-0.9, d=0.1, lam=1.0, eta=1.25, top=5.0, x=4.0):
    """Kou and Wang (2003): exponentials of the roots of d b + mu + lam / (eta - b), with one condition for the overshoot."""
    b = np.append(0.0, np.roots([-d, d * eta - mu, mu * eta + lam]).real)
    rows = np.array([np.ones(3), np.exp(b * top), eta / (eta - b) * np.exp(b * top)])
    return np.exp(b * x) @ np.linalg.solve(rows, [0.0, 1.0, 1.0])


def turnover(barrier=10.0, well=2**0.5, top=1.0, action=4 / 3):
    """Melnikov and Meshkov (1986), for high barriers: the rate of Kramers times what weak friction leaves of it."""

    def share(delta):
        ends = quad(lambda u: np.log(1 - np.exp(-delta * (u**2 + 0.25))) / (u**2 + 0.25), -50, 50, limit=500)[0]
        return np.exp(ends / (2 * np.pi))

    g = np.array([0.05, 0.2, 1.0, 5.0])
    spatial = (np.sqrt(g**2 / 4 + top**2) - g / 2) / top * well / (2 * np.pi) * np.exp(-barrier)
    return spatial * [share(f * action * 4 * barrier) ** 2 / share(2 * f * action * 4 * barrier) for f in g]


RIGHT = {  # the first words of a question: the right value, the relative tolerance
    "A second-order equation": (gibbs_variance, 0.02),
    "What leaves an interval": (0.3 * 0.7 / 2, 1e-6),
    "A force so strong": (1 / 200, 1e-6),
    "A periodic drift": (0.731768, 3e-4),  # 3200 cells
    "Evidence that accumulates": (
        np.array([0.2209, 0.0131, 0.7025]),
        0.04,
    ),  # simulated with bridges between the steps, .2209(10), .0131(3), .7025(10)
    "Which of two bounds": ((1 - np.exp(-1.4 * 1.2)) / (1 - np.exp(-1.4 * 2.5)), 1e-4),
    "A square-root process": (square_root_law, 3e-4),
    "Leaving a basin": (144.5, 0.025),  # simulated, 144.5(18)
    "Escape of a particle": (turnover, 0.06),  # the formula is off by some T over the barrier
    "Geometric Brownian": (lognormal_quantile, 1e-3),
    "Noise that is switched on": (0.5 + (0.1 + 0.15 * np.exp(-2.0) - 0.5) * np.exp(-2.0), 2e-4),
    "Stochastic resonance": (0.03785, 0.02),  # linear response by the fluctuation-dissipation theorem
    "How long Levy flights": (1 / special.gamma(2.5), 2e-3),  # Getoor 1961
    "Ruin by claims": (ruin, 2e-3),
    "Fixation by drift": ([0.3, -2 * (0.3 * np.log(0.3) + 0.7 * np.log(0.7))], 5e-5),  # Crow and Kimura 1970
    "A collision operator": (2 * np.sqrt(2 / np.pi), 1e-4),
    "Births and deaths": (50.0, 1e-3),
    "Firing rate": (siegert, 1e-4),
    "How regular": (0.1713, 0.02),  # simulated, .1713(12)
    "A well that moves": (0.1 + (0.09 - 0.1) * np.exp(-6.0), 0.02),
    "A tilted washboard": (0.7070418, 3e-4),  # the double integrals of Reimann et al. 2001
    "A process of constant elasticity": (np.exp(-1.0), 2e-3),  # Feller 1951
    "A population": (0.0190, 0.06),  # simulated, .0190(4)
    "Time scales": (np.array([0.834033, 0.126767, 0.065098]), 3e-4),  # 3200 cells
    "The stationary variance of SGD": (variance_of_sgd, 0.01),
    "Noise on one of two": (2.168, 0.03),  # simulated, 2.168(22)
    "A call option": (heston_call, 0.005),
    "How much too wide": (variance_of_sgld, 1e-3),
    "An active particle": (0.1 + 0.5 / 1.5, 5e-4),  # D / k + v^2 / (2 k (k + D_a))
    "Noise along circles": (1 + 2 * 0.15**2, 1e-5),
    "A rotation without": (0.09, 0.05),  # 5 deviations of 20 000 paths
    "Collisions that conserve": (np.array([-1.0, 2.5, stats.norm.cdf(1 / np.sqrt(2.5))]), 1e-4),
}


def lines(code):
    return len([line for line in code.splitlines() if line.strip()])


def test_page_and_values_fit():
    table = dict(re.findall(r"^\| (.+?) \| (\d+) \|$", TEXT, flags=re.M))
    assert {title: lines(code) for title, code in PAGE.items()} == {title: int(count) for title, count in table.items()}
    assert len(PAGE) == len(RIGHT) == len(re.findall(r"^## ", TEXT, flags=re.M))
    assert all(lines(code) <= 5 for code in PAGE.values())


@pytest.mark.filterwarnings("ignore:the error of the density")  # of first order, where noise is missing along an axis
@pytest.mark.parametrize("question", RIGHT)
def test_answer(question):
    (code,) = [text for title, text in PAGE.items() if title.startswith(question)]
    names = {"fp": fp, "np": np, "stats": stats}
    exec(code, names)  # our own text
    right, tolerance = RIGHT[question]
    assert np.squeeze(names["answer"]) == pytest.approx(right() if callable(right) else right, rel=tolerance)
