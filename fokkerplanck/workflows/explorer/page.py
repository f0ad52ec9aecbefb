"""The local page, by NiceGUI: controls on one side, picture and sentences on the other. All numbers come from `answers`."""

from __future__ import annotations

import asyncio
import html
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from ...errors import ConvergenceError, bad_value, printable
from .answers import Answers, answer
from .controls import Slider, fields, models, place_of, sliders, time_slider, with_model
from .drawing import figure, peaked
from .export import STYLE, table
from .state import State

HOST = "127.0.0.1"  # this machine alone
NAMES = [HOST, "localhost"]  # by which it may be asked
REFUSALS = (ValueError, TypeError, ConvergenceError, ArithmeticError, MemoryError, OSError)
MORE_STYLE = """body{max-width:none;padding:0}.nicegui-content{display:block;padding:0;width:100%}
main{max-width:46rem;margin:0 auto;padding:1rem}main h1{font-size:1.4rem;font-weight:700;line-height:1.3}
@media(min-width:56rem){main{max-width:72rem}.sides{display:grid;grid-template-columns:19rem minmax(0,1fr);gap:0 2rem;
grid-template-rows:auto 1fr;grid-template-areas:"settings picture" "settings more"}}
.settings{grid-area:settings}.picture{grid-area:picture}.more{grid-area:more}
label{font-weight:400;margin-right:.5rem}.field{width:100%;font:inherit;padding:.3rem;border:1px solid #777;border-radius:4px}
.wrong{color:#a00000}fieldset{border:1px solid #bbb;border-radius:4px;margin:.4rem 0;padding:.2rem .6rem .4rem}
input[type=checkbox]{width:1.1rem;height:1.1rem;margin:0 .5rem 0 0;vertical-align:-.15rem}
button{font:inherit;padding:.35rem .7rem;margin:0 .4rem .4rem 0;border:1px solid #555;border-radius:4px;background:#f4f4f4}
button:disabled{color:#767676;border-color:#bbb}.stale svg{opacity:.35}ul{list-style:disc}#status{min-height:1.5em}"""


def serve(opened: State, port: int, show: bool, say: Callable[[str], None]) -> None:
    """Serve the page on this machine until interrupted.

    Parameters
    ----------
    opened : State
        What a visit without a query shows.
    port : int
    show : bool
        Open a browser.
    say : callable text
        Told the address once the page is there.

    Raises
    ------
    ValueError
        Where NiceGUI is missing or the port is taken.
    """
    try:
        from nicegui import app, ui
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.requests import Request
    except ImportError:
        then = 'Install it with `pip install "fokkerplanck[explore]"`, or write a page with --export page.html.'
        raise bad_value("explore", "used where the package `nicegui` is installed", "no such package", then) from None
    check_port(port)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=NAMES)  # no other name may lead here
    worker = ThreadPoolExecutor(1)  # previews one at a time: warnings are collected for the whole process

    def root(request: Request) -> None:
        _Page(opened, worker).build(request.url.query)

    async def announce() -> None:
        while not is_answered(port):  # NiceGUI is ready before the server listens
            await asyncio.sleep(0.05)
        say(f"http://{HOST}:{port}")

    app.on_startup(announce)
    app.on_shutdown(_end_processes)
    ui.run(
        root,
        host=HOST,
        port=port,
        title=printable(opened.spec.title) or "fokkerplanck",
        show=show,
        reload=False,
        show_welcome_message=False,
        tailwind=False,
    )


