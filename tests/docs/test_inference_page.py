"""The page on inference runs as it stands, and shows what it says."""

import ast
import re

import matplotlib as mpl
import pytest
from paths import ROOT

TEXT = (ROOT / "docs" / "inference.md").read_text(encoding="utf-8")
CELLS = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", TEXT, flags=re.S)


@pytest.mark.slow
def test_the_page_runs(capsys):
    mpl.use("Agg")
    names, shown = {}, []
    for cell in CELLS:
        body = ast.parse(cell).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), "page", "exec"), names)  # our own text
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), "page", "eval"), names))  # our own text
    data, alike, plain, momentum, *_, ranking, arrivals = [value for value in shown if value is not None]
    assert data.n_runs == 60
    assert alike.runs_differ > 0.01
    assert plain.shortest_lag == 1
    assert "momentum" in momentum.memory
    assert momentum.p_values[0] < 0.01
    assert "converged" in capsys.readouterr().out
    assert names["free"].converged
    assert ranking.best == ("exact in law (Gaussian steps)",)
    assert abs(arrivals.parameters["v"] - 0.8) < 4 * arrivals.standard_errors["v"]
