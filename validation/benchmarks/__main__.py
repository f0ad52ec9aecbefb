"""`python -m validation.benchmarks [--quick] [--out DIR]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import (
    asked,
    driven,
    explorer,
    figures,
    growth,
    kernels,
    landscape,
    networks,
    propagation,
    report,
    stationary,
    volume,
)
from .measure import job
from .report import Row
from .targets import other_targets, propagation_targets

NOTES = {
    "propagation": "Peers are charged for the run alone; ours for the whole `fp.solve`, and beside it for the run. "
    "FiPy's steps are of order 1.",
    "kernels": "Bytes: five coefficients, x and y, 56 a cell; rates in bytes/s. Triad: 24 bytes an element, as many threads.",
    "memory": "Largest resident memory beyond that at the start, over 8 bytes a cell.",
    "driven": "Each at the loosest rtol whose error stays below 1e-6; SciPy's Radau with the exact sparse Jacobian and, where "
    "it would step over a pulse, max_step. The two take turns.",
    "asked": "Ours: all of `fp.solve(..., tol=...)`, every grid of the search and the measured errors included, on the cells "
    "that were found. Peers: one run on the cells given (of Chebyshev collocation the order of the polynomials; in time "
    "SciPy's LSODA in one dimension and RK23 in two), matrix in hand, without any knowledge of the error; with `tol` "
    "Chebyshev collocation doubles its points until the change is no larger. All take turns in one process.",
    "growth": "Errors measured on three grids; the largest memory of the process, of which .2 GB is the start.",
    "explorer": "From a moved slider to a new picture: two models, their stationary densities, 1000 paths of SGD, "
    "all errors measured. One thread, as the command has.",
    "networks": "Processor time of a run and step, 48 runs, batches of 32, all that is done once taken off. plain: `jax.grad` "
    "of the mean loss of a batch in `fori_loop` and `vmap`, with a key a run and step. refined: a step with the full gradient, "
    "over N / B of SGD's. digits: noise of their number and sizes.",
    "sgd": "Rate: path steps a second of processor time.",
}


def stationary_rows(quick: bool) -> Iterator[Row]:
    """Ours, one factorisation, fplanck."""
    for n in (64,) if quick else (128, 256):
        for way in stationary.WAYS:
            yield {"label": way, "n": n} | job(stationary.run_one, way=way, n=n)


def kernel_rows(quick: bool) -> Iterator[Row]:
    """One application, serial and with threads."""
    threads = min(os.cpu_count() or 1, 4)
    for n in (256, 2048) if quick else (256, 1024, 2048):
        for count in sorted({1, threads}):
            label = "ours" if count == 1 else "the same, rows dealt to threads"
            yield {"label": label} | job(kernels.run_one, n=n, threads=count)


def memory_rows(quick: bool) -> Iterator[Row]:
    """Copies of the density in 2D, and the run in 3D."""
    n = 256 if quick else 512
    yield {"label": "propagation 2D beyond Q"} | job(volume.run_copies, n=n, whole=False)
    yield {"label": "fp.solve 2D, all included"} | job(volume.run_copies, n=n, whole=True)
    yield {"label": "fp.solve 3D"} | job(volume.run_3d, n=32 if quick else 96)


def sgd_rows(quick: bool) -> Iterator[Row]:
    """The landscape of two datapoints."""
    yield {"label": "density to t = 1000"} | job(landscape.run_density)
    yield {"label": "SGD paths"} | job(landscape.run_paths)


PARTS = {
    "propagation": ("Density at t = 1", propagation.rows),
    "stationary": ("Stationary density, double well with rotation", stationary_rows),
    "kernels": ("One application of the generator", kernel_rows),
    "memory": ("Memory", memory_rows),
    "sgd": ("Two-datapoint landscape", sgd_rows),
    "driven": ("Coefficients that change in time", driven.rows),
    "asked": ("Errors asked for", asked.rows),
    "growth": ("What grows how", growth.rows),
    "explorer": ("Answers of the explorer", explorer.rows),
    "networks": ("A step of a network", networks.rows),
}


def run(quick: bool, out: Path, parts: list[str]) -> dict[str, list[Row]]:
    """Measure, show and write every part; return the tables."""
    out.mkdir(parents=True, exist_ok=True)
    command = f"python -m validation.benchmarks{' --quick' if quick else ''}"
    pages = [f"# Benchmarks\n\n`{command}`, {time.strftime('%Y-%m-%d')}. {report.machine()}\n"]
    tables: dict[str, list[Row]] = {name: [] for name in PARTS}
    for name in parts:
        title, rows = PARTS[name]
        for row in rows(quick):
            tables[name].append(row)
            print(
                f"{name}: {row.get('case', '')} {row['label']} {row.get('n', '')}", row.get("skipped", ""), flush=True
            )
        groups = dict.fromkeys(row.get("case", "") for row in tables[name])
        for group in groups:
            chosen = [row for row in tables[name] if row.get("case", "") == group]
            heading = f"{figures.TITLES[group]}" if group else title
            report.show(heading, chosen)
            pages.append(report.markdown(heading, chosen, NOTES.get(name, "")))
            if group:
                figures.work_precision(chosen, group, out / f"work_precision_{group}.png")
                pages.append(f"![error against processor time](work_precision_{group}.png)\n")
        report.write_csv(out / f"{name}.csv", tables[name])
    verdicts = [*propagation_targets(tables["propagation"]), *other_targets(tables)]
    report.show("Targets", verdicts)
    pages.insert(1, report.markdown("Targets", verdicts))
    (out / "benchmarks.md").write_text("\n".join(pages), encoding="utf-8")
    return tables


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m validation.benchmarks", description="This package and its peers.")
    parser.add_argument("--quick", action="store_true", help="small grids only, about four minutes")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "report" / "benchmarks")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some of the parts")
    options = parser.parse_args(arguments)
    run(options.quick, options.out, options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
