"""Settings of the documentation: `sphinx-build -W docs docs/_build/html`."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]

VERSION = re.search(r'^version = "(.+)"$', (DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"), flags=re.M)
assert VERSION is not None

project = "fokkerplanck"
author = "The fokkerplanck developers"
copyright = "the fokkerplanck developers"
version = release = VERSION[1]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "plain_docstrings",
    "pages",
    "explorer",
]
exclude_patterns = [
    "howto/petsc_stationary.py",
    "howto/slepc_spectrum.py",
    "_build",
    "_ext",
    "_gallery",
    "conf.py",
    "auto_examples/*.ipynb",
    "auto_examples/*.py",
]

# Pages: MyST Markdown, of which those with a kernel in their head are run; the tutorial is a script with cells
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".py": "myst-nb"}
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
os.environ.pop("MPLBACKEND", None)  # figures appear in the pages
nb_kernel_rgx_aliases = {".*": "python3"}
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

smartquotes = False  # "auto" is a value

# Reference: numpydoc sections, read as plain text otherwise (see _ext/plain_docstrings.py)
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = True
templates_path = ["_templates"]

# Gallery: the scripts of examples/, run as they stand
sphinx_gallery_conf = {
    "examples_dirs": ["_gallery"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"\.py$",
    "parallel": 2,  # examples at a time
    "image_scrapers": ("pictures.written",),
    "reset_modules": ("pictures.name_the_script",),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "default_thumb_file": str(DOCS / "tutorial_density.png"),
}
# Scripts on a coarse grid say so; the page shows their output, not the warnings of the machine it was built on
warnings.filterwarnings("ignore", module="fokkerplanck")

html_theme = "pydata_sphinx_theme"
html_title = "fokkerplanck"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
ALONE = (
    "index",
    "tutorial",
    "tutorial_network",
    "gallery",
    "method",
    "validation",
    "benchmarks",
    "reference_cases",
    "glossary",
    "changelog",
)
html_sidebars: dict[str, list[str]] = {page: [] for page in ALONE}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
}
