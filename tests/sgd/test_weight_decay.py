"""Weight decay is the term lambda |theta|^2 / 2 in every sample: the same numbers as with the term in the formula."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import fokkerplanck as fp

DECAY = 0.3
WELLS = "(w**2 - 1)**2 / 4 + x*w"
DATA = {"x": [-0.9, 0.1, 1.0]}
POINTS = np.linspace(-2, 2, 9)
GRID = fp.Grid((-2, 2), 200)


def by_python(decay=0.0):
    return fp.SampleLoss.from_gradient(
        lambda theta, s: theta[0] ** 3 - theta[0] + s["x"] + decay * theta[0],
        DATA,
        ["w"],
        loss=lambda theta, s: (theta[0] ** 2 - 1) ** 2 / 4 + s["x"] * theta[0],
        hessian=lambda theta, s: 3 * theta[0] ** 2 - 1,
    )


def written(python=False, **settings):
    loss = by_python(DECAY) if python else fp.SampleLoss(f"{WELLS} + {DECAY}/2*w**2", ["w"], DATA)
    return fp.SGD(loss, 0.1, **settings)


def decayed(python=False, **settings):
    loss = by_python() if python else fp.SampleLoss(WELLS, ["w"], DATA)
    return fp.SGD(loss, 0.1, weight_decay=DECAY, **settings)


@pytest.mark.parametrize("python", [False, True])
def test_value_gradient_and_noise(python):
    one, other = decayed(python).loss, written().loss
    for name in ("value", "gradient", "hessian", "covariance", "curvature"):
        np.testing.assert_allclose(getattr(one, name)(POINTS), getattr(other, name)(POINTS), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("model", ["first-order", "second-order", "langevin"])
@pytest.mark.parametrize("python", [False, True])
def test_equations(python, model):
    settings = {"temperature": 0.05} if model == "langevin" else {}
    one, other = (fp.stationary(s.equation(model, **settings), GRID) for s in (decayed(python), written()))
    np.testing.assert_allclose(one.density, other.density, rtol=1e-8, atol=1e-10)
    without = fp.stationary(fp.SGD(by_python(), 0.1).equation(model, **settings), GRID)
    assert np.abs(without.density - one.density).max() > 0.1


@pytest.mark.parametrize("settings", [{}, {"batch_size": 2, "shuffle": True}])
@pytest.mark.parametrize("python", [False, True])
def test_operators(python, settings):
    one, other = (s.transfer_operator(GRID).matrix for s in (decayed(python, **settings), written(**settings)))
    assert abs(one - other).max() < 1e-12
    plain = fp.SGD(by_python(), 0.1, **settings).transfer_operator(GRID).matrix
    assert abs(one - plain).max() > 0.1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("python", [False, True])
def test_paths(python, momentum):
    one, other = (
        s.simulate([0.5], [10, 50], 200, seed=1).positions
        for s in (decayed(python, momentum=momentum), written(python, momentum=momentum))
    )
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)
    plain = (
        replace(decayed(python, momentum=momentum), weight_decay=0.0).simulate([0.5], [10, 50], 200, seed=1).positions
    )
    assert np.abs(plain - one).max() > 0.05


def test_a_step_by_hand():
    """theta' = theta - eta (theta^3 - theta + x + lambda theta) at theta = (0.5): x decides."""
    after = decayed().simulate([0.5], [1], 50, seed=1).positions.ravel()
    by_hand = [0.5 - 0.1 * (0.125 - 0.5 + x + DECAY * 0.5) for x in DATA["x"]]
    np.testing.assert_allclose(np.unique(after.round(12)), np.sort(by_hand), rtol=1e-12)


def test_two_parameters_decay_alike():
    for loss in (
        fp.SampleLoss("(u - x)**2 * v", ["u", "v"], DATA),
        fp.SampleLoss.from_gradient(
            lambda theta, s: [2 * (theta[0] - s["x"]) * theta[1], (theta[0] - s["x"]) ** 2], DATA, ["u", "v"]
        ),
    ):
        more = fp.SGD(loss, weight_decay=DECAY).loss.gradient(1.5, -2.0) - loss.gradient(1.5, -2.0)
        np.testing.assert_allclose(more, [1.5 * DECAY, -2.0 * DECAY], rtol=1e-13)


@pytest.mark.parametrize("python", [False, True])
def test_it_is_not_added_twice(python):
    sgd = decayed(python)
    for again in (replace(sgd, momentum=0.5), fp.SGD(sgd.loss, 0.1), pickle.loads(pickle.dumps(decayed()))):
        assert again.weight_decay == DECAY
        np.testing.assert_allclose(again.loss.gradient(2.0), sgd.loss.gradient(2.0), rtol=1e-15)
    np.testing.assert_allclose(
        replace(sgd, weight_decay=0.5).loss.gradient(2.0), sgd.loss.gradient(2.0) + 0.4, rtol=1e-14
    )
    none = replace(sgd, weight_decay=0.0)
    assert none.weight_decay == 0.0
    np.testing.assert_allclose(none.loss.gradient(2.0), sgd.loss.gradient(2.0) - 0.6, rtol=1e-14)
    assert fp.SGD(none.loss).weight_decay == 0.0
    assert sgd.loss.within([(-1, 1)]).with_weight_decay(0.0).box == ((-1.0, 1.0),)


def test_what_is_refused():
    loss = fp.SampleLoss(WELLS, ["w"], DATA)
    with pytest.raises(ValueError, match=r"`weight_decay` must be at least 0 and finite, got -1"):
        fp.SGD(loss, weight_decay=-1)
    with pytest.raises(TypeError, match=r"`weight_decay` must be a number at least 0"):
        fp.SGD(loss, weight_decay="small")


def test_it_is_seen():
    assert "0.3/2*(w**2)" in repr(decayed())
    assert "weight_decay=0.3" in repr(decayed(python=True))
    assert "decay" not in repr(fp.SGD(by_python()))
