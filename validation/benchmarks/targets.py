"""What design called for, beside what was measured: ratios to peers of the same run, never seconds alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Row = dict[str, Any]


def find(rows: Sequence[Row], **wanted: Any) -> Row | None:
    """The first row with these values that has figures."""
    for row in rows:
        if "skipped" not in row and all(row.get(key) == value for key, value in wanted.items()):
            return row
    return None


def verdict(work: str, value: float, limit: float, unit: str = "", least: bool = True) -> Row:
    """One line: met, or by how much missed."""
    met = value >= limit if least else value <= limit
    by = max(value, limit) / max(min(value, limit), 1e-300)
    sign = "at least" if least else "at most"
    said = "met" if met else f"missed by {by:.2f}"
    return {"work": work, "measured": f"{value:.3g}{unit}", "target": f"{sign} {limit:.3g}{unit}", "verdict": said}


# factors called for over each peer: in one dimension, in two
FACTORS = {
    "scipy_expm": (None, 20.0),
    "fplanck_matrix": (100.0, 50.0),
    "fipy_implicit": (50.0, 50.0),
    "py_pde": (10.0, 1.0),
}


def propagation_targets(table: Sequence[Row]) -> Iterator[Row]:
    """Errors, and processor time of a peer's run over ours: over the whole call, and over the run with Q in hand."""
    for case, n, error in (("ou", 400, 3.2e-4), ("double_well", 128, 9.7e-4), ("double_well", 256, 2.4e-4)):
        ours, run = (find(table, case=case, peer=peer, n=n) for peer in ("ours", "ours_in_hand"))
        if ours is None:
            continue
        yield verdict(f"{case} {n}: L1 error", ours["error"], error, least=False)
        for peer, factors in FACTORS.items():
            row, factor = find(table, case=case, peer=peer, n=n), factors[case == "double_well"]
            for name, mine in (("whole call", ours), ("run with Q in hand", run)):
                if row is not None and factor is not None and mine is not None:
                    ratio = row["processor"] / mine["processor"]
                    yield verdict(f"{case} {n}: {row['label']}, run / our {name}", ratio, factor)


def other_targets(tables: dict[str, list[Row]]) -> Iterator[Row]:
    """Stationary state, bandwidth, memory, path steps."""
    stationary = tables["stationary"]
    ours, splu = find(stationary, label="fokkerplanck", n=256), find(stationary, label="one splu", n=256)
    if ours and splu:
        yield verdict(
            "stationary 256^2: ours / one factorisation", ours["processor"] / splu["processor"], 1.2, least=False
        )
    kernel = find(tables["kernels"], n=2048, threads=1)
    if kernel:
        yield verdict("generator 2048^2: share of triad", 100 * kernel["rate"] / kernel["triad"], 60.0, " %")
    copies = find(tables["memory"], label="propagation 2D beyond Q")
    if copies:
        yield verdict(f"memory 2D {copies['n']}^2 beyond Q, copies", copies["copies"], 10.0, least=False)
    paths = find(tables["sgd"], label="SGD paths")
    if paths:
        yield verdict("SGD path steps a second a core", paths["rate"], 3e7)
