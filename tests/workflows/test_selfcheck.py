"""The self-check holds, and notices a wrong answer."""

import pytest

from fokkerplanck.workflows.selfcheck import Claim, check


def test_every_claim_holds():
    claims = list(check())
    assert len(claims) >= 14
    assert [claim.name for claim in claims if not claim.holds] == []


@pytest.mark.parametrize(("computed", "holds"), [(1.0, True), (1.0009, True), (1.0011, False), (float("nan"), False)])
def test_a_claim_can_fail(computed, holds):
    assert Claim("one", computed, 1.0, 1e-3).holds is holds
