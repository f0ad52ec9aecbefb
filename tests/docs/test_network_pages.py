"""The pages of results of networks are those of the run files that they name: dynamics, learning rates, moments and runs."""

import re

import pytest
from paths import ROOT

from fokkerplanck.workflows.networks import read_network_study, verdicts

PAGES = sorted((ROOT / "docs").glob("network_*.md"))
AGAINST = re.compile(r"^- (.+) against SGD: (at learning rate .*)\.$", re.M)


def asked(page):
    """The text of a page, and the study of the run file that it names."""
    pytest.importorskip("jax")
    if "digits" in page.stem:
        pytest.importorskip("sklearn")
    text = page.read_text(encoding="utf-8")
    (name,) = re.findall(r"^fokkerplanck study (examples/\S+\.toml)$", text, re.M)
    return text, read_network_study(ROOT / name)


def test_every_study_of_the_examples_has_its_page():
    named = [re.findall(r"examples/\S+\.toml", page.read_text(encoding="utf-8"))[0] for page in PAGES]
    models = [path for path in (ROOT / "examples").glob("*.toml") if re.search(r"^model = ", path.read_text(), re.M)]
    assert sorted(named) == sorted(path.relative_to(ROOT).as_posix() for path in models)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_says_what_its_run_file_asks(page):
    text, study = asked(page)
    spec, rates = study.spec.study, [f"{rate:g}" for rate in study.spec.study.learning_rate]
    said = dict(AGAINST.findall(text))
    assert list(said) == [verdicts._capital(one.name) for one in spec.dynamics if one.name != "sgd"]
    for sentence in said.values():
        parts = re.split(r"(?:^|; )at learning rate ", sentence)[1:]
        assert [part.split(" ", 1)[0] for part in parts] == rates
        for rate, part in zip(spec.learning_rate, parts, strict=True):
            moments = study.steps[rate][study.moments(rate)].tolist()
            assert {int(n) for n in re.findall(r"of (\d+) moments", part)} == {len(moments)}
            assert {int(step) for step in re.findall(r"first at step (\d+)", part)} <= set(moments)
    failing = re.findall(r"^- From which learning rate on does (.+) fail\?", text, re.M)
    assert failing == ([one.name for one in spec.dynamics if one.name != "sgd"] if len(rates) > 1 else [])
    names = {one.name for one in spec.dynamics}
    for rate, share, name in re.findall(
        r"^- At learning rate (\S+) (\S+)% of the runs of (.+) diverged\.$", text, re.M
    ):
        assert rate in rates
        assert name in names | {"sgd again"}
        runs = float(share) / 100 * spec.runs
        assert abs(runs - round(runs)) <= 0.0005 * spec.runs + 1e-9
    assert set(re.findall(r"(?:drop|tenths|loss \S+) at (\d+(?:\.\d+)?(?:e-\d+)?)", text)) <= set(rates)
