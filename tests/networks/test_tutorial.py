"""The tutorial on networks runs as it stands, and what it concludes follows from its numbers."""

import matplotlib as mpl
import numpy as np
import pytest
from paths import ROOT

pytest.importorskip("jax")
pytest.importorskip("sklearn")

import fokkerplanck as fp


def test_the_tutorial_runs(tmp_path, monkeypatch):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec((ROOT / "docs" / "tutorial_network.py").read_text(encoding="utf-8"), names)  # our own text
    assert len(list(tmp_path.glob("tutorial_network_*.png"))) == 2

    # ln loss has memory at every lag, the displacement shows none
    assert fp.markov_test(names["loss"]).p_values.max() < 0.001
    assert fp.markov_test(names["along"]).p_values.min() > 0.05

    # a sixth of the noise lies along the stiffest direction, 210 times as much as of isotropic noise; steps are not Gaussian
    theta, noise = names["theta"], names["noise"]
    assert names["noise_along"](theta) / noise.trace == pytest.approx(1 / 6, rel=0.1)
    assert names["noise_along"](theta) / (noise.trace / theta.size) == pytest.approx(210, rel=0.1)
    slopes = names["net"].slopes(theta, names["stiffest"][:, None])
    assert ((slopes - slopes.mean()) ** 4).mean() / slopes.var() ** 2 == pytest.approx(76, rel=0.1)

    # noise where runs have been exceeds that at theta a little, and a constant lies within the spline's band
    assert 1.02 < names["noise_there"] / names["noise_along"](theta) < 1.07
    low, high = names["spline"].interval(np.linspace(-0.025, 0.025, 11))["diffusion"]
    assert low.max() < high.min()

    ranking = names["ranking"]
    assert set(ranking.best) == {"family", "spline", "built at theta", "built along runs"}
    assert ranking.order[-1] == "isotropic noise"
    assert ranking.deficits["isotropic noise"] == pytest.approx(8.6, abs=0.3)

    verdict, loss = names["verdict"], names["longer"].loss.mean(axis=1)
    assert verdict.believed_until == 10_000
    until = verdict.steps <= 3000
    assert verdict.mean_error[until].max() < 0.23
    assert verdict.spread_ratio[until].max() < 1.34
    assert verdict.confined_mean_error[-1] > 0.5
    assert verdict.confined_spread_ratio[-1] > 1.5
    assert verdict.drift_share.mean() == pytest.approx(2 / 3, abs=0.08)
    assert verdict.noise_share.mean() == pytest.approx(0.4, abs=0.05)
    assert (round(loss[0], 4), round(loss[-1], 4)) == (0.0079, 0.0027)
