"""States of the explorer: from run files and links, and back."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_files import relaxation, two_datapoints

from fokkerplanck.cli import TEMPLATE
from fokkerplanck.workflows.explorer.state import State, read_state
from fokkerplanck.workflows.explorer.toml import run_file_text
from fokkerplanck.workflows.runfile import read_run_file

REACTIVE = relaxation().replace("diffusion = 0.5", 'diffusion = 0.5\nreactivity = { "x high" = 2.0 }')
FULL = two_datapoints(rate='learning_rate = [0.05, 0.1]\nbatch_size = "full"\nmomentum = 0.0')
FILES = {
    "template": TEMPLATE,
    "several rates": two_datapoints(rate="learning_rate = [0.05, 0.1]"),
    "full batch": FULL,
    "odd letters": two_datapoints(title='100 % & "π" \\\\ ?#='.replace('"', '\\"')),
    "equation": relaxation(),
    "a key with a blank": REACTIVE,
}


@pytest.fixture(params=FILES.values(), ids=FILES)
def state(request):
    return State.of(tomllib.loads(request.param))


def test_a_run_file_and_back(state, tmp_path):
    (tmp_path / "again.toml").write_text(state.toml(), encoding="utf-8")
    again, rates = read_state(tmp_path / "again.toml")
    assert again.text == state.text
    assert rates == (() if state.rate is None else (state.rate,))
    assert read_run_file(tmp_path / "again.toml").spec == state.spec


def test_a_link_and_back(state):
    assert State.from_query(state.query()) == state


def test_first_rate_and_the_time_beside_the_last():
    state = State.of(tomllib.loads(FILES["several rates"]))
    assert (state.rate, state.time, state.last) == (0.05, 1.0, 20.0)
    later = state.at(7.0).at_rate(0.3)
    assert (later.rate, later.time, later.last) == (0.3, 7.0, 20.0)
    assert later.spec.landscape == state.spec.landscape


def test_frames_hold_the_chosen_time_and_whole_steps():
    state = State.of(tomllib.loads(two_datapoints())).at(7.0)
    assert {0.0, 7.0, 20.0} <= set(state.times)
    assert all(t == int(t) for t in state.times)
    assert list(state.times) == sorted(set(state.times))


def test_frames_of_a_shuffled_run_are_ends_of_epochs():
    rate = "learning_rate = 0.05\nshuffle = true\nreplacement = false"
    state = State.of(tomllib.loads(two_datapoints(rate=rate).replace("times = [1, 20]", "times = [2, 40]")))
    assert all(t % 2 == 0 for t in state.times)


def test_a_preview_is_coarse_and_asks_the_same():
    state = State.of(tomllib.loads(TEMPLATE))
    preview = state.preview
    assert preview.spec.grid.tol is None
    assert preview.spec.grid.cells == [512]
    assert preview.spec.simulation.paths == 1000
    assert preview.preview == preview
    assert preview.spec.output == state.spec.output
    assert State.of(tomllib.loads(two_datapoints())).preview.spec.grid.cells == [200]  # no finer than asked


def test_data_of_a_file_stay_by_name_in_a_link_and_ride_inside_a_run_file(tmp_path):
    (tmp_path / "points.csv").write_text("x,name\n0,a\n1,b\n")
    text = two_datapoints().replace("data = { x = [0, 1] }", 'data = "points.csv"')
    (tmp_path / "run.toml").write_text(text)
    state, _ = read_state(tmp_path / "run.toml")
    assert "points.csv" in state.query()
    assert state.samples == 2
    assert tomllib.loads(state.toml())["landscape"]["data"] == {"x": [0.0, 1.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"landscape__loss": 3}, "`landscape.loss` must be a formula"),
        ({"sgd__learning_rate": -1.0}, "`sgd.learning_rate` must be a positive number"),
        ({"output__times": []}, "`output.times` must be increasing numbers"),
        ({"sgd__learnin_rate": 1.0}, "Did you mean 'learning_rate'"),
        ({"sgd__momentum": 0.9, "landscape__parameters": ["w", "v"]}, "`variables` must be at most"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        State.of(tomllib.loads(two_datapoints())).changed(**change)


@pytest.mark.parametrize(
    "query", ["", "a=1", "sgd=3", "sgd.learning_rate=x", "landscape=1&landscape.loss=2", "=", "x=["]
)
def test_a_broken_link_is_refused(query):
    with pytest.raises(ValueError, match=r"^`"):
        State.from_query(query)


def test_a_link_too_long_for_browsers_is_refused():
    state = State.of(tomllib.loads(two_datapoints())).changed(landscape__data={"x": [0.1] * 3000})
    with pytest.raises(ValueError, match="`link` must be at most 8000 letters long"):
        state.query()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_toml_is_read_as_it_was_written(content):
    assert tomllib.loads(run_file_text(content)) == content
