"""A page of its own with precomputed frames: plain HTML, inline SVG and a dozen lines of script, nothing from a network.

The frame that is shown first stands in the page; all of them are packed into it (zlib, base64), an eighth of their size.
"""

from __future__ import annotations

import base64
import html
import json
import os
import zlib
from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np

from ...errors import printable
from ...storage.files import check_folder, write_text
from ..outcome import Report
from .answers import Answers, Frame, answer
from .drawing import figure, peaked
from .state import State, settings

RATES = 9  # frames over the learning rate, where the run file names one
INSIDE = 0.9999  # of the probability: from here on it is said what has left the box
FACTOR = 4.0  # by which they go below and above it

STYLE = """body{font-family:system-ui,sans-serif;line-height:1.45;color:#222;background:#fff;margin:0 auto;max-width:46rem;
padding:1rem}
h1{font-size:1.4rem;margin:0 0 .5rem}svg{display:block;width:100%;height:auto}p{margin:.4rem 0}output{font-weight:600}
input[type=range]{width:100%;margin:.2rem 0 .8rem;height:1.6rem}pre{overflow-x:auto;background:#f4f4f4;padding:.7rem}
table{border-collapse:collapse;margin:.6rem 0}td,th{padding:.15rem .6rem .15rem 0;text-align:right}
td:first-child,th:first-child{text-align:left}.table{overflow-x:auto}
ul{padding-left:1.2rem}:focus-visible{outline:3px solid #0072B2}
@media(prefers-color-scheme:dark){body{color-scheme:light}}"""

SCRIPT = """const at=id=>document.getElementById(id),rate=at("rate"),time=at("time");
async function unpacked(){
const bytes=Uint8Array.from(atob(at("data").textContent),c=>c.charCodeAt(0));
return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json()}
function items(place,texts){
place.replaceChildren(...texts.map(t=>{const e=document.createElement("li");e.textContent=t;return e}))}
function show(data,keep){
const i=rate?+rate.value:0,k=+time.value,s=data.settings[i],f=s.frames[k];
at("figure").innerHTML=f.figure;at("table").innerHTML=f.table;
items(at("verdict"),f.verdict);items(at("sentences"),s.sentences);items(at("notes"),s.notes);
at("about").textContent=s.about;at("run").textContent=s.run;
for(const [input,id,text] of [[time,"time-value",f.time],[rate,"rate-value",s.rate]])if(input){
at(id).textContent=text;input.setAttribute("aria-valuetext",text)}
if(keep)history.replaceState(null,"","#"+i+"."+k)}
const asked=/^#(\\d+)\\.(\\d+)$/.exec(location.hash);
if(asked){if(rate)rate.value=asked[1];time.value=asked[2]}
unpacked().then(data=>{
for(const input of [rate,time])if(input)input.addEventListener("input",()=>show(data,true));
show(data,false)},()=>{at("old").hidden=false});
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def export(
    state: State, rates: Sequence[float], path: str | os.PathLike, report: Report = lambda text, share: None
) -> None:
    """Solve a run file at learning rates and times, and write the page.

    Parameters
    ----------
    state : State
    rates : sequence of float
        Those of the run file. A single one is surrounded by others, from a quarter to four times as large.
    path : str or path
    report : callable (text, share), optional
        Told what is being done and how much of the whole is done.

    Raises
    ------
    ValueError, ConvergenceError
        With the sentence for the user; nothing is written then.
    """
    check_folder(str(path))
    asked = settings(state, around(rates))
    answers = []
    for k, one in enumerate(asked):

        def part(text: str, share: float, k: int = k) -> None:
            report(text, (k + share) / len(asked))

        answers.append(answer(one, part))
    write_text(path, page(answers))


def around(rates: Sequence[float]) -> list[float]:
    """The rates themselves; where there is one, others beside it too."""
    if len(rates) != 1:
        return list(rates)
    factors = FACTOR ** np.linspace(-1.0, 1.0, RATES)
    beside = [float(f"{rates[0] * f:.3g}") for f in factors if f != 1.0]
    return sorted({rates[0], *beside})


def page(answers: Sequence[Answers]) -> str:
    """The page for settings that differ in the learning rate, in increasing order; all have the same times."""
    first = answers[0]
    windows = [one.window() for one in answers]
    window = [(min(w[a][0] for w in windows), max(w[a][1] for w in windows)) for a in range(first.grid.dim)]
    log = any(peaked(one, window) for one in answers)
    shown = [_setting(one, window, log) for one in answers]
    start = min(len(first.frames) - 1, [f.time for f in first.frames].index(first.state.time))
    middle = len(answers) // 2
    title = html.escape(printable(first.state.spec.title) or "Density of stochastic gradient descent")
    data = json.dumps({"settings": shown}, ensure_ascii=False).encode()
    packed = base64.b64encode(zlib.compress(data, 9)).decode("ascii")
    now = shown[middle]["frames"][start]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title><style>{STYLE}</style></head>
<body><main><h1>{title}</h1>
{_slider("rate", "Learning rate", len(answers), middle) if len(answers) > 1 else ""}
{_slider("time", unit_of(first.state), len(first.frames), start)}
<p id="old" role="alert" hidden>The sliders need a browser of 2023 or later.</p>
<div id="figure">{now["figure"]}</div>
<h2 hidden>Verdict</h2><ul id="verdict" aria-live="polite">{_items(now["verdict"])}</ul>
<div class="table" id="table" tabindex="0" role="region" aria-label="Moments">{now["table"]}</div>
<ul id="sentences">{_items(shown[middle]["sentences"])}</ul>
<details><summary>Notes, and the run file of this setting</summary><p id="about">{html.escape(shown[middle]["about"])}</p>
<ul id="notes">{_items(shown[middle]["notes"])}</ul><pre id="run">{html.escape(shown[middle]["run"])}</pre>
<p>Save it as FILE.toml: <code>fokkerplanck run FILE.toml</code> computes these numbers again.</p></details>
</main><script type="text/plain" id="data">{packed}</script><script>{SCRIPT}</script></body></html>
"""


