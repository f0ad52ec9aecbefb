"""`python -m validation`: list the claims, or run those whose number or name is given.

python -m validation              what exists
python -m validation 07 fipy      the claims that match
python -m validation.benchmarks   the peers, side by side
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent


def claims() -> list[Path]:
    """The scripts NN_claim.py in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def headline(script: Path) -> str:
    """The first line of a script's docstring."""
    return script.read_text(encoding="utf-8").split('"""', 2)[1].strip().splitlines()[0]


def main(arguments: list[str] | None = None) -> int:
    """Run the claims named on the command line, or list all."""
    parser = argparse.ArgumentParser(prog="python -m validation", description="Run the claims, or list them.")
    parser.add_argument("claim", nargs="*", help="a number (07) or a part of a name (fipy)")
    parser.add_argument("--quick", action="store_true", help="coarse levels only")
    options = parser.parse_args(arguments)
    chosen = [s for s in claims() if any(word in s.stem for word in options.claim)]
    if not options.claim:
        print(*(f"{script.stem:28s} {headline(script)}" for script in claims()), sep="\n")
        return 0
    if not chosen:
        print(f"no claim matches {' '.join(options.claim)}; `python -m validation` lists them", file=sys.stderr)
        return 2
    failed = 0
    for script in chosen:
        print(f"== {script.stem}")
        failed += bool(importlib.import_module(f"validation.{script.stem}").main(["--quick"] if options.quick else []))
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
