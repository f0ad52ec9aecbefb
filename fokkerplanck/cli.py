"""The command line: `fokkerplanck run`, `study`, `fit`, `explore`, `validate`, `init` and `info`."""

from __future__ import annotations

import errno
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .workflows.process import (
    FAILED,
    INTERRUPTED,
    available_cores,
    check_address_space,
    end_at_once,
    end_with,
    flush,
    heed_signals,
    one_thread,
    open_streams,
    say_and_end,
)

if TYPE_CHECKING:
    from .workflows.outcome import Outcome, Problem
    from .workflows.runfile import RunFile

app = typer.Typer(
    help="The density of stochastic gradient descent, or of any drift and diffusion in one to three dimensions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

GRACE = 3.0  # seconds that compiled code has to come back after a signal

LEGEND = (
    "±: standard error. z: (mean - that of {0}) in standard errors. W1: distance to {0} in units of the coordinate.\n"
)

TEMPLATE = """# A run file: what `fokkerplanck run` computes. Formulas know + - * / **, pi, exp, log, sqrt, sin, cos,
# tan, sinh, cosh, tanh, abs, relu, max, min, softplus, sigmoid and logistic. Time is counted in steps of SGD.
title = "Two wells"

[landscape]                       # the loss of one sample, and the samples
loss = "(w**2 - 1)**2 / 4 + x*w"
parameters = ["w"]
data = { x = [-0.9, 0.1, 1.0] }   # or the name of a CSV file below this folder: data = "iris.csv"
# columns = { x = "petal_width" } # with a CSV file: name in the loss = name in the header
# where = "species >= 1"          # with a CSV file: which rows to take

[sgd]
learning_rate = 0.2               # a number, or a list of them: one run each
batch_size = 1                    # or "full"
replacement = true                # whether a sample may come twice in a batch
# shuffle = true                  # every epoch visits each sample once; times are then ends of epochs for "exact"
# weight_decay = 1e-3             # adds weight_decay * w to each gradient
# momentum = 0.9                  # [grid] and [start] then have velocities after the parameters; models = ["momentum"]
# schedule = "1/(1 + t/100)"      # what the learning rate is multiplied with after t steps
# langevin_temperature = 0.01     # SGLD: adds normal noise of variance 2 * learning_rate * temperature to each step

[grid]
bounds = [[-2.5, 2.5]]            # one pair an axis
tol = 1e-4                        # error allowed in the density of each equation (1-norm): cells are chosen for it
# cells = [400]                   # instead of tol: so many equal cells an axis
# width = "0.005 + 0.01*w**2"     # instead of both, in one dimension: cells as wide as wished at each place
boundary = "reflecting"           # or "absorbing", "periodic"; one word, or one an axis

[start]
mean = -1.0                       # with deviation (or covariance); or point = -1; or low and high
deviation = 0.1

[output]
times = [10, 100, 1000]           # in steps
models = ["first-order", "exact"] # exact: SGD itself, up to the numerical diffusion of the grid. Also
                                  # "gaussian-chain", "second-order", "langevin", "levy" (needs stability = 1.5),
                                  # "subdiffusive" (time_order = 0.8), "swarm" (strength = 0.1)

# shares = ["w > 0", "abs(w) < 1"] # how much of the stationary density lies there; with [equation] also at each time
# target = "w > 0"                # how long it takes to get there from the start, or with which probability

[simulation]
paths = 20000                     # of SGD itself, the reference
seed = 1

# [study]                         # what `fokkerplanck study` sweeps beside the learning rates of [sgd]: a list there
# models = ["first-order", "second-order", "gaussian-chain"]
# batch_size = [1]                # instead of the one of [sgd]
# target = "w > 0"                # how long SGD takes to it, and each model

# A drift and a diffusion of your own instead of [landscape] and [sgd]:
# [equation]
# variables = ["x"]
# drift = "-x + 0.3*cos(t)"       # dX = drift dt + sqrt(2 diffusion) dW; a list with one formula an axis; t is the time
# diffusion = "0.1*(1 + x**2)"    # a number, a formula, a list (one an axis) or a matrix; or noise = 0.4 for noise dW
# potential = "x**4/4 - x**2/2"   # adds minus its gradient to the drift
# convention = "ito"              # or "stratonovich", "klimontovich"
# time_order = 0.8                # memory: waiting times of infinite mean
# stability = 1.5                 # Levy jumps, with scale = 0.2 or a formula
# jumps = { rate = 2.0, covariance = 0.25 }   # at a finite rate; or sizes and weights, distribution and parameters, kernel
# killing = "0.1*x**2"            # rate at which paths end; reactivity = { "x high" = 2.0 }: walls that take a part
# interaction = { swarm = 0.5 }   # or pair_force = "-x" of the difference; or observe = ["x"] with force = "m1 - x"
# period = "2*pi"                 # after which all that changes with t repeats: the density that repeats is found
# [reset]                         # where what leaves the box, by absorbing walls or by killing, enters again
# point = 0.0                     # or as under [start]; delay = 0.1 to wait outside
# [source]                        # what is put in from outside; [start] may then be left out
# rate = 2.0                      # mass per time, where a key of [start] says; or alone density = "exp(-x**2)"
# point = 0.5
# [simulation]                    # paths of the equation beside the density
# dt = 0.01                       # their step
# [solver]                        # method, rtol, breaks = [1.0], max_step, error = false: see fp.solve
# Under [start] then also density = "..." or samples = [0.1, 0.2], under [output] observe = { energy = "x**2" }.
"""


@app.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The run file, or a result of it.", show_default=False)],
    out: Annotated[str | None, typer.Option(help="Folder for the results. Default: results/NAME.")] = None,
) -> None:
    """Solve what a run file asks for; write densities, a table and figures.

    Of its models, "exact" is SGD itself up to the numerical diffusion of the grid; "SGD" in the table is the simulation.

    fokkerplanck run RESULT.nc repeats the run that wrote RESULT.nc: the same seed, settings and data, the same numbers.
    """
    with _refusals():
        from .workflows.run import build, compute, room, table, write
        from .workflows.runfile import read_run_file

        _ready()
        run_file = read_run_file(file)
        folder = _folder(out, file.stem)
        with _progress() as report:
            problem = build(run_file)
            _check_folder(folder, room(problem))
            outcomes = compute(problem, lambda text, share: report(text, 0.8 * share))
            tab = table(outcomes)
            paths = write(problem, outcomes, tab, folder, lambda text, share: report(text, 0.8 + 0.2 * share))
        _print_results(problem, outcomes)
        _say_version(run_file)
        _echo(f"\n{len(paths)} files in {folder}: " + ", ".join(path.name for path in paths))


