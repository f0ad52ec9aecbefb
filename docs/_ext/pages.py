"""Pages that follow from the sources: the reference of public names, the scripts of the gallery, the list of how-to pages."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

from plain_docstrings import plain

# Title of a group of names, and the folders or modules of the package that they come from
GROUPS = {
    "Equation, grid and initial density": ("model", "formulas"),
    "Questions": ("queries", "passages", "analysis", "energy_basins", "rare_events", "solvers"),
    "Results": ("results", "storage"),
    "Stochastic gradient descent": ("sgd",),
    "Simulation": ("simulation",),
    "Comparison": ("comparison", "statistics"),
    "Errors and warnings": ("errors",),
}
PAGES_OF_OTHERS = {"index", "gallery", "method", "reference_cases", "validation", "benchmarks", "glossary", "changelog"}


def public_names() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Full names in `fokkerplanck.__all__` by group, and those of its public modules which stand nowhere else."""
    package = importlib.import_module("fokkerplanck")
    groups: dict[str, list[str]] = {title: [] for title in GROUPS}
    modules = {"fokkerplanck.sgd": importlib.import_module("fokkerplanck.sgd")}
    known: set[int] = set()
    for name in package.__all__:
        item = getattr(package, name)
        if isinstance(item, ModuleType):
            modules[f"fp.{name}"] = item
            continue
        known.add(id(item))
        room = item.__module__.split(".")[1]
        title = next((title for title, rooms in GROUPS.items() if room in rooms), room.replace("_", " ").capitalize())
        groups.setdefault(title, []).append(f"fokkerplanck.{name}")
    more = {f"``{title}``": [f"{m.__name__}.{name}" for name in own_names(m, known)] for title, m in modules.items()}
    return groups, more


def own_names(module: ModuleType, known: set[int]) -> list[str]:
    """Public functions and classes of a module, without those known from elsewhere."""
    defined = [name for name, item in vars(module).items() if getattr(item, "__module__", "") == module.__name__]
    items = {name: getattr(module, name) for name in getattr(module, "__all__", defined) if not name.startswith("_")}
    return [name for name, item in items.items() if callable(item) and inspect.getdoc(item) and id(item) not in known]


def write_reference(folder: Path) -> None:
    """`reference/index.rst`: every public name, by group."""
    groups, modules = public_names()
    text = ["Reference", "=========", "", "Names of ``import fokkerplanck as fp``, by what they are for.", ""]
    for title, names in (groups | modules).items():
        text += [title, "-" * len(title), "", *table(names)] if names else []
    folder.mkdir(exist_ok=True)
    write_if_changed(folder / "index.rst", "\n".join(text))
    known = set().union(*groups.values(), *modules.values())
    for page in folder.glob("api/*.rst"):
        if page.stem not in known:
            page.unlink()  # of an earlier build


def table(names: list[str]) -> list[str]:
    """An autosummary directive for full names."""
    return [".. autosummary::", "   :toctree: api", "   :nosignatures:", "", *(f"   ~{name}" for name in names), ""]


def with_title(source: str) -> str:
    """A script whose docstring starts with a title, as sphinx-gallery wants it; its text stands for itself."""
    doc = ast.parse(source).body[0]
    text = inspect.cleandoc(ast.literal_eval(ast.get_source_segment(source, doc) or "''"))
    title, rest = re.match(r"([^:?]+\??)(?::\s+|\s+|\.$|$)(.*)", text.split("\n\n")[0].replace("\n", " ")).groups()  # type: ignore[union-attr]
    title = title.rstrip(".")
    body = [rest[:1].upper() + rest[1:], "", *text.split("\n")[text.split("\n\n")[0].count("\n") + 1 :]]
    lines = [title, "=" * len(title), "", *plain(body)]
    after = "\n".join(source.splitlines()[doc.end_lineno or 0 :])
    return 'r"""' + "\n".join(lines) + '\n"""\n' + after + "\n"


def copy_scripts(examples: Path, folder: Path) -> None:
    """The scripts of `examples/` with titles, and the data they read."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in sorted(examples.iterdir()):
        if path.suffix == ".py":
            (folder / path.name).write_text(with_title(path.read_text(encoding="utf-8")), encoding="utf-8")
        elif path.suffix in (".csv", ".toml"):
            shutil.copy(path, folder)
    heading = "Examples\n========\n\nThe scripts of ``examples/``, with what they print and draw.\n"
    (folder / "GALLERY_HEADER.rst").write_text(heading, encoding="utf-8")


def write_if_changed(path: Path, text: str) -> None:
    """Leave a file alone that is as it should be, so that Sphinx need not read it again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def before_reading(app: Any, config: Any) -> None:
    """Write what is made from the sources."""
    docs = Path(app.srcdir)
    write_reference(docs / "reference")
    copy_scripts(docs.parent / "examples", docs / "_gallery")


def list_how_to_pages(app: Any, docname: str, source: list[str]) -> None:
    """Pages that lie in `docs/` itself and belong to no other part are how-to pages."""
    if docname == "howto/index":
        pages = sorted(p.stem for p in Path(app.srcdir).glob("*.md") if p.stem not in PAGES_OF_OTHERS)
        source[0] = source[0].replace("<other pages>", "\n".join(f"../{page}" for page in pages))


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", before_reading)
    app.connect("source-read", list_how_to_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
