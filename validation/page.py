"""The page of the report: what was run, a summary, and a section a claim."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Sequence
from importlib.metadata import version

import fokkerplanck
from validation import claim
from validation.claim import Outcome

READING = """\
Each section states a claim and its reference, then lists what was measured beside it. *Error* is relative (%), in standard
errors of a simulation (s.e., after the stated bias of the grid is taken off), or as it stands; *order* is how fast it falls
with the column *cells*; *allowed* is the limit for the verdict. A **control** is a model that is wrong on purpose: it has to
exceed its limit, and then counts as caught. The same numbers at full precision are in the CSV file beside each picture."""


def anchor(outcome: Outcome) -> str:
    """The name under which a Markdown viewer knows the section's heading."""
    heading = f"{outcome.name[:2]} {outcome.headline}".lower()
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line a claim."""
    lines = ["| claim | rows | controls caught | verdict | processor s |", "| --- | ---: | ---: | --- | ---: |"]
    for outcome in outcomes:
        controls = [row.good for row in outcome.rows if row.control]
        caught = f"{sum(controls)} of {len(controls)}" if controls else ""
        link = f"[{outcome.name[:2]} {outcome.headline}](#{anchor(outcome)})"
        rows = len(outcome.rows) - len(controls)
        lines.append(f"| {link} | {rows} | {caught} | {outcome.verdict} | {outcome.seconds:.0f} |")
    return "\n".join(lines)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """What to remember."""
    rows = [row for outcome in outcomes for row in outcome.rows]
    wrong = [outcome.name for outcome in outcomes if not outcome.good]
    skipped = [f"{outcome.name} ({outcome.trouble})" for outcome in outcomes if outcome.verdict == "skipped"]
    controls = [row for row in rows if row.control]
    text = f"**{len(rows) - len(controls)} comparisons, {len(controls)} wrong models: "
    text += f"failed: {', '.join(wrong)}.**" if wrong else "all hold, and every wrong model is caught.**"
    chance = claim.false_alarm(rows)
    text += (
        f" Chance alone would fail at least one comparison in {chance:.2g} of all runs; seeds are fixed."
        if chance
        else ""
    )
    return text + "".join(f" Not run: {name}." for name in skipped)


def surroundings() -> str:
    """Programs and processors behind the numbers."""
    programs = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba"))
    return f"fokkerplanck {fokkerplanck.__version__}, Python {platform.python_version()}, {programs}, {os.cpu_count()} cores"


def page(outcomes: Sequence[Outcome], command: str) -> str:
    """The whole page."""
    levels = "coarse levels" if "--quick" in command else "full levels"
    ran = f"`{command}` ({levels}), {time.strftime('%Y-%m-%d')}: {surroundings()}."
    parts = ["# Validation", ran, verdict(outcomes), READING, summary(outcomes)]
    if (claim.REPORT / "benchmarks.md").exists():
        parts.append(
            "Speed and accuracy beside other programs: [benchmarks.md](benchmarks.md), by `python -m validation.benchmarks`."
        )
    return "\n\n".join([*parts, *(outcome.section.strip() for outcome in outcomes)]) + "\n"