@app.command()
def study(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The run file.", show_default=False)],
    out: Annotated[str | None, typer.Option(help="Folder for the results. Default: results/NAME-study.")] = None,
    workers: Annotated[int | None, typer.Option(help="So many processes; default: as many as pay.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, whose workers do it.")] = None,
    allow_code: Annotated[bool, typer.Option("--allow-code", help="Run the Python module that FILE names.")] = False,
) -> None:
    """Compare models with SGD itself over learning rates and batch sizes; go on where an earlier run stopped.

    Needs a table [study]; see examples/pit_study.toml, or what `fokkerplanck init` writes.
    With a table [network] instead: train a deep linear network from saddle to saddle by SGD and its surrogate dynamics, or
    with `model` in it any network; see examples/superposition.toml. A `module` in it is run with --allow-code only.
    """
    with _refusals(later=", and the study goes on from there when started again"):
        from .workflows.deep_linear import is_deep_study, read_deep_study, run_deep_study
        from .workflows.executors import spread_over
        from .workflows.networks import is_network_study, read_network_study, run_network_study
        from .workflows.runfile import read_run_file
        from .workflows.sweep import run_study

        _ready()
        asked: Any
        work: Any
        if is_network_study(file):
            asked, work = read_network_study(file, allow_code), run_network_study
        elif is_deep_study(file):
            asked, work = read_deep_study(file), run_deep_study
        else:
            asked, work = read_run_file(file), run_study
        folder = _folder(out, f"{file.stem}-study")
        with spread_over(workers, scheduler) as spread, _progress() as report:
            result = work(asked, folder, report, spread)
        _echo(result.report())
        _echo(f"\n{len(result.files)} files in {folder}: " + ", ".join(path.name for path in result.files))
        if (folder / "points").is_dir():
            _echo("In its folder points/: the finished settings, from which a study goes on.")


@app.command()
def fit(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The fit file.", show_default=False)],
    out: Annotated[str | None, typer.Option(help="Folder for the results. Default: results/NAME-fit.")] = None,
) -> None:
    """Fit an equation to trajectories: a report in sentences, a table of parameters and a figure.

    The file names the data, [data] file = "runs.csv", and a family, [model] drift = "-k*x", diffusion = "D",
    start = { k = 1.0, D = 0.5 }. Without [model] drift and diffusion are found as splines.
    """
    with _refusals():
        from .workflows.fit_file import run_fit

        _ready()
        folder = _folder(out, f"{file.stem}-fit")
        found, paths = run_fit(file, folder)
        _echo(found.report())
        _echo(f"\n{len(paths)} files in {folder}: " + ", ".join(path.name for path in paths))


