"""The list of slow tests names tests that are there: one that was renamed would be quick again in silence."""

from conftest import SLOW
from paths import ROOT


def test_slow_tests_exist():
    for place in SLOW:
        file, *names = place.split("::")
        assert (ROOT / file).exists(), place
        for name in filter(None, names):
            assert f" {name.split('[')[0]}" in (ROOT / file).read_text(encoding="utf-8"), place
