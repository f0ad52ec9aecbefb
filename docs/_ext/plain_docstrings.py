"""Docstrings as they are written: plain text with formulas, in numpydoc sections.

reStructuredText would read D**2, |k|^a and x_ as markup and needs :: before a formula on lines of its own; here such signs
stand for themselves, and indented lines and aligned tables are shown as they stand.
"""

from __future__ import annotations

import re
from typing import Any

import fokkerplanck

MARKUP = re.compile(r"``[^`]+``|`([^`]+)`|([*|\\]|(?<=\w)_(?!\w))")
FIELDS = {"Parameters", "Attributes", "Returns", "Raises", "Yields", "Warns", "Other Parameters", "See Also"}


def escape(lines: list[str]) -> list[str]:
    """Lines outside of code, where no sign is markup but backticks; public names in these are links."""
    return MARKUP.sub(_marked, "\n".join(lines)).split("\n")


def _marked(match: re.Match[str]) -> str:
    code, sign = match.groups()
    if sign:
        return "\\" + sign
    if code is None:
        return match[0]
    name = code.removeprefix("fp.")
    if name in fokkerplanck.__all__:
        return f":py:obj:`{code} <fokkerplanck.{name}>`"
    return f":py:obj:`{code}`" if re.fullmatch(r"fokkerplanck[.\w]+", code) else f"``{code}``"


def indented(line: str) -> bool:
    """Whether a line starts with a blank."""
    return line.startswith((" ", "\t"))


def paragraphs(lines: list[str]) -> list[list[str]]:
    """Runs of lines between empty ones."""
    runs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            runs[-1].append(line)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def plain(lines: list[str]) -> list[str]:
    """reStructuredText that shows the docstring `lines` as plain text."""
    section, literal, result = "", False, []
    for run in paragraphs(lines):
        if len(run) > 1 and re.fullmatch("-{3,}", run[1].strip()):
            section = run[0].strip()
            result += run[:2]
            run = run[2:]
            literal = False
        in_fields = section in FIELDS
        if run and run[0].lstrip().startswith(">>>"):
            result += [*run, ""]
        elif run and not in_fields and all(map(indented, run)):  # a formula on lines of its own
            result += [*([] if literal else ["::", ""]), *run, ""]
            literal = True
            continue
        elif run and not in_fields and any(map(indented, run)) and not run[0].startswith(("- ", "..", "1.")):
            result += ["::", "", *("    " + line for line in run), ""]  # an aligned table
        else:
            result += [*(map(with_type, escape(run)) if in_fields else escape(run)), ""]
        literal = False
    return result


def with_type(line: str) -> str:
    """A line "name : what it is" with the latter in italics, so that its words are not taken for names of objects."""
    name, colon, kind = line.partition(" : ")
    return f"{name} : *{kind}*" if colon and kind and not indented(line) and "`" not in kind else line


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Handle autodoc's docstrings before napoleon does."""
    lines[:] = plain(lines)
    if what in ("attribute", "property"):
        lines[:0] = [
            "..",
            "",
        ]  # an empty comment: napoleon takes what stands before a colon in the first line for a type


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
