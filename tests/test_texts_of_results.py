"""What results with many numbers say of themselves fits on a screen, and begins with what a reader looks for."""

import numpy as np
import pytest
from least_squares import Line

import fokkerplanck as fp


def network():
    line = Line()
    return line, line.network(product=lambda w, v: line.hessian @ v)


def covariance():
    line, net = network()
    return net.stationary_covariance(line.minimum, learning_rate=0.01, batch_size=4)


def closure():
    line, net = network()
    return net.closure(line.minimum, learning_rate=0.01, batch_size=4, steps=1000)


def slice_of_a_network():
    line, net = network()
    return net.slice(line.minimum, cells=30)


def central_flow():
    loss = fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [0.0, 1.0, 3.0]})
    return fp.SGD(loss, learning_rate=0.1).central_flow(0.0, np.arange(1, 500))


def stability():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=fp.Swarm(1.0))
    return fp.stationary(eq, fp.Grid((-4, 4), 60), fp.gaussian(0, 1)).stability


SAID = {
    covariance: "StationaryCovariance in 3 of 3 directions\n  curvatures",
    closure: "Closure of 3 parameters at 1001 steps from 0 to 1000\n  loss",
    slice_of_a_network: "Slice of a Network",
    central_flow: "CentralFlow at 499 times from 1 to 499 steps\n  position   0.126883 to 1.33333",
    stability: "Stability: stable, perturbations decay at rate 0.99",
}


@pytest.mark.parametrize("ask", SAID)
def test_texts(ask):
    text = repr(ask())
    assert text.startswith(SAID[ask])
    assert len(text.splitlines()) <= 4
    assert max(map(len, text.splitlines())) <= 100
