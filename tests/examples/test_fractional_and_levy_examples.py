"""The examples of waiting and of jumps run, at smaller sizes, and show what their comments promise."""

import importlib.util

import numpy as np
import pytest
from paths import EXAMPLES
from PIL import Image


def script(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_subdiffusive_escape(tmp_path):
    example = script("subdiffusive_escape")
    survival = example.main(cells=150, n_paths=100, picture=tmp_path / "a.png")
    late = slice(-10, None)
    for order in example.ORDERS[1:]:
        slope = np.polyfit(np.log(example.TIMES[late]), np.log(survival[order][late]), 1)[0]
        assert abs(slope + order) < 0.03
    assert survival[1.0][-20] < 1e-6
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")  # fewer cells than the example has
def test_levy_wells(tmp_path):
    example = script("levy_wells")
    times = example.main(cells=300, n_paths=50, picture=tmp_path / "a.png")
    for levy, gauss in times.values():
        assert abs(np.polyfit(np.log(example.LEVY_SCALES[:5]), np.log(levy[:5]), 1)[0] + example.STABILITY) < 0.1
        steep = np.polyfit(np.log(example.GAUSS_SCALES[:3]), np.log(gauss[:3]), 1)[0]
        assert steep < -3
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10