def unit_of(state: State) -> str:
    """What the time slider is called."""
    return "Time" if state.rate is None else "Time in steps"


def _slider(name: str, label: str, count: int, value: int) -> str:
    return (
        f'<p><label for="{name}">{label}</label> <output id="{name}-value" for="{name}"></output>'
        f'<input type="range" id="{name}" min="0" max="{count - 1}" value="{value}"></p>'
    )


def _setting(answers: Answers, window: Sequence[tuple[float, float]], log: bool) -> dict[str, Any]:
    rate = answers.state.rate
    return {
        "rate": None if rate is None else f"{rate:g}",
        "about": f"On {answers.about()}.",
        "sentences": list(answers.sentences),
        "notes": list(answers.notes),
        "run": answers.state.toml(),
        "frames": [
            {
                "time": f"{frame.time:g}",
                "figure": figure(answers, frame, window, log),
                "table": table(answers, frame),
                "verdict": list(frame.verdict),
            }
            for frame in answers.frames
        ],
    }


def _items(texts: Sequence[str]) -> str:
    return "".join(f"<li>{html.escape(text)}</li>" for text in texts)


def table(answers: Answers, frame: Frame) -> str:
    """Mean and deviation of each model with their errors, the error of its density, and what of it has left the box, if any."""
    masses = {name: float((density * answers.grid.volumes).sum()) for name, density in frame.densities.items()}
    left = any(mass < INSIDE for mass in masses.values())
    several = len(answers.names) > 1
    head = ["model", "coordinate", "mean", "deviation", "error of density", "inside the box"]
    kept = [True, several, True, True, True, left]
    rows = []
    for row in frame.moments:
        error, model = frame.errors.get(row["model"], float("nan")), row["model"]
        moments = [_with_error(row[name], row[f"se_{name}"]) for name in ("mean", "deviation")]
        known = f"{error:.1e}" if np.isfinite(error) else ""
        rows.append([model, row["axis"], *moments, known, f"{masses[model]:.4g}"])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in compress(cells, kept)) + "</tr>" for cells in rows
    )
    return (
        f"<table><caption hidden>Moments at t = {frame.time:g}</caption><thead><tr>"
        + "".join(f'<th scope="col">{name}</th>' for name in compress(head, kept))
        + f"</tr></thead><tbody>{body}</tbody></table>"
    )


def _with_error(value: float | None, error: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" + (f" ± {error:.1e}" if error else "")
