"""The local page: that it is served to this machine alone, and what it does in a browser."""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest
from run_files import two_datapoints
from typer.testing import CliRunner

from fokkerplanck import cli
from fokkerplanck.workflows.explorer import page
from fokkerplanck.workflows.explorer.state import State, read_state

needs_nicegui = pytest.mark.skipif(find_spec("nicegui") is None, reason="nicegui is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or find_spec("playwright") is None, reason="chromium or playwright is not installed"
)
PATIENCE = 120_000  # ms: first, formulas are compiled


def free_port():
    with socket.socket() as trial:
        trial.bind((page.HOST, 0))
        return trial.getsockname()[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The page of a run file, and its port."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    (folder / "run.toml").write_text(two_datapoints(), encoding="utf-8")
    command = [sys.executable, "-m", "fokkerplanck", "explore", "run.toml", "--no-browser", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=plain_environment()) as server:
        try:
            for line in server.stderr:
                if "shows the page" in line:
                    break
            else:
                pytest.fail("no page was served")
            yield folder / "run.toml", port
        finally:
            server.terminate()


def plain_environment():
    """NiceGUI serves tests otherwise where it sees that pytest runs."""
    import os

    path = str(Path(cli.__file__).parents[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "NICEGUI"))}
    return kept | {"PYTHONPATH": path}


