"""The list of slow tests names tests that are there."""

import pytest
from conftest import SLOW
from paths import ROOT


@pytest.mark.parametrize("place", SLOW)
def test_slow_tests_exist(place):
    file, *names = place.split("::")
    assert (ROOT / file).exists()
    for name in filter(None, names):
        assert f" {name}" in (ROOT / file).read_text(encoding="utf-8")
