"""The tutorial on networks runs as it stands, and what it concludes follows from its numbers."""

import matplotlib as mpl
import numpy as np
import pytest
from paths import ROOT

pytest.importorskip("jax")

import fokkerplanck as fp


@pytest.mark.filterwarnings("ignore::fokkerplanck.GridErrorWarning")  # it says so
def test_the_tutorial_runs(tmp_path, monkeypatch):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec((ROOT / "docs" / "tutorial_network.py").read_text(encoding="utf-8"), names)  # our own text
    assert len(list(tmp_path.glob("tutorial_network_*.png"))) == 2

    # ln loss has memory, the displacement shows none
    assert fp.markov_test(names["loss"]).p_values.min() < 0.05
    assert fp.markov_test(names["along"]).p_values.min() > 0.05

    # noise where runs have been exceeds that at theta, and the spline's grows with the displacement
    assert names["noise_there"] > 1.1 * names["noise_along"](names["theta"])
    low, high = names["spline"].interval(np.array([-0.2, 0.2]))["diffusion"]
    assert high[0] < low[1]

    ranking = names["ranking"]
    assert {"spline", "family"} <= set(ranking.best)
    assert ranking.order[-3:] == ("built along runs", "built at theta", "isotropic noise")
    assert ranking.deficits["isotropic noise"] > 6.0 > 0.1 > ranking.deficits["built at theta"]

    verdict = names["verdict"]
    assert verdict.believed_until == 3000
    assert verdict.drift_share.min() > 0.95
    assert verdict.confined_mean_error[-1] > 0.5 * verdict.mean_error[-1] > 0.25