@app.command()
def explore(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.toml]", help="The run file.", show_default=False)
    ] = None,
    export: Annotated[str | None, typer.Option(metavar="PAGE.html", help="Write a page that needs no program.")] = None,
    port: Annotated[int, typer.Option(help="Of this machine, on which the page is served.")] = 8127,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Serve a page with sliders for a run file on this machine, or write one for others.

    The local page needs the extra [explore]; it can be reached from this machine alone. The one that --export writes holds
    the run file solved at many learning rates and times: no network, no program behind it. Its learning rates are those of
    the file; a single one is surrounded by others.
    """
    with _refusals():
        from .workflows.explorer.export import export as write_page
        from .workflows.explorer.page import serve
        from .workflows.explorer.state import State, read_state

        _ready()
        state, rates = (State.of(tomllib.loads(TEMPLATE)), (0.2,)) if file is None else read_state(file)
        if export is None:
            with suppress(KeyboardInterrupt):  # the usual end
                serve(state, port, browser, lambda address: _echo(f"{address} shows the page until Ctrl-C.", err=True))
            return
        with _progress() as report:
            write_page(state, rates, export, report)
        _echo(f"{export} written.")


@app.command()
def validate() -> None:
    """Ask the installed package for known answers (about a minute). The full suite needs a checkout: python -m validation."""
    from .workflows.selfcheck import check

    failed = 0
    for claim in check():
        failed += not claim.holds
        verdict = "ok" if claim.holds else "OFF"
        _echo(f"{claim.name:42s} {claim.computed:12.7g}  known {claim.expected:12.7g}  {verdict}")
    _echo("all as known" if not failed else f"{failed} off: please report this with `fokkerplanck info`")
    raise typer.Exit(1 if failed else 0)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE.toml]", help="Its name.", show_default=False)] = Path(
        "run.toml"
    ),
) -> None:
    """Write a commented run file to start from."""
    with _refusals():
        from .errors import bad_value
        from .storage.files import write_text

        if file.exists():
            raise bad_value("FILE", "the name of a new file", str(file), "It exists; choose another name.")
        write_text(file, TEMPLATE)
        _echo(f"{file} written. Try: fokkerplanck run {file}")


@app.command()
def info() -> None:
    """Versions, threads and where caches lie: what a bug report needs."""
    import platform
    from importlib.metadata import version

    from .formulas.numba_cache import writable
    from .version import __version__

    _echo(f"fokkerplanck  {__version__}  {Path(__file__).parent}")
    _echo(f"Python        {platform.python_version()}  {platform.system()} {platform.machine()}")
    for name in ("numpy", "scipy", "numba", "sympy", "matplotlib", "xarray", "h5netcdf", "pydantic", "typer", "rich"):
        _echo(f"{name:<13} {version(name)}")
    _echo(f"threads       {available_cores()} of {os.cpu_count()} cores may be used by a simulation")
    for label, folder in _cache_folders().items():
        state = "writable" if writable(folder) else "not writable: kernels compile in every process"
        _echo(f"{label:<13} {folder}  ({state})")


def main() -> None:
    """Entry point of the command `fokkerplanck`; whoever ends it by a signal finds whole files and no temporary ones."""
    open_streams()
    for kind in (signal.SIGINT, signal.SIGTERM):  # until the libraries are read
        signal.signal(kind, end_at_once)
    check_address_space()
    os.environ.update(one_thread())  # as in workers, so that rounding does not depend on who does the work
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        code = code if flush() else FAILED
        if code in (INTERRUPTED, FAILED):  # do not wait for threads at work
            end_with(code)
        raise
    except MemoryError:
        say_and_end(
            "out of memory; files are whole. Take fewer cells, paths or times, or raise the limit of `ulimit -v`."
        )
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EPIPE, errno.EIO):
            raise
        say_and_end(f"cannot print the results: {error.strerror}. Files are whole.")


def _is_own_process() -> bool:
    """Whether this is a process of the command, whose libraries are not read yet."""
    return signal.getsignal(signal.SIGTERM) is end_at_once


def _ready() -> None:
    """The libraries are read: from now on signals interrupt the work, where this is a process of the command."""
    if _is_own_process():
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401 - an import that is interrupted leaves a traceback

        heed_signals(GRACE)


def _echo(text: str, err: bool = False) -> None:
    """Print, without control characters: titles, names and values come from files."""
    from .errors import printable

    typer.echo(printable(text), err=err)


@contextmanager
def _refusals(later: str = "") -> Iterator[None]:
    """Bad input ends with status 2 and one sentence on stderr, anything unexpected with its traceback."""
    from .errors import ConvergenceError

    try:
        yield
    except (ValueError, TypeError, ConvergenceError, OSError) as error:
        if isinstance(error, (TypeError, OSError)) and not str(error).startswith("`") and not _is_file_error(error):
            raise
        _echo(f"fokkerplanck: {_one_line(error)}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        _echo(f"fokkerplanck: interrupted; files are whole{later}.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _is_file_error(error: Exception) -> bool:
    return isinstance(error, OSError) and error.filename is not None


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot use {error.filename}: {error.strerror}."
    return " ".join(str(error).split())


def _folder(out: str | None, default: str) -> Path:
    """Where results go; what cannot be written to is refused."""
    if out is not None:
        _check_folder(out)
    folder = Path("results") / default if out is None else Path(out)
    _check_folder(folder)
    return folder


def _check_folder(folder: Path | str, need: float = 1e6) -> None:
    """Refuse before the work what would fail after it."""
    from .storage.files import check_room

    check_room(folder, need, "--out")


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on stderr where that is a terminal; else silence."""
    if not sys.stderr.isatty():
        yield lambda text, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda text, share: bar.update(task, description=text, completed=share)


