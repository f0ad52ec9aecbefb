"""`fokkerplanck explore --export`: a page of its own."""

import base64
import functools
import json
import math
import re
import tomllib
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from run_files import relaxation, two_datapoints
from typer.testing import CliRunner

from fokkerplanck import cli
from fokkerplanck.results.figure_style import bin_edges
from fokkerplanck.workflows.explorer import drawing
from fokkerplanck.workflows.explorer.answers import answer
from fokkerplanck.workflows.explorer.export import around, table
from fokkerplanck.workflows.explorer.state import State, settings
from fokkerplanck.workflows.runfile import checked

TITLE = 'A </script><b onclick="x()">title</b> & more'
RATES = two_datapoints(title=TITLE.replace('"', '\\"'), rate="learning_rate = [0.1, 0.05]", paths="paths = 500")
SOLVED = functools.cache(answer)
VOID = {"meta", "input", "link", "br", "img"}


class Page(HTMLParser):
    """Checks that elements close in order; keeps attributes of all, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.scripts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data

    @property
    def data(self):
        """All frames."""
        return json.loads(zlib.decompress(base64.b64decode(self.scripts[0])))


def exported(folder, text):
    (folder / "run.toml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(cli.app, ["explore", str(folder / "run.toml"), "--export", str(folder / "page.html")])
    assert done.exit_code == 0, done.output
    return (folder / "page.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("page"), RATES)


@pytest.fixture(scope="module")
def states():
    return settings(State.of(tomllib.loads(RATES)), [0.05, 0.1])


def test_the_page_is_well_formed_and_asks_no_network(page):
    elements = Page(page).elements
    assert {tag for tag, _ in elements} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "label", "input", "output", "div", "svg",
        "text", "path", "polyline", "polygon", "line", "rect", "ul", "li", "table", "caption", "thead", "tbody", "tr", "th",
        "td", "details", "summary", "pre", "code", "script",
    }  # fmt: skip
    assert not any({"src", "href", "action", "onclick", "onload"} & attrs.keys() for _, attrs in elements)
    addresses = set(re.findall(r"\b(?:https?|wss?|ftp):[^\"\\ ]*|url\([^)]*\)|@import", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nothing fetches
    policy = next(attrs["content"] for tag, attrs in elements if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "fetch(" not in page
    assert "XMLHttpRequest" not in page


def test_every_slider_has_a_label(page):
    elements = Page(page).elements
    sliders = {attrs["id"]: attrs for tag, attrs in elements if tag == "input"}
    assert sliders.keys() == {"rate", "time"}
    assert {attrs["for"] for tag, attrs in elements if tag == "label"} == sliders.keys()


def test_frames_are_those_of_the_solver(page, states):
    data = Page(page).data
    assert [one["rate"] for one in data["settings"]] == ["0.05", "0.1"]
    for shown, state in zip(data["settings"], states, strict=True):
        answers = SOLVED(state)
        assert shown["sentences"] == list(answers.sentences)
        assert [frame["time"] for frame in shown["frames"]] == [f"{t:g}" for t in state.times]
        for there, frame in zip(shown["frames"], answers.frames, strict=True):
            assert there["verdict"] == list(frame.verdict)
            drawn_is_solved(there["figure"], answers, frame)
        assert State.of(tomllib.loads(shown["run"])).text == state.text


def drawn_is_solved(svg, answers, frame):
    """The heights of the curve, read back from the picture, within what its tenths of a pixel leave open."""
    line = re.search(
        r'<polyline data-model="([^"]*)" data-bottom="([^"]*)" data-top="([^"]*)"[^>]* points="([^"]*)"', svg
    )
    model, bottom, top = line[1], float(line[2]), float(line[3])
    points = np.array([[float(v) for v in pair.split(",")] for pair in line[4].split()])
    low, high = drawing.DENSITY
    share = (high - points[:, 1]) / (high - low)
    log = bottom > 0.0
    heights = bottom * (top / bottom) ** share if log else top * share
    below = np.concatenate([[0.0], np.cumsum(frame.densities[model] * answers.grid.volumes)])
    bins = next(b for b in candidates(answers) if b.size == points.shape[0] + 1)
    solved = np.diff(np.interp(bins, answers.grid.edges[0], below)) / np.diff(bins)
    solved = np.clip(solved, bottom, top)
    pixel = 0.051 / (high - low)
    room = solved * ((top / bottom) ** pixel - 1.0) if log else top * pixel
    assert (np.abs(heights - solved) <= room + 1e-12).all()
    assert heights.max() > 0.1 * top


def candidates(answers):
    """Bins over the windows that the two settings span."""
    both = [SOLVED(state).window()[0] for state in settings(State.of(tomllib.loads(RATES)), [0.05, 0.1])]
    span = (min(w[0] for w in both), max(w[1] for w in both))
    return [bin_edges(answers.grid.edges[0], span, drawing.BINS)]


def test_a_title_is_text(page):
    parsed = Page(page)
    assert ("b", {"onclick": "x()"}) not in parsed.elements
    assert len(parsed.scripts) == 2
    assert checked(tomllib.loads(parsed.data["settings"][0]["run"])).title == TITLE


def test_an_equation_has_a_slider_for_time_alone(tmp_path):
    elements = Page(exported(tmp_path, relaxation())).elements
    assert [attrs["id"] for tag, attrs in elements if tag == "input"] == ["time"]


def test_a_single_rate_is_surrounded_by_others():
    rates = around([0.2])
    assert 0.2 in rates
    assert len(rates) == 9
    assert (min(rates), max(rates)) == (0.05, 0.8)
    assert around([0.1, 0.05]) == [0.1, 0.05]
    assert around([]) == []


@pytest.mark.parametrize(
    ("text", "page", "message"),
    [
        (two_datapoints(loss="(w - y)**2"), "page.html", "`landscape.loss`"),
        (two_datapoints(), "nowhere/page.html", "in an existing folder"),
        ("[grid]", "page.html", "`grid.bounds` must be given"),
    ],
)
def test_refusals_are_sentences(tmp_path, text, page, message):
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(cli.app, ["explore", str(tmp_path / "run.toml"), "--export", str(tmp_path / page)])
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.count("\n") == 1
    assert not (tmp_path / page).exists()


def test_a_peak_that_flattens_everything_asks_for_a_logarithmic_scale():
    answers = answer(State.of(tomllib.loads(relaxation())))
    assert not drawing.peaked(answers, answers.window())
    narrow = State.of(
        tomllib.loads(relaxation(400).replace("diffusion = 0.5", "diffusion = 1e-4").replace("[0.5, 1]", "[6]"))
    )
    answers = answer(narrow)
    window = answers.window()
    assert drawing.peaked(answers, window)
    drawn_on_both_scales = [drawing.figure(answers, answers.frames[-1], window, log) for log in (False, True)]
    for svg in drawn_on_both_scales:
        Page(svg)
        assert "nan" not in svg


def test_what_has_left_the_box_is_told_where_something_has():
    """Between absorbing walls at 0 and 1 a flat start is (8 / pi^2) exp(-pi^2 D t) but for exp(-9 pi^2 D t)."""
    text = relaxation(100).replace('drift = "-x"\ndiffusion = 0.5', "diffusion = 1")
    text = text.replace("[-4, 4]", "[0, 1]").replace("mean = 1.0\ndeviation = 0.3", "low = 0\nhigh = 1")
    text = text.replace("[0.5, 1]", "[0.1, 0.2]")
    closed, open_box = (
        answer(State.of(tomllib.loads(t))) for t in (text, text.replace("[100]", '[100]\nboundary = "absorbing"'))
    )
    assert "inside the box" not in table(closed, closed.frames[-1])
    last = table(open_box, open_box.frame(0.2))
    assert "inside the box" in last
    share = float(re.findall("<td>([^<]*)</td>", last)[-1])
    assert share == pytest.approx(8.0 / math.pi**2 * math.exp(-(math.pi**2) * 0.2), rel=2e-3)
