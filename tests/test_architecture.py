"""Arrows go one way: model -> solvers -> results -> plots, kernels at the bottom knowing nothing but arrays."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fokkerplanck"
SOLVERS = ROOT / "solvers"

# A module imports from its own level or below; what a level holds beyond this list is placed by its folder
LEVELS = [
    {"errors", "checks", "_cache"},
    {"grid", "solvers.kernels"},
    {"_symbolic", "formula", "jumps", "equation", "density"},
    {"solvers"},
    {"montecarlo", "sgd"},
    {"results", "laws", "transport", "distances"},
    {
        "basins",
        "compare",
        "deep_linear",
        "distress",
        "problems",
        "storage",
        "tables",
        "tail",
        "sgd.operator",
        "sgd.chain",
    },
    {"plotting", "_drawing"},
    {"csv_data", "runfile", "run", "verdicts", "study", "study_report", "deep_study", "selfcheck"},
    {"cli"},
]


def modules():
    """Dotted name within the package, file."""
    found = {}
    for base, prefix in ((PACKAGE, ""), (SOLVERS, "solvers.")):
        for path in sorted(base.rglob("*.py")):
            relative = path.relative_to(base)
            if base is PACKAGE and relative.parts[0] == "solvers":
                continue
            name = prefix + ".".join(relative.with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    found.pop("__init__", None)
    return {name: path for name, path in found.items() if name not in ("solvers.__init__", "__main__")}


def level(name):
    fitting = [
        (len(entry), number)
        for number, entries in enumerate(LEVELS)
        for entry in entries
        if f"{name}.".startswith(f"{entry}.")
    ]
    assert fitting, f"module {name} has no place in LEVELS"
    return max(fitting)[1]


def imports(path, name, late=False):
    """(ours, foreign) modules imported at the top; with late, also inside functions."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if late else (n for top in tree.body for n in ([top] if not isinstance(top, ast.If) else []))
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    ours, foreign = set(), set()
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                (ours if alias.name.split(".")[0] == "fokkerplanck" else foreign).add(
                    alias.name.removeprefix("fokkerplanck.")
                )
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                module = node.module or ""
                (ours if module.split(".")[0] == "fokkerplanck" else foreign).add(module.removeprefix("fokkerplanck."))
                continue
            base = package[: len(package) - (node.level - 1)]
            stem = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            ours |= {stem} if node.module else {".".join([*base, alias.name]) for alias in node.names}
    return ours, foreign


def test_every_module_is_placed():
    assert len(modules()) > 15
    for name in modules():
        level(name)


@pytest.mark.parametrize("name", modules())
def test_imports_go_down(name):
    path = modules()[name]
    for other in imports(path, name)[0]:
        if other == "fokkerplanck" or not other:
            assert level(name) == len(LEVELS) - 1, f"{name} imports the whole package"
            continue
        assert level(other) <= level(name), f"{name} imports {other}, which lies above it"


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("solvers.kernels")])
def test_kernels_know_nothing_but_arrays(name):
    ours, foreign = imports(modules()[name], name, late=True)
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


def test_files_stay_readable():
    # style.md 9: no file over 500 lines, no function over 80
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
