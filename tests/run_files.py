"""The run files that several tests write."""


def relaxation(cells=40):
    """An equation that takes no time: an Ornstein-Uhlenbeck process from x = 1."""
    return f"""
[equation]
variables = ["x"]
drift = "-x"
diffusion = 0.5
[grid]
bounds = [-4, 4]
cells = [{cells}]
[start]
mean = 1.0
deviation = 0.3
[output]
times = [0.5, 1]
"""


def two_datapoints(
    title="Quadratic",
    loss="(w - x)**2",
    rate="learning_rate = 0.05",
    bounds="[-1, 2]",
    cells="200",
    paths="paths = 2000\nseed = 3",
):
    """SGD on a quadratic loss of the two data points 0 and 1, each part as it stands in the file."""
    return f"""
title = "{title}"
[landscape]
loss = "{loss}"
parameters = ["w"]
data = {{ x = [0, 1] }}
[sgd]
{rate}
[grid]
bounds = {bounds}
cells = {cells}
[start]
mean = 0.2
deviation = 0.1
[output]
times = [1, 20]
[simulation]
{paths}
"""


def turning(cells=32):
    """An equation in two dimensions that takes no time: a potential a^2 + b^2, and a rotation."""
    return f"""
[equation]
variables = ["a", "b"]
potential = "a**2 + b**2"
drift = ["-b", "a"]
diffusion = 0.5
[grid]
bounds = [[-3, 3], [-3, 3]]
cells = [{cells}, {cells}]
[start]
mean = [1, 0]
deviation = 0.4
[output]
times = [0.1, 0.5]
"""
