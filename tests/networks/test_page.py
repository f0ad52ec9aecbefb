"""The page on networks runs as it stands, and training agrees with that of deep linear networks."""

import re

import numpy as np
import pytest
from paths import ROOT

pytest.importorskip("jax")

import fokkerplanck.networks as fn
from fokkerplanck import deep_linear as dl


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning", "ignore::fokkerplanck.ModelWarning")
def test_the_page_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "networks.md").read_text(encoding="utf-8"), flags=re.S)
    assert len(blocks) >= 6
    names = {}
    for block in blocks:
        exec(block, names)  # our own text
    out = capsys.readouterr().out
    assert "Plateaus of 64 runs" in out
    assert "slice is" in out

    # what is said of degenerate minima: SGD and refined noise at the origin, Langevin by the Gibbs law
    x, y = np.meshgrid(*[np.linspace(-15, 15, 3001)] * 2)
    gibbs = np.exp(-(0.5 * (x * y) ** 2 + 0.0005 * (x**2 + y**2)) / names["temperature"])
    share = gibbs[np.hypot(x, y) < 0.3].sum() / gibbs.sum()
    assert share == pytest.approx(0.186, abs=0.002)
    assert min(names["near"]["sgd"], names["near"]["refined"]) > 0.99
    assert names["near"]["langevin"] == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("noise", ["sgd", "refined", "langevin"])
def test_half_target_steps_are_those_of_the_package(noise):
    x = np.random.default_rng(0).standard_normal((40, 4))
    deep = dl.DeepLinear((4, 6, 3), [2.0, 1.0], 0.02, 2, inputs=x)
    start = dl.small_start(1.5).draw(deep, np.random.default_rng(1))
    steps = np.arange(0, 401, 5)
    theirs = dl.train(deep, start, steps, n_runs=100, generator=noise, seed=1)
    ours = fn.linear(deep).train(steps, 100, 0.02, 2, 1, noise=noise, starts=deep.flatten(start))

    def half(loss):
        return steps[np.argmax(loss < 0.5 * loss[0], axis=0)].astype(float)

    a, b = half(ours.loss), half(theirs.loss)
    error = np.sqrt((a.var() + b.var()) / 100)
    assert abs(a.mean() - b.mean()) < 3.5 * error
    assert error < 0.1 * a.mean()
    assert 0.6 < a.std() / b.std() < 1.7
