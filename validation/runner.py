"""Runs claims, each in a process of its own, so that a crash of one is a line in the report and not the end of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from validation import claim
from validation.claim import Outcome

HERE = Path(__file__).parent
ONE_THREAD = dict.fromkeys(("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
LAST_LINES = 12  # of what a crashed claim said


def claims() -> list[Path]:
    """The scripts NN_claim.py in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def headline(script: Path) -> str:
    """The first line of a script's docstring."""
    return script.read_text(encoding="utf-8").split('"""', 2)[1].strip().splitlines()[0]


def run_one(script: Path, quick: bool, out: Path) -> Outcome:
    """A claim in a process of its own, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "outcome.json"
        command = [sys.executable, str(script), "--out", str(out), "--save", str(result)]
        paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": paths}
        done = subprocess.run(
            command + ["--quick"] * quick, env=environment, capture_output=True, text=True, check=False
        )
        if result.exists():
            return Outcome.load(result)
    said = "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
    trouble = f"crashed with exit status {done.returncode}"
    text = claim.section(script.stem, headline(script), trouble, f"```\n{said}\n```")
    return Outcome(script.stem, headline(script), (), text, 0.0, trouble)


def run_all(scripts: Sequence[Path], quick: bool, out: Path, workers: int = 2) -> list[Outcome]:
    """All claims, `workers` at a time, with a line as each ends; in the order of their names."""
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    outcomes = []
    print(f"{len(scripts)} claims, {workers} at a time", flush=True)
    pool = ThreadPoolExecutor(workers)
    try:
        for job in as_completed([pool.submit(run_one, script, quick, out) for script in scripts]):
            outcome = job.result()
            outcomes.append(outcome)
            elapsed = f"{time.monotonic() - began:5.0f} s  {len(outcomes)}/{len(scripts)}"
            print(f"{elapsed}  {outcome.name:24s} {outcome.trouble or outcome.verdict}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupted run starts no further claims
    return sorted(outcomes, key=lambda outcome: outcome.name)
