"""Rooms and arrows: each folder is a room with one meaning, and imports lead from a room to rooms below it only."""

import ast

import pytest
from paths import ROOT

PACKAGE = ROOT / "fokkerplanck"
SOLVERS = ROOT / "solvers"

# From the ground up. A module imports from its own room or from rooms before it, inside functions too.
ROOMS = [
    "version",
    "errors",
    "progress",
    "arguments",
    "figure_layout",
    "randomness",
    "formulas",
    "statistics",
    "model",
    "solvers.kernels",
    "solvers.discretization",
    "solvers.linear",
    "solvers.evolution",
    "solvers.accuracy",
    "storage",
    "results",
    "simulation",
    "comparison",
    "energy_basins",
    "wall_and_grid_warnings",
    "rare_events",
    "sgd",
    "queries",
    "passages",
    "analysis",
    "inference",
    "deep_linear",
    "networks",
    "workflows",
    "cli",
]
MOST_FLAT = 12  # files that lie flat in fokkerplanck/


def modules():
    """Dotted name within the package, file; the package's own front page and its command are above everything."""
    found = {}
    for base, prefix in ((PACKAGE, ""), (SOLVERS, "solvers.")):
        for path in sorted(base.rglob("*.py")):
            relative = path.relative_to(base)
            if base is PACKAGE and relative.parts[0] == "solvers":
                continue
            name = prefix + ".".join(relative.with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return {name: path for name, path in found.items() if name not in ("__init__", "__main__", "solvers")}


def room(name):
    """The room of a module."""
    fitting = [r for r in ROOMS if f"{name}.".startswith(f"{r}.")]
    assert fitting, f"module {name} lies in no room of ROOMS"
    return max(fitting, key=len)


def for_types_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def statements(tree):
    """All nodes but those under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if not for_types_only(node):
            yield node
            yield from statements(node)


def imports(path, name):
    """(ours, foreign) modules that a module imports, at the top or inside functions."""
    known, package = modules(), name.split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    ours, foreign = set(), set()

    def add(module, names):
        if module.split(".")[0] != "fokkerplanck":
            foreign.add(module)
            return
        inner = module.removeprefix("fokkerplanck").removeprefix(".")
        for alias in names:
            full = f"{inner}.{alias}".strip(".")
            ours.add(full if full in known else inner)

    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name, [""])
        elif isinstance(node, ast.ImportFrom):
            base = ["fokkerplanck", *package][: len(package) + 2 - node.level] if node.level else []
            add(".".join([*base, *([node.module] if node.module else [])]), [alias.name for alias in node.names])
    return ours, foreign


def test_rooms_are_said_in_their_first_line():
    for base in (PACKAGE, SOLVERS):
        for path in base.rglob("__init__.py"):
            assert ast.get_docstring(ast.parse(path.read_text())), path


def test_few_files_lie_flat():
    flat = sorted(path.name for path in PACKAGE.glob("*.py"))
    assert len(flat) <= MOST_FLAT, flat


def test_every_room_is_there_and_every_module_is_placed():
    placed = {room(name) for name in modules()}
    assert len(modules()) > 100
    assert placed <= set(ROOMS)


def test_no_arrow_leads_back():
    back = [
        f"{name} -> {other}: {room(other)} lies above {room(name)}"
        for name, path in modules().items()
        for other in imports(path, name)[0]
        if not other or ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert not back, "\n" + "\n".join(back)


def test_no_module_is_part_of_a_circle():
    arrows = {name: imports(path, name)[0] - {name} for name, path in modules().items()}
    seen, circles = {}, []

    def visit(name, trail):
        if seen.get(name) == "open":
            circles.append(" -> ".join([*trail[trail.index(name) :], name]))
        if name in seen:
            return
        seen[name] = "open"
        for other in sorted(arrows.get(name, ())):
            visit(other, [*trail, name])
        seen[name] = "done"

    for name in arrows:
        visit(name, [])
    assert not circles, "\n" + "\n".join(circles)


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("solvers.kernels")])
def test_kernels_know_nothing_but_arrays(name):
    ours, foreign = imports(modules()[name], name)
    assert {o for o in ours if not o.startswith("solvers.kernels")} == set()
    assert {f.split(".")[0] for f in foreign} <= {"numpy", "numba", "math", "typing", "__future__"}


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("solvers")])
def test_solvers_import_relatively(name):
    # imported as fokkerplanck.solvers and never as a package of its own
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert not (node.module or "").startswith(("fokkerplanck", "solvers"))
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] in ("fokkerplanck", "solvers") for alias in node.names)


def test_files_and_functions_stay_readable():
    for name, path in modules().items():
        text = path.read_text()
        assert len(text.splitlines()) <= 500, name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.end_lineno - node.lineno + 1
                doc = ast.get_docstring(node)
                assert body - (len(doc.splitlines()) if doc else 0) <= 80, f"{name}.{node.name}"


def test_nothing_evaluates_text():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), name
