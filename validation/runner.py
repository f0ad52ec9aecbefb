"""Runs claims side by side, on the engine of sweeps and studies: a lost process is a line in the report, not its end."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fokkerplanck.storage.files import write_atomically
from fokkerplanck.workflows.executors import spread_over
from validation import claim
from validation.claim import Outcome

HERE = Path(__file__).parent
LAST_LINES = 12  # of the traceback of a claim that raised


def claims() -> list[Path]:
    """The scripts NN_claim.py in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def headline(script: Path) -> str:
    """The first line of a script's docstring."""
    return script.read_text(encoding="utf-8").split('"""', 2)[1].strip().splitlines()[0]


def run_one(script: Path, quick: bool) -> tuple[Outcome, dict[str, bytes]]:
    """A claim, and the files that it writes by name: whoever asks may be on another machine."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[script.stem] = module  # where its dataclasses look for it
    with tempfile.TemporaryDirectory() as folder:
        spec.loader.exec_module(module)
        outcome = claim.run(module, quick, Path(folder))
        return outcome, {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def run_all(
    scripts: Sequence[Path], quick: bool, out: Path, workers: int | None = 2, scheduler: str | None = None
) -> list[Outcome]:
    """All claims in `workers` processes, or by those of a Dask scheduler, with a line as each ends; by their names."""
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    outcomes = []
    with spread_over(workers, scheduler) as spread:
        print(f"{len(scripts)} claims, " + (f"{workers} at a time" if workers else f"by {scheduler}"), flush=True)
        for k, result in spread({k: partial(run_one, script, quick) for k, script in enumerate(scripts)}):
            outcome, files = (_failed(scripts[k], result), {}) if isinstance(result, BaseException) else result
            for name, content in files.items():
                _write(out / name, content)
            outcomes.append(outcome)
            elapsed = f"{time.monotonic() - began:5.0f} s  {len(outcomes)}/{len(scripts)}"
            print(f"{elapsed}  {outcome.name:24s} {outcome.trouble or outcome.verdict}", flush=True)
    return sorted(outcomes, key=lambda outcome: outcome.name)


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda place: Path(place).write_bytes(content))


def _failed(script: Path, error: BaseException) -> Outcome:
    """The outcome of a claim that raised, or whose process was lost."""
    said = "".join(traceback.format_exception(error.__cause__ or error)).strip().strip('"').strip()
    last = "\n".join(said.splitlines()[-LAST_LINES:])
    trouble = " ".join(f"crashed: {type(error).__name__}: {error}".split())
    text = claim.section(script.stem, headline(script), trouble, f"```\n{last}\n```")
    return Outcome(script.stem, headline(script), (), text, 0.0, trouble)