def _say_version(run_file: RunFile) -> None:
    from .version import __version__

    if run_file.version not in ("", __version__):
        written = f"Note: {run_file.path.name} was written by version {run_file.version}"
        _echo(f"{written}, this is {__version__}: numbers may differ in the last digits.")


def _print_results(problem: Problem, outcomes: list[Outcome]) -> None:
    """Title, and for each learning rate verdicts, answers, notes and the table; 80 columns wide where stdout is no terminal."""
    from rich.console import Console

    from .errors import printable
    from .workflows.run_report import PATHS, verdicts

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 80
    if problem.spec.title:
        console.print(printable(problem.spec.title), style="bold", markup=False)
    for outcome in outcomes:
        if outcome.case.label:
            console.print(f"\n{outcome.case.label.capitalize()}", style="bold", markup=False)
        sentences = verdicts(outcome, problem.grid)
        if sentences:
            sentences.append(_false_alarms(len(sentences), problem.grid.dim))
        about = f" on {outcome.case.label}" if len(outcomes) > 1 else ""
        for sentence in [*sentences, *outcome.answers, *(f"Note{about}: {note}" for note in outcome.notes)]:
            console.print(printable(sentence), markup=False)
        console.print()
        console.print(_rich_table(problem, outcome.comparison))
        if outcome.ensemble is not None:
            console.print(LEGEND.format(PATHS[outcome.reference].name), markup=False)


def _rich_table(problem: Problem, tab: Any) -> Any:
    """The table, without the columns that its files alone need, in at most 80 characters."""
    from rich import box
    from rich.table import Table

    short = {"deviation": "dev", "se_mean": "±", "se_deviation": "±", "z_mean": "z"}
    wanted = {"t", "model", "mean", "se_mean", "deviation", "se_deviation", "z_mean", "W1"}
    wanted |= {"axis"} if problem.grid.dim > 1 else set()
    kept = [i for i, name in enumerate(tab.columns) if name in wanted]
    kept = [i for i in kept if any(row[i] not in (None, 0.0) for row in tab.rows) or tab.columns[i] in ("t", "axis")]
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i in kept:
        name = tab.columns[i]
        justify: Any = "left" if name in ("model", "axis") else "right"
        result.add_column(short.get(name, name), justify=justify, no_wrap=True)
    for row in tab.rows:
        result.add_row(*[_cell(tab.columns[i], row[i]) for i in kept])
    return result


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column in ("se_mean", "se_deviation"):
        return f"{value:.1e}" if value else ""
    if column == "z_mean":
        return f"{value:+.1f}" if abs(value) < 1000 else f"{value:+.0f}"
    if column == "W1":
        return f"{value:.2g}"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _false_alarms(sentences: int, dim: int) -> str:
    tests = 2 * dim * sentences
    share = 1.0 - 0.9973**tests
    return (
        f"({tests} comparisons at 3 standard errors: if all is well, one fails by chance in {share:.0%} of the runs.)"
    )


def _cache_folders() -> dict[str, Path]:
    """Where compiled kernels are kept."""
    from importlib.util import find_spec

    from platformdirs import user_cache_dir

    found = find_spec("fokkerplanck.solvers.kernels")
    assert found is not None
    beside = Path(str(found.origin)).resolve().parent / "__pycache__"
    formulas = os.environ.get("FOKKERPLANCK_CACHE") or user_cache_dir("fokkerplanck", appauthor=False)
    return {"kernels": Path(os.environ.get("NUMBA_CACHE_DIR") or beside), "formulas": Path(formulas)}


if __name__ == "__main__":
    main()
