"""FiPy, an independent second solver, gives the same densities in two dimensions.

Claim: the difference between `fp.solve` and FiPy 4 falls with order 2 in the cell size, for (a) the double well with
rotation (case C4) and (b) a rotating drift with diagonal, position-dependent D read at the start of a step (Ito).

FiPy's `DiffusionTerm(D)` alone is div(D grad p), the Klimontovich convention; the Ito flux mu p - d_i(D_i p) needs the
velocity mu_i - d_i D_i. Leaving that out is the control: the difference then stops falling. FiPy discretises drift by
central differences (order 2 in space, no exponential fit, so that little is shared with ours) and time by implicit
Euler steps (order 1), extrapolated from n and 2n steps to order 2; solver tolerance 1e-12, since the default of 1e-5 skips
steps that change the density little.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fokkerplanck as fp

LEVELS = (32, 64, 128)
OUT = Path(__file__).parent / "report" / Path(__file__).stem


@dataclass(frozen=True)
class Case:
    """A drift, a diagonal D with d_i D_i, a square box, and N(mean, 0.3^2) at time 0."""

    name: str
    half: float
    time: float
    mean: tuple[float, float]
    drift: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
    diffusion: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
    slope: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]

    def start(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The initial density."""
        return np.exp(-((x - self.mean[0]) ** 2 + (y - self.mean[1]) ** 2) / 0.18) / (0.18 * np.pi)


DOUBLE_WELL = Case(
    "double well with rotation",
    2.5,
    0.5,
    (-1.0, 0.0),
    drift=lambda x, y: [-4 * x * (x * x - 1) - 0.5 * y, -4 * y + 0.5 * x],
    diffusion=lambda x, y: [0.25 + 0 * x, 0.25 + 0 * x],
    slope=lambda x, y: [0 * x, 0 * y],
)
VARIABLE = Case(
    "variable D, Ito",
    3.0,
    0.5,
    (0.5, 0.3),
    drift=lambda x, y: [-x - y, x - y],
    diffusion=lambda x, y: [0.2 + 0.15 * x**2, 0.15 + 0.1 * np.sin(y) ** 2],
    slope=lambda x, y: [0.3 * x, 0.2 * np.sin(y) * np.cos(y)],
)
CASES = (DOUBLE_WELL, VARIABLE)


def ours(case: Case, n: int) -> np.ndarray:
    """The density on n x n cells by `fp.solve`."""
    eq = fp.FokkerPlanck(drift=case.drift, diffusion=case.diffusion)
    grid = fp.Grid([(-case.half, case.half)] * 2, [n, n])
    return fp.solve(eq, grid, case.start, case.time).density[-1]


def fipy_steps(case: Case, n: int, steps: int, ito: bool = True) -> np.ndarray:
    """The density by implicit steps of FiPy; `ito=False` leaves out the noise-induced drift."""
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    import fipy

    h = 2 * case.half / n
    corner = ((-case.half,), (-case.half,))
    mesh = fipy.Grid2D(nx=n, ny=n, dx=h, dy=h) + corner
    x, y = mesh.faceCenters.value
    velocity = np.array(case.drift(x, y)) - (np.array(case.slope(x, y)) if ito else 0.0)
    velocity = fipy.FaceVariable(mesh=mesh, rank=1, value=velocity)
    velocity.setValue(0.0, where=mesh.exteriorFaces)  # reflecting walls
    # every face sees the component of D across it
    across = np.where(np.abs(mesh.faceNormals[0]) > 0.5, *case.diffusion(x, y))
    diffusion = fipy.FaceVariable(mesh=mesh, value=across)
    equation = fipy.TransientTerm() == fipy.DiffusionTerm(diffusion) - fipy.CentralDifferenceConvectionTerm(velocity)
    p = fipy.CellVariable(mesh=mesh, value=case.start(*mesh.cellCenters.value))
    solver = fipy.LinearLUSolver(tolerance=1e-12)
    for _ in range(steps):
        equation.solve(var=p, dt=case.time / steps, solver=solver)
    return p.value.reshape(n, n).T  # the first axis varies fastest


def fipy_density(case: Case, n: int, ito: bool = True) -> np.ndarray:
    """Two runs, extrapolated to order 2 in time."""
    steps = n // 2
    return 2 * fipy_steps(case, n, 2 * steps, ito) - fipy_steps(case, n, steps, ito)


def study(levels: Sequence[int] = LEVELS) -> list[dict[str, Any]]:
    """A row for each case and number of cells: L1 difference, its order, and the same for the control."""
    table: list[dict[str, Any]] = []
    for case in CASES:
        previous: dict[str, Any] = {}
        for n in levels:
            mine, area = ours(case, n), (2 * case.half / n) ** 2
            row = {
                "case": case.name,
                "cells": n,
                "difference": float(np.abs(mine - fipy_density(case, n)).sum() * area),
            }
            if previous:
                fall = previous["difference"] / row["difference"]
                row["order"] = float(np.log(fall) / np.log(n / previous["cells"]))
            if case is VARIABLE:
                row["control"] = float(np.abs(mine - fipy_density(case, n, ito=False)).sum() * area)
            table.append(row)
            previous = row
    return table


def markdown(table: list[dict[str, Any]]) -> str:
    """The table as Markdown, with a verdict a case."""
    lines = ["| case | cells | L1 difference | order | without -d_i D_i |", "| --- | --- | --- | --- | --- |"]
    for row in table:
        order = f"{row['order']:.2f}" if "order" in row else ""
        control = f"{row['control']:.2e}" if "control" in row else ""
        lines.append(f"| {row['case']} | {row['cells']}^2 | {row['difference']:.2e} | {order} | {control} |")
    return "\n".join(lines) + "\n"


def figure(table: list[dict[str, Any]], path: Path) -> None:
    """Differences against the cell size, with a line of order 2."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6.0, 4.4), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.add_subplot()
    for case, (marker, dash) in zip(CASES, (("o", "-"), ("s", "--")), strict=True):
        rows = [row for row in table if row["case"] == case.name]
        size = [2 * case.half / row["cells"] for row in rows]
        axes.loglog(size, [row["difference"] for row in rows], marker=marker, linestyle=dash, label=case.name)
        if "control" in rows[0]:
            controls = [row["control"] for row in rows]
            axes.loglog(size, controls, "x:", color="0.4", label="control: variable D, noise-induced drift left out")
    anchor = np.array(size)
    axes.loglog(anchor, 0.5 * rows[-1]["difference"] * (anchor / anchor[-1]) ** 2, color="0.6", lw=1, label="order 2")
    axes.set_xlabel("cell size")
    axes.set_ylabel("L1 difference to FiPy")
    axes.legend(frameon=False, fontsize=9)
    axes.grid(which="major", color="0.9")
    picture.savefig(path, dpi=130)


def main(arguments: list[str] | None = None) -> int:
    """Run the study and write table, CSV and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    table = study(LEVELS[:2] if options.quick else LEVELS)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["case", "cells", "difference", "order", "control"])
        writer.writeheader()
        writer.writerows(table)
    page = f"# {__doc__.strip()}\n\n{markdown(table)}\n![differences](difference.png)\n"
    (options.out / "page.md").write_text(page, encoding="utf-8")
    figure(table, options.out / "difference.png")
    print(markdown(table))
    good = all(1.8 < row["order"] < 2.3 for row in table if "order" in row)
    print("verdict: " + ("agrees" if good else "DISAGREES"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
