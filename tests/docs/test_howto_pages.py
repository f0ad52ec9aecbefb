"""The code of how-to pages runs as it stands."""

import re

import numpy as np
import pytest
from paths import ROOT

import fokkerplanck as fp

PAGES = ("boundaries.md", "distributions.md", "figures.md", "stationary_dynamics.md")


@pytest.mark.parametrize("page", PAGES)
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "howto" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert blocks
    names = {"fp": fp, "np": np}
    for block in blocks:
        exec(block, names)  # our own text