def check_port(port: int) -> None:
    """Refuse a port that another program listens on."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except (OSError, OverflowError):
            raise bad_value("--port", "a free port of this machine", port, "Such as --port 8123.") from None


def _end_processes() -> None:
    """Those that solve as the run file says."""
    from loky import get_reusable_executor

    get_reusable_executor(max_workers=1).shutdown(wait=True, kill_workers=True)


def is_answered(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as trial:
        return trial.connect_ex((HOST, port)) == 0


class _Page:
    """One visit: its state, the answers that are shown, and the newest state that is asked for."""

    def __init__(self, opened: State, worker: Executor):
        self.opened = self.state = self.answered = opened
        self.answers: Answers | None = None
        self.worker = worker
        self.busy = False
        self.is_log: bool | None = None  # not before the first answers
        self.wrong: dict[str, Any] = {}
        self.ranges: list[tuple[Slider, Any, Any]] = []

    def build(self, query: str) -> None:
        """The elements of the page, and the first answers."""
        from nicegui import ui

        self.ui = ui
        ui.add_css(STYLE + MORE_STYLE)
        refusal = ""
        if query:
            try:
                self.state = State.from_query(query, self.opened.folder)
            except REFUSALS as error:
                refusal = str(error)
        with ui.element("main"):
            _words("h1", printable(self.state.spec.title) or "Explore")
            with ui.element("div").classes("sides"):
                with ui.element("section").props("aria-label=Picture").classes("picture"):
                    self._picture()
                with ui.element("section").props("aria-label=Settings").classes("settings"):
                    self._controls()
                with ui.element("section").props("aria-label=Numbers").classes("more"):
                    self._numbers()
        self._refuse(refusal)
        ui.timer(0.05, self._follow, once=True)

    # the parts of the page

    def _picture(self) -> None:
        ui = self.ui
        self._range(time_slider(self.state))
        self.status = _words("p", "").props("id=status role=status")
        self.picture = ui.html("", sanitize=False).props("id=figure")
        with ui.element("p"):
            self.log = ui.element("input").props("type=checkbox id=log")
            _words("label", "Logarithmic scale").props("for=log")
        self.log.on("change", lambda e: self._set_log(bool(e.args)), js_handler=CHECKED)
        self.verdict = ui.html("", sanitize=False, tag="ul").props("id=verdict aria-live=polite")
        self.wrong[""] = _words("div", "").classes("wrong").props("role=alert id=wrong")

    def _numbers(self) -> None:
        ui = self.ui
        moments = ui.html("", sanitize=False).classes("table")
        self.table = moments.props("id=table tabindex=0 role=region aria-label=Moments")
        self.sentences = ui.html("", sanitize=False, tag="ul").props("id=sentences")
        self.notes = ui.html("", sanitize=False, tag="ul").props("id=notes")
        with ui.element("p"):
            self.full = _button("Solve as the run file says", self._solve_fully)
            _button("Run file", lambda: self._keep("explored.toml", lambda: self.state.toml()))
            _button("Figure", lambda: self._keep("explored.svg", lambda: self.picture.content))
            _button("Data", lambda: self._keep("explored.csv", lambda: self.answers.csv() if self.answers else ""))
        _words("p", "The address of this page restores the setting.")

    def _controls(self) -> None:
        for slider in sliders(self.state):
            self._range(slider)
        known = models(self.state)
        if known:
            with self.ui.element("fieldset"):
                _words("legend", "Models")
                for name in known:
                    self._model(name)
                self._place_for("output.models")
        for k, field in enumerate(fields(self.state)):
            with self.ui.element("p"):
                _words("label", field.label).props(f"for=field{k}")
                entry = self.ui.element("input").props(
                    f"type=text id=field{k} spellcheck=false aria-describedby=wrong{k}"
                )
                entry.classes("field").props["^value"] = field.text(self.state)
                entry.on(
                    "change", lambda e, f=field: self._change(lambda: f.change(self.state, e.args)), js_handler=VALUE
                )
                self._place_for(field.key, f"wrong{k}")

    def _range(self, slider: Slider) -> None:
        number = len(self.ranges)
        with self.ui.element("p"):
            _words("label", slider.label).props(f"for=range{number}")
            shown = _words("output", "").props(f"for=range{number}")
            entry = self.ui.element("input").props(f"type=range id=range{number} min=0")
            self._place_for(slider.key)
        entry.props["^value"] = slider.index(self.state)  # where it begins: the browser moves it from there
        self.ranges.append((slider, entry, shown))
        entry.on("input", lambda e, k=number: self._slide(k, int(e.args)), js_handler=VALUE)
        self._set_range(number, slider)

    def _set_range(self, number: int, slider: Slider) -> None:
        """The values of a slider, and where it stands."""
        before, entry, shown = self.ranges[number]
        self.ranges[number] = (slider, entry, shown)
        index = slider.index(self.state)
        entry.props(f"max={len(slider.values) - 1}")
        if before.values != slider.values:
            self.ui.run_javascript(f"document.getElementById('range{number}').value = {index}")
        self._tell(number, index)

    def _tell(self, number: int, index: int) -> None:
        """Where a slider stands, in words."""
        slider, entry, shown = self.ranges[number]
        entry.props(f'aria-valuetext="{slider.text(index)}"')
        shown.set_text(slider.text(index))

    def _slide(self, number: int, index: int) -> None:
        slider = self.ranges[number][0]
        self._tell(number, index)
        self._change(lambda: slider.change(self.state, slider.values[index]))

    def _model(self, name: str) -> None:
        with self.ui.element("div"):
            box = self.ui.element("input").props(f"type=checkbox id=model-{name}")
            if name in self.state.models:
                box.props["^checked"] = True
            _words("label", name).props(f"for=model-{name}")
        box.on("change", lambda e: self._choose(name, bool(e.args)), js_handler=CHECKED)

    def _choose(self, name: str, chosen: bool) -> None:
        self._change(lambda: with_model(self.state, name, chosen))
        if (name in self.state.models) != chosen:  # refused
            self.ui.run_javascript(f"document.getElementById('model-{name}').checked = {json.dumps(not chosen)}")

    def _place_for(self, key: str, name: str = "") -> None:
        """Where refusals that speak of a key are shown."""
        if key not in self.wrong:
            self.wrong[key] = _words("div", "").classes("wrong").props("role=alert" + (f" id={name}" if name else ""))

    def _set_log(self, chosen: bool) -> None:
        self.is_log = chosen
        self._draw()

    def _keep(self, name: str, text: Callable[[], str]) -> None:
        """Hand a file to the browser."""
        try:
            self.ui.download.content(text(), name)
        except REFUSALS as error:
            self._refuse(str(error))

    # from a change to new answers

    def _change(self, change: Callable[[], State]) -> None:
        """Take over a new state, or say what is wrong with it and keep the old one."""
        try:
            self.state = change()
            query = self.state.query()
        except REFUSALS as error:
            self._refuse(str(error))
            return
        self._refuse("")
        self.ui.run_javascript(f"history.replaceState(null, '', '?' + {json.dumps(query)})")
        if self.answers is not None and has_frame_of(self.answered, self.state):
            self._draw()
        elif not self.busy:
            self.ui.timer(0.0, self._follow, once=True)

    async def _follow(self) -> None:
        """Preview the newest state until there is no newer one."""
        self.busy = True
        try:
            done = None
            while done is None or not has_frame_of(done, self.state):
                done = self.state
                self.status.set_text("Solving ...")
                await self._solve(done, done.preview, self.worker)
        finally:
            self.busy = False

    async def _solve_fully(self) -> None:
        """On the grid and with the paths of the run file, in a process of its own."""
        from loky import get_reusable_executor

        asked = self.state
        self.status.set_text("Solving as the run file says ...")
        await self._solve(asked, asked, get_reusable_executor(max_workers=1))

    async def _solve(self, wanted: State, asked: State, executor: Any) -> None:
        """Answers to `asked`, which stands for `wanted`; dropped where something else is wanted by then."""
        began = time.perf_counter()
        try:
            found = await asyncio.wrap_future(executor.submit(answer, asked))
        except REFUSALS as error:
            self._refuse(str(error))
            self.status.set_text("Not solved.")
            return
        if has_frame_of(wanted, self.state):
            self.answers, self.answered = found, wanted
            kind = "Solved" if asked == wanted else "Preview"
            left = ", ".join(name for name in wanted.models if name not in asked.models)
            without = f", without {left}" if left else ""
            self.status.set_text(f"{kind} on {found.about()}{without}, in {time.perf_counter() - began:.2g} s.")
            self.full.props(remove="disabled") if asked != wanted else self.full.props("disabled")
            self._draw()

    def _draw(self) -> None:
        """Show the answers at the time that is looked at."""
        answers = self.answers
        if answers is None:
            return
        window = answers.window()
        if self.is_log is None:
            self.is_log = peaked(answers, window)
            self.ui.run_javascript(f"document.getElementById('log').checked = {json.dumps(self.is_log)}")
        self._set_range(0, time_slider(answers.state))
        frame = answers.frame(self.state.time)
        self.picture.set_content(figure(answers, frame, window, self.is_log))
        self.picture.classes(remove="stale")
        self.table.set_content(table(answers, frame))
        for place, texts in (
            (self.verdict, frame.verdict),
            (self.sentences, answers.sentences),
            (self.notes, answers.notes),
        ):
            place.set_content("".join(f"<li>{html.escape(text)}</li>" for text in texts))

    def _refuse(self, sentence: str) -> None:
        """Show a refusal beside the setting that it speaks of; an empty one takes all away."""
        place = place_of(ValueError(sentence))
        for key, element in self.wrong.items():
            element.set_text(printable(sentence) if key == (place if place in self.wrong else "") else "")
        if sentence:
            self.picture.classes("stale")


CHECKED = "(e) => emit(e.target.checked)"
VALUE = "(e) => emit(e.target.value)"


def has_frame_of(answered: State, wanted: State) -> bool:
    """Whether the answers to one state hold a frame of another, which differs in nothing but the time."""
    return wanted.time in answered.times and answered.at(wanted.time) == wanted


def _words(tag: str, text: str) -> Any:
    """A plain element with text."""
    from nicegui.elements.mixins.text_element import TextElement

    return TextElement(tag=tag, text=text)


def _button(text: str, action: Callable[[], Any]) -> Any:
    return _words("button", text).props("type=button").on("click", action)
