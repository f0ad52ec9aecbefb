"""A fit in sentences: what was found, how well it is known, and what speaks against it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gaps import GapLikelihood, usual
from .gaussian_steps import GaussianLikelihood
from .homogeneity import homogeneity_test
from .markov import markov_test
from .moment_likelihood import MomentLikelihood

LEVEL = 0.05
CLOSE = 0.95  # correlation from which two parameters are hard to tell apart
RUNS = 10  # from which their spread tells something
LONG = 0.5  # of a relaxation time: steps beyond which a Gaussian density is doubtful


def report(fit: Any) -> str:
    """See `Fit.report`."""
    sentences = [
        _data(fit),
        ascent_sentence(fit),
        *value_sentences(fit),
        *_spread(fit),
        *_grid(fit),
        *_laws(fit),
        _memory(fit),
    ]
    return "\n".join(sentence for sentence in sentences if sentence)


def _data(fit: Any) -> str:
    pairs = fit.likelihood.data
    runs = "1 run" if fit.data.n_runs == 1 else f"{fit.data.n_runs} runs"
    lag = f"a lag of {pairs.tau:g} (every {fit.lag} row(s))"
    if isinstance(fit.likelihood, GapLikelihood):
        times = [part.data.tau for part in fit.likelihood.parts]
        lag = f"{len(times)} lags from {min(times):g} to {max(times):g}, since rows are missing,"
    return f"{pairs.size} transitions of {runs} over {lag} were fitted."


def ascent_sentence(fit: Any) -> str:
    """Whether the fit converged."""
    if fit.converged:
        return f"The fit converged: a further step would gain {fit.decrement:.1g} in ln L = {fit.log_likelihood:.2f}."
    return f"THE FIT DID NOT CONVERGE: {fit.message}. Its numbers are no estimates."


def value_sentences(fit: Any) -> list[str]:
    """The parameters and how well they are known."""
    freedom = fit.settings.get("effective degrees of freedom")
    if freedom is not None:
        return [
            f"Drift and ln D are splines of {freedom[0]:.1f} and {freedom[1]:.1f} effective degrees of freedom; "
            "`interval(x)` says how well they are known at x."
        ]
    errors = fit.standard_errors
    lines = [
        f"{name} = {value:.4g}, known to {errors[name]:.2g}"
        + (f" ({errors[name] / abs(value):.1%})." if value else ".")
        if np.isfinite(errors[name])
        else f"The data say nothing about {name}."
        for name, value in fit.parameters.items()
    ]
    correlation = fit.correlation
    for i, first in enumerate(fit.names):
        for j, second in enumerate(fit.names[:i]):
            if abs(correlation[i, j]) > CLOSE:
                lines.append(
                    f"{second} and {first} are hardly told apart: their estimates correlate by {correlation[i, j]:+.3f}."
                )
    return lines


def _spread(fit: Any) -> list[str]:
    """Parameters whose errors over runs are not those of the model."""
    if (
        fit.data.n_runs < RUNS
        or "effective degrees of freedom" in fit.settings
        or not np.isfinite(fit.covariance).all()
    ):
        return []
    ratio = np.sqrt(np.diagonal(fit.covariance_over_runs) / np.diagonal(fit.covariance))
    allowed = 1.0 + 2.5 / np.sqrt(2.0 * fit.data.n_runs)
    return [
        f"OVER RUNS {name} VARIES {r:.2g} TIMES AS MUCH as its error says: steps have other tails than the model, or runs "
        "differ. Use `covariance_over_runs`."
        for name, r in zip(fit.names, ratio, strict=True)
        if r > allowed
    ]


def _grid(fit: Any) -> list[str]:
    likelihood = usual(fit.likelihood)
    if isinstance(likelihood, GaussianLikelihood):
        line = "Steps were taken as Gaussian, with the moments of a local linearisation"
        turn = likelihood.longest(fit.theta)
        if turn > LONG:
            return [
                f"{line}, although the drift changes by {turn:.2g} of its relaxation within a lag: exact only where the "
                "drift is linear and D constant. Take a shorter lag, or method='grid'."
            ]
        return [f"{line} (the drift changes by {turn:.2g} of its relaxation within a lag)."]
    if isinstance(likelihood, MomentLikelihood):
        shift = f"{np.abs(fit.grid_shift).max():.2g} standard errors at most"
        return [
            "Steps were taken as Gaussian, with the means and covariances of the equation over the lag, computed on "
            f"{likelihood.grid!r}; their error, {shift}, was taken off."
        ]
    if fit.grid_shift is None:
        return [f"Transition densities were computed on {likelihood.grid!r}."]
    shift = f"{np.abs(fit.grid_shift).max():.2g} standard errors at most"
    return [f"Transition densities were computed on {likelihood.grid!r}; its error, {shift}, was taken off."]


def _laws(fit: Any) -> list[str]:
    """Whether runs differ, and whether the law drifts in time: by scores for families, by residuals for splines."""
    if "effective degrees of freedom" in fit.settings:
        found = homogeneity_test(fit.data, fit.lag)
        tests = ((found.runs_differ, found.differing), (found.drift_in_time, found.drifting))
    else:
        runs, time = fit.runs_differ, fit.drift_in_time
        tests = ((runs.p_value, runs.parameter), (time.p_value, time.parameter))
    (p_runs, what_runs), (p_time, what_time) = tests
    alike, still = f"Runs look alike (p = {p_runs:.2g}).", f"No change in time is seen (p = {p_time:.2g})."
    differ, change = (
        f"RUNS DIFFER (p = {p_runs:.2g}), most in {what_runs}.",
        f"THE LAW CHANGES IN TIME (p = {p_time:.2g})",
    )
    return [
        "" if fit.data.n_runs == 1 else differ if p_runs < LEVEL else alike,
        f"{change}, most in {what_time}." if p_time < LEVEL else still,
    ]


def _memory(fit: Any) -> str:
    try:
        found = markov_test(fit.data, (fit.lag,))
    except ValueError as error:
        return f"The Markov property was not tested: {error}"
    p = found.p_values[0]
    if p >= LEVEL:
        return f"At this lag nothing speaks against a Markov process (p = {p:.2g})."
    return f"THE DATA ARE NOT MARKOV AT THIS LAG (p = {p:.2g}): it looks like {found.memory}. Error bars are not to be trusted."