@needs_nicegui
def test_only_this_machine_is_served(served):
    _, port = served
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("no list of sockets on this system")
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    listening = {row[1].split(":")[0] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    assert listening == {"0100007F"}  # 127.0.0.1, lowest byte first
    six = Path("/proc/net/tcp6")
    assert not six.exists() or f":{port:04X} 0000" not in six.read_text()


@needs_nicegui
def test_no_other_name_leads_to_the_page(served):
    _, port = served
    with urllib.request.urlopen(f"http://{page.HOST}:{port}/", timeout=60) as answer:
        assert answer.status == 200
    request = urllib.request.Request(f"http://{page.HOST}:{port}/", headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=60)


def test_a_port_in_use_is_refused(tmp_path):
    (tmp_path / "run.toml").write_text(two_datapoints(), encoding="utf-8")
    with socket.socket() as other:
        other.bind((page.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match="`--port` must be a free port"):
            page.check_port(port)
    with pytest.raises(ValueError, match="`--port` must be a free port"):
        page.check_port(70_000)


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    (tmp_path / "run.toml").write_text(two_datapoints(), encoding="utf-8")
    done = CliRunner().invoke(cli.app, ["explore", str(tmp_path / "run.toml"), "--no-browser"])
    assert done.exit_code == 2
    assert 'pip install "fokkerplanck[explore]"' in done.output


@pytest.mark.parametrize("time", [0.0, 1.0, 20.0])
def test_a_change_of_time_needs_no_new_answers(time):
    state = State.of(tomllib.loads(two_datapoints()))
    assert page.has_frame_of(state, state.at(time))
    assert not page.has_frame_of(state, state.at_rate(0.06).at(time))
    assert not page.has_frame_of(state, state.at(6.0))
    assert not page.has_frame_of(state.at(time), state.at(21.0))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(served, browser):
    """A tab on the page, as a function of its query and width; no request leaves the machine, and no script fails."""
    _, port = served
    tabs, foreign, broken = [], [], []

    def open_tab(query="", width=1200):
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.set_default_timeout(PATIENCE)
        tab.on("request", lambda request: page.HOST in request.url or foreign.append(request.url))
        tab.on("pageerror", lambda error: broken.append(error))
        tab.goto(f"http://{page.HOST}:{port}/?{query}")
        tab.wait_for_selector("#figure svg")
        tabs.append(tab)
        return tab

    yield open_tab
    for tab in tabs:
        tab.close()
    assert not [url for url in foreign if not url.startswith(("data:", "blob:"))]
    assert not broken


def settled(tab, old):
    """Wait until the picture is another one, and return it."""
    tab.wait_for_function("old => document.querySelector('#figure').innerHTML !== old", arg=old)
    return tab.inner_html("#figure")


@needs_nicegui
@needs_browser
def test_the_keyboard_moves_a_slider_and_the_link_restores_it(visit):
    tab = visit()
    picture = tab.inner_html("#figure")
    slider = tab.get_by_label("Learning rate")
    slider.focus()
    tab.keyboard.press("ArrowRight")
    picture = settled(tab, picture)
    state = State.from_query(tab.evaluate("location.search.slice(1)"))
    assert state.rate > 0.05
    assert slider.get_attribute("aria-valuetext") == f"{state.rate:g}"
    tab.get_by_label("Time in steps").focus()
    tab.keyboard.press("End")
    picture = settled(tab, picture)
    assert "t = 20" in tab.inner_text("#verdict")
    again = visit(tab.evaluate("location.search.slice(1)"))
    assert again.inner_html("#figure") == picture
    assert again.inner_text("#table") == tab.inner_text("#table")


@needs_nicegui
@needs_browser
def test_a_bad_formula_is_answered_in_place_and_a_good_one_taken(visit):
    tab = visit()
    picture = tab.inner_html("#figure")
    field = tab.get_by_label("Loss of a sample")
    field.fill("(w - y)**2")
    field.press("Enter")
    refusal = tab.locator(f"#{field.get_attribute('aria-describedby')}")
    tab.wait_for_function("e => e.textContent", arg=refusal.element_handle())
    assert refusal.inner_text().startswith("`landscape.loss` must be in the names w, x")
    assert refusal.get_attribute("role") == "alert"
    field.fill("(w - x)**2 / 2")
    field.press("Enter")
    settled(tab, picture)
    assert refusal.inner_text() == ""
    assert "landscape.loss=%22%28w+-+x%29%2A%2A2+%2F+2%22" in tab.url


@needs_nicegui
@needs_browser
def test_files_are_kept(visit, served, tmp_path):
    tab = visit()
    found = {}
    for name in ("Run file", "Figure", "Data"):
        with tab.expect_download() as waiting:
            tab.get_by_role("button", name=name, exact=True).click()
        waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
        found[name] = tmp_path / waiting.value.suggested_filename
    assert read_state(found["Run file"])[0].text == read_state(served[0])[0].text
    assert found["Figure"].read_text().startswith("<svg xmlns")
    assert found["Data"].read_text().splitlines()[0] == "t,w,first-order,SGD"


@needs_nicegui
@needs_browser
def test_a_narrow_screen_and_a_screen_reader(visit):
    tab = visit(width=400)
    assert tab.evaluate("document.documentElement.scrollWidth") == 400
    names = tab.evaluate("[...document.querySelectorAll('input')].map(e => [e.id, e.labels.length])")
    assert len(names) > 10
    assert [name for name, labels in names if labels != 1] == []
    assert tab.get_by_role("heading", level=1).inner_text() == "Quadratic"
    assert tab.get_by_role("img", name=re.compile("Densities at t = 1$")).count() == 1
    for live in ("#verdict[aria-live=polite]", "#status[role=status]"):
        assert tab.locator(live).count() == 1


@needs_nicegui
@needs_browser
def test_a_broken_link_says_so_and_shows_the_run_file(visit):
    tab = visit("sgd.learning_rate=-1")
    assert tab.inner_text("h1") == "Quadratic"
    assert any(text.startswith("`") for text in tab.locator("[role=alert]").all_inner_texts())


@needs_nicegui
@needs_browser
def test_the_last_model_stays(visit):
    tab = visit()
    tab.get_by_label("first-order").click()
    tab.wait_for_function("document.getElementById('model-first-order').checked")
    assert any("at least one model" in text for text in tab.locator("[role=alert]").all_inner_texts())


@needs_browser
def test_an_exported_page_opens_from_a_disk(browser, tmp_path):
    """Its frames are packed; an address restores one, and the arrows reach the others."""
    (tmp_path / "run.toml").write_text(two_datapoints(rate="learning_rate = [0.1, 0.05]"), encoding="utf-8")
    done = CliRunner().invoke(cli.app, ["explore", str(tmp_path / "run.toml"), "--export", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    broken = []
    tab = browser.new_page(viewport={"width": 400, "height": 800}, offline=True)
    tab.on("pageerror", lambda error: broken.append(error))
    tab.on("console", lambda message: broken.append(message.text))
    tab.goto((tmp_path / "page.html").as_uri() + "#0.2")
    tab.wait_for_function("document.getElementById('rate-value').textContent")
    before = tab.inner_text("#time-value"), tab.inner_html("#figure")
    assert tab.inner_text("#rate-value") == "0.05"
    tab.get_by_label("Time in steps").press("ArrowRight")
    after = tab.inner_text("#time-value"), tab.inner_html("#figure")
    assert float(after[0]) > float(before[0])
    assert after[1] != before[1]
    assert tab.url.endswith("#0.3")
    assert tab.evaluate("document.documentElement.scrollWidth") == 400
    assert not tab.locator("#old").is_visible()
    tab.close()
    assert not broken
