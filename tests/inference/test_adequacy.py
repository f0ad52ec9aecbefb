"""Whether a ranking says that none of its models made the data."""

import numpy as np
import pytest
from processes import euler, ornstein_uhlenbeck

import fokkerplanck as fp


def ou(k=1.0, D=1.0):
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)


def test_a_set_without_the_truth_is_said_to_be_such():
    """The best of two wrong models stood alone in the best set, without a word."""
    data = fp.Paths(ornstein_uhlenbeck(40, 101, 0.5, seed=2), dt=0.5)
    wrong = fp.rank({"slow": ou(0.6), "loud": ou(1.0, 1.4)}, data)
    assert max(wrong.p_values.values()) < 0.001
    assert "THE FIRST DOES NOT FIT EITHER" in repr(wrong)
    right = fp.rank({"slow": ou(0.6), "truth": ou()}, data)
    assert right.p_values["truth"] > 0.01
    assert "as far as is seen" in repr(right)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("the mean step", fp.FokkerPlanck(drift=lambda x: 0.3 - x, diffusion=1.0)),
        ("the mean step by the place", ou(0.7, 0.7 * np.expm1(-0.6) / np.expm1(-0.42))),  # of the right variance
        ("the spread of the step", ou(1.0, 1.3)),
        (
            "the spread of the step by the place",
            fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.6 + 0.4 * x**2),
        ),
    ],
)
def test_what_departs_is_named(name, model):
    data = fp.Paths(ornstein_uhlenbeck(40, 201, 0.3, seed=4), dt=0.3)
    found = fp.rank({"model": model}, data)
    assert found.p_values["model"] < 0.001
    assert found.departure == name


@pytest.mark.slow
def test_the_level_on_a_line_and_in_the_plane():
    """Of 100 sets of a true model some five have p below .05; more than twelve in one of a thousand such tests."""
    seen = {"line": [], "noise": [], "plane": []}
    uneven = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.2 + 0.3 * x**2)
    for seed in range(100):
        line = fp.Paths(ornstein_uhlenbeck(10, 51, 0.5, seed=seed), dt=0.5)
        seen["line"].append(fp.rank({"a": ou()}, line).p_values["a"])
        noisy = euler(lambda x: -x, lambda x: 0.2 + 0.3 * x**2, 10, 51, 0.3, 30, seed=seed)
        seen["noise"].append(fp.rank({"a": uneven}, fp.Paths(noisy, dt=0.3)).p_values["a"])
    for seed in range(30):
        pair = np.stack([ornstein_uhlenbeck(10, 51, 0.3, seed=2 * seed + one) for one in (0, 1)], axis=-1)
        both = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=[1.0, 1.0])
        seen["plane"].append(fp.rank({"a": both}, fp.Paths(pair, dt=0.3)).p_values["a"])
    assert np.mean(np.array(seen["line"]) < 0.05) < 0.125
    assert np.mean(np.array(seen["noise"]) < 0.05) < 0.125
    assert np.mean(np.array(seen["plane"]) < 0.05) < 0.2
