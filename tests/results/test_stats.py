"""Numbers about a computation, by attribute and by item."""

import pytest

import fokkerplanck as fp
from fokkerplanck.results.stats import SolutionStats

OU, GRID = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-5, 5), 60)


def test_an_equation_has_a_peclet_number_and_no_smearing():
    stats = fp.solve(OU, GRID, fp.gaussian(1.0, 0.5), [0.5, 1.0]).stats
    assert stats["order"] == stats.order == 2
    assert dict(stats)["peclet"] == stats.peclet > 0.0
    assert 0.0 <= stats.error_estimate < 1e-6
    assert stats.smearing is None
    assert "smearing" not in stats
    with pytest.raises(KeyError, match="smearing"):
        stats["smearing"]
    assert "smearing" not in repr(stats)
    assert "peclet=" in repr(stats)


def test_a_transfer_operator_has_smearing_and_no_peclet_number():
    loss = fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]})
    operator = fp.SGD(loss, learning_rate=0.1).transfer_operator(fp.Grid((-2, 2), 200))
    stats = operator.stationary().stats
    assert len(stats.smearing) == 1
    assert stats.parts == stats["parts"] == 1
    assert {"noise", "smearing", "parts", "residual"} == set(stats)


def test_what_a_newer_version_adds_is_left_out():
    assert SolutionStats.of({"order": 1, "of_later": 3.0}) == {"order": 1}


def test_every_result_shows_its_numbers():
    st = fp.stationary(OU, GRID)
    assert st.stats.residual < 1e-12
    passage = fp.first_passage(OU, GRID, lambda x: x > 1.0)
    assert passage.stats.order == 2
