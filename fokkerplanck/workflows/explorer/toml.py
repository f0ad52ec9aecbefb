"""Run files written: the plain values of a state as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

FULL = "full"  # TOML has no null: a batch size that is none is the whole data set


def run_file_text(content: Mapping[str, Any]) -> str:
    """The content of a run file as TOML that `fokkerplanck run` reads: keys of the top first, then a table a section."""
    tables = {name: entry for name, entry in content.items() if isinstance(entry, Mapping)}
    lines = [_line(name, entry) for name, entry in content.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{_key(name)}]", *(_line(key, entry) for key, entry in table.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _line(key: str, value: Any) -> str:
    return f"{_key(key)} = {_value(value)}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _string(name)


def _value(value: Any) -> str:
    if value is None:
        return _string(FULL)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_line(key, entry) for key, entry in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return repr(value)


def _string(text: str) -> str:
    """A basic string: what JSON escapes, and DEL, which TOML wants escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
