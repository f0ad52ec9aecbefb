"""Rows, verdicts and tables that all claims share."""

import math
import types

import pytest

from validation import claim
from validation.claim import Row


def test_units():
    assert Row("a", 1.02, 1.0, 0.03).error == pytest.approx(0.02)
    assert Row("a", -1.02, -1.0, 0.03).error == pytest.approx(0.02)
    assert Row("a", 0.5, 0.2, 0.4, unit="absolute").error == pytest.approx(0.3)
    assert Row("a", 1.3, 1.0, 4.0, unit="sigma", sigma=0.1, bias=0.1).error == pytest.approx(2.0)
    assert Row("a", 1.05, 1.0, 4.0, unit="sigma", sigma=0.1, bias=0.1).error == 0.0


def test_verdicts():
    assert [Row("a", x, 1.0, 0.1).verdict for x in (1.05, 1.2, math.nan)] == ["holds", "FAILS", "FAILS"]
    assert [Row("a", x, 1.0, 0.1, control=True).verdict for x in (1.05, 1.2)] == ["MISSED", "caught"]


def test_orders_follow_each_case():
    rows = [Row(case, 1 + c / n**2, 1.0, 1.0, level=n) for n in (10, 20) for case, c in (("a", 1), ("b", 5))]
    assert claim.orders(rows) == [None, None, pytest.approx(2.0), pytest.approx(2.0)]


def test_an_order_is_a_row_of_its_own_but_not_of_round_off():
    rows = [Row("a", 1 + 1 / n**2, 1.0, 1.0, level=n) for n in (10, 20, 40)]
    noise = [Row("b", 1 + 1e-15 * n, 1.0, 1.0, level=n) for n in (10, 20)]
    order = claim.with_order([*rows, *noise], 2.0, 0.1)[5:]
    assert [(row.case, row.good) for row in order] == [("a: order", True)]
    assert order[0].measured == pytest.approx(2.0, rel=1e-9)


def test_false_alarms_add_up():
    row = Row("a", 1.0, 1.0, 1.959964, unit="sigma", sigma=1.0)
    assert row.false_alarm == pytest.approx(0.05, rel=1e-5)
    assert claim.false_alarm([row, row, Row("b", 1.0, 1.0, 0.1)]) == pytest.approx(1 - 0.95**2, rel=1e-5)


def test_a_claim_is_run_and_written(tmp_path):
    module = types.ModuleType("example", "One is one.\n\nBy definition.\n")
    module.__file__ = "99_example.py"
    module.LEVELS, module.QUICK = (8, 16), (8,)
    module.study = lambda levels: [Row("one", 1 + 1 / n**2, 1.0, 0.02, level=n) for n in levels]
    module.figure = lambda rows: claim.canvas()
    outcome = claim.run(module, out=tmp_path)
    assert outcome.good
    assert "## 99 One is one." in outcome.section
    assert "| one | 16 | 1 | 1.00391 | 0.39 % | 2.00 | 2 % | holds |" in outcome.section
    assert "2.0" in (tmp_path / "99_example.csv").read_text().splitlines()[2]
    assert (tmp_path / "99_example.png").stat().st_size > 500
    module.study = lambda levels: [Row("one", 2.0, 1.0, 0.02)]
    assert claim.main(module, ["--quick", "--out", str(tmp_path)]) == 1
