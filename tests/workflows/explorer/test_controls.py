"""What the local page can change, without the page."""

import tomllib

import pytest
from run_files import relaxation, two_datapoints

from fokkerplanck.cli import TEMPLATE
from fokkerplanck.workflows.explorer.controls import fields, models, place_of, sliders, time_slider, with_model
from fokkerplanck.workflows.explorer.state import State


@pytest.fixture
def state():
    return State.of(tomllib.loads(TEMPLATE))


@pytest.fixture
def equation():
    return State.of(tomllib.loads(relaxation()))


def slider(state, label):
    return next(one for one in [*sliders(state), time_slider(state)] if one.label == label)


@pytest.mark.parametrize("text", [TEMPLATE, two_datapoints(), relaxation()])
def test_every_slider_begins_at_its_value_and_reads_what_it_sets(text):
    state = State.of(tomllib.loads(text))
    for one in [*sliders(state), time_slider(state)]:
        assert one.values[one.index(state)] == one.read(state)
        for k in {0, len(one.values) - 1}:
            moved = one.change(state, one.values[k])
            assert one.read(moved) == one.values[k]
            assert one.index(moved) == k


def test_which_sliders_there_are(state, equation):
    assert [one.label for one in sliders(state)] == ["Learning rate", "Batch size", "Start", "Deviation at the start"]
    assert [one.label for one in sliders(equation)] == ["Start", "Deviation at the start"]
    assert slider(state, "Batch size").values == (1, 2, 3, None)
    assert slider(state, "Batch size").text(3) == "full"


def test_a_slider_changes_nothing_else(state):
    moved = slider(state, "Learning rate").change(state, 0.31)
    assert moved.at_rate(0.2) == state
    batch = slider(state, "Batch size").change(state, None)
    assert batch.spec.sgd.batch_size is None
    assert State.from_query(batch.query()) == batch
    assert 'batch_size = "full"' in batch.toml()


def test_a_start_at_a_point_can_be_moved_and_a_uniform_one_cannot():
    at_a_point = State.of(tomllib.loads(relaxation().replace("mean = 1.0\ndeviation = 0.3", "point = 1.0")))
    assert [one.key for one in sliders(at_a_point)] == ["start.point"]
    uniform = State.of(tomllib.loads(relaxation().replace("mean = 1.0\ndeviation = 0.3", "low = 0\nhigh = 1")))
    assert sliders(uniform) == []


def test_fields_show_and_take_text(state, equation):
    loss, box, target = fields(state)
    assert loss.change(state, "(w - x)**2").spec.landscape.loss == "(w - x)**2"
    assert box.change(state, "[[-3, 2]]").spec.grid.bounds == [[-3, 2]]
    assert target.text(state) == ""
    aimed = target.change(state, "w > 0")
    assert target.text(aimed) == "w > 0"
    assert target.change(aimed, " ") == state
    assert [field.label for field in fields(equation)] == ["Drift", "Diffusion", "Box", "Target, such as x > 1"]
    assert fields(equation)[1].text(equation) == "0.5"


@pytest.mark.parametrize(
    ("number", "text", "place"),
    [
        (0, "(w - y)**2", "landscape.loss"),
        (0, "w**", "landscape.loss"),
        (0, "", "landscape.loss"),
        (0, "3", "landscape.loss"),
        (1, "here", "grid.bounds"),
        (1, "[[2, -2]]", "grid.bounds"),
        (1, "[[NaN, 2]]", "grid.bounds"),
        (2, "w >", "output.target"),
        (2, "v > 0", "output.target"),
    ],
)
def test_bad_text_is_answered_at_its_field(state, number, text, place):
    with pytest.raises((ValueError, TypeError)) as refusal:
        fields(state)[number].change(state, text)
    assert place_of(refusal.value) == place


def test_models_are_chosen_and_one_stays(state):
    assert state.models == ("first-order", "exact")
    three = with_model(state, "langevin", True)
    assert three.models == ("first-order", "exact", "langevin")
    assert with_model(three, "langevin", False) == state
    one = with_model(state, "exact", False)
    with pytest.raises(ValueError, match=r"`output\.models` must be at least one model"):
        with_model(one, "first-order", False)


def test_models_of_the_run_file_stay_among_the_choices(equation):
    text = two_datapoints().replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["levy"]\nstability = 1.5')
    assert models(State.of(tomllib.loads(text)))[-1] == "levy"
    shuffled = two_datapoints(rate="learning_rate = 0.05\nshuffle = true\nreplacement = false")
    text = shuffled.replace("times = [1, 20]", 'times = [2, 20]\nmodels = ["shuffled"]')
    assert models(State.of(tomllib.loads(text))) == ("shuffled",)
    assert models(equation) == ()
