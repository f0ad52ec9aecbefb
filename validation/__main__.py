"""`python -m validation`: every claim, two at a time, and one page for people to read.

python -m validation                all claims, within twenty minutes on two cores; writes validation/report/README.md
python -m validation --quick        coarse levels, within two minutes; writes to results/validation/
python -m validation 07 fipy        the claims that match; their tables on the screen, the page in results/validation/
python -m validation --list         what exists
python -m validation.benchmarks     the peers, side by side

Only the full run writes to validation/report/, unless `--out` says so: the page kept there is never half a page.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from validation import claim
from validation.page import page
from validation.runner import claims, headline, run_all


def main(arguments: list[str] | None = None) -> int:
    """Run the claims named on the command line, or all; 1 if one fails, 2 if none matches."""
    parser = argparse.ArgumentParser(
        prog="python -m validation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("claim", nargs="*", help="a number (07) or a part of a name (fipy)")
    parser.add_argument("--quick", action="store_true", help="coarse levels only")
    parser.add_argument("--list", action="store_true", help="what exists")
    parser.add_argument("--out", type=Path, help="folder for the page, its tables and its pictures")
    parser.add_argument("--workers", type=int, help="claims at a time, each in a process (default: 2)")
    parser.add_argument("--scheduler", help="address of a Dask scheduler; its workers start in the checkout")
    options = parser.parse_args(arguments)
    chosen = [s for s in claims() if not options.claim or any(word in s.stem for word in options.claim)]
    if options.list:
        print(*(f"{script.stem:28s} {headline(script)}" for script in chosen), sep="\n")
        return 0
    if not chosen:
        print(f"no claim matches {' '.join(options.claim)}; see `python -m validation --list`", file=sys.stderr)
        return 2
    whole = not options.quick and not options.claim
    out = options.out or (claim.REPORT if whole else claim.ELSEWHERE)
    workers = 2 if options.workers is None and options.scheduler is None else options.workers
    try:
        outcomes = run_all(chosen, options.quick, out, workers, options.scheduler)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.claim:
        print(*(f"\n{outcome.name}\n{claim.markdown(outcome.rows)}" for outcome in outcomes if outcome.rows), sep="\n")
    command = " ".join(["python -m validation", *options.claim, *(["--quick"] if options.quick else [])])
    (out / "README.md").write_text(page(outcomes, command), encoding="utf-8")
    failed = [outcome.name for outcome in outcomes if not outcome.good]
    print(f"{out / 'README.md'}: " + (f"FAILED: {', '.join(failed)}" if failed else "every claim holds"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
