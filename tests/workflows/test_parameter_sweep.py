"""One function at many settings: the same results on any executor, and what a failure or a lost worker costs."""

import os
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.workflows import executors

SETTINGS = [{"D": d} for d in (0.1, 0.2, 0.4)]


def variance(D):
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=D)
    return float(fp.stationary(eq, fp.Grid((-4, 4), 80), error=False).covariance()[0, 0])


def test_processes_threads_and_a_loop_give_the_same_bits(tmp_path):
    """Functions of a test, lambdas inside: they travel by value."""
    by_loop = [variance(**setting) for setting in SETTINGS]
    assert list(fp.sweep(variance, SETTINGS, workers=2)) == by_loop
    with ThreadPoolExecutor(2) as threads:
        found = fp.sweep(lambda D: variance(D), SETTINGS, threads)
    assert list(found) == by_loop
    assert found[1] == pytest.approx(0.2, rel=1e-3)
    frame = found.to_dataframe()
    assert frame["D"].tolist() == [0.1, 0.2, 0.4]
    assert frame["result"].tolist() == by_loop


def test_an_error_costs_its_setting():
    def fails(x):
        if x == 2:
            raise ArithmeticError("two is too much")
        return {"x": x, "square": x * x}

    with (
        ThreadPoolExecutor(2) as threads,
        pytest.warns(fp.ModelWarning, match=r"1 of 3 settings failed, such as .*two is too"),
    ):
        found = fp.sweep(fails, [{"x": 1}, {"x": 2}, {"x": 3}], threads)
    assert found.results == ({"x": 1, "square": 1}, None, {"x": 3, "square": 9})
    assert isinstance(found.failures[1], ArithmeticError)
    assert "ArithmeticError: two is too much" in repr(found)
    with ThreadPoolExecutor(2) as threads, pytest.raises(ArithmeticError):
        fp.sweep(fails, [{"x": 2}], threads)


def test_a_lost_worker_costs_its_setting():
    def dies(x):
        if x == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    with pytest.warns(fp.ModelWarning, match=r"1 of 8 settings failed, such as \{'x': 3\}"):
        found = fp.sweep(dies, [{"x": x} for x in range(8)], workers=2)
    assert found.results == (0, 1, 2, None, 4, 5, 6, 7)


def test_after_a_lost_worker_the_rest_is_spread_again(monkeypatch):
    """Everything that was left used to run one at a time, to the end."""
    monkeypatch.setattr(executors, "AHEAD", 3)
    windows, submitted = [], executors._submitted

    def seen(executor, tasks, window):
        windows.append((len(tasks), window))
        return submitted(executor, tasks, window)

    monkeypatch.setattr(executors, "_submitted", seen)

    def dies(x):
        if x == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    with pytest.warns(fp.ModelWarning, match="1 of 12 settings failed"):
        found = fp.sweep(dies, [{"x": x} for x in range(12)], workers=1)
    assert found.results == (None, *range(1, 12))
    assert windows[0] == (12, 3)
    assert {window for _, window in windows[1:-1]} == {1}
    assert windows[-1][0] >= 9
    assert windows[-1][1] == 3


def test_an_executor_that_ends_leaves_no_setting_without_an_answer():
    """One that is broken refuses what is handed over; that ended the sweep."""

    class Ending(ThreadPoolExecutor):
        taken = 0

        def submit(self, *arguments, **named):
            self.taken += 1
            if self.taken > 2:
                raise BrokenExecutor("gone")
            return super().submit(*arguments, **named)

    with Ending(1) as ending, pytest.warns(fp.ModelWarning, match="3 of 5 settings failed"):
        found = fp.sweep(lambda x: x, [{"x": x} for x in range(5)], ending)
    assert found.results == (0, 1, None, None, None)
    assert all(isinstance(error, BrokenExecutor) for error in found.failures.values())


def test_a_setting_that_exits_costs_itself():
    """It ended the whole program."""

    def leaves(x):
        if x == 1:
            sys.exit(3)
        return x

    with pytest.warns(fp.ModelWarning, match=r"1 of 3 settings failed, such as \{'x': 1\}"):
        found = fp.sweep(leaves, [{"x": x} for x in range(3)], workers=2)
    assert found.results == (0, None, 2)
    assert isinstance(found.failures[1], SystemExit)


SCALE = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)


def spread(D):
    return variance(D * SCALE.diffusion)


def test_a_sweep_does_not_go_on_with_what_another_equation_gave(tmp_path, monkeypatch):
    """An object that the function refers to did not count: the numbers of the equation before it came back in silence."""
    with ThreadPoolExecutor(1) as threads:
        first = fp.sweep(spread, SETTINGS, threads, folder=tmp_path)
        monkeypatch.setitem(globals(), "SCALE", fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.25))
        second = fp.sweep(spread, SETTINGS, threads, folder=tmp_path)
    np.testing.assert_allclose(np.array(first) / np.array(second), 2.0, rtol=1e-3)


def test_results_are_the_same_when_they_are_read_again(tmp_path):
    """A tuple was a list, and the keys of a dict texts, in the second run only."""

    def nested(x):
        return {"pair": (x, 2), "by number": {1: x}, "array": np.arange(2)}

    with ThreadPoolExecutor(1) as threads:
        first, again = (fp.sweep(nested, [{"x": 1}], threads, folder=tmp_path) for _ in range(2))
    assert first[0]["pair"] == again[0]["pair"] == [1, 2]
    assert first[0]["by number"] == again[0]["by number"] == {"1": 1}
    assert list(first[0]) == list(again[0])


@pytest.mark.parametrize(
    ("result", "match"),
    [({1: 2}, "with results by name where they are dicts"), (np.array([None, "a"]), "with results that are numbers")],
)
def test_what_a_folder_cannot_keep_is_refused(result, match, tmp_path):
    with ThreadPoolExecutor(1) as threads, pytest.raises(TypeError, match=match):
        fp.sweep(lambda x: result, [{"x": 1}], threads, folder=tmp_path)


def test_what_does_not_travel_costs_its_setting():
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"of what can be sent to another process, .*Locks, open files"):
        fp.sweep(lambda x: lock.locked(), [{"x": 1}])
    with pytest.warns(fp.ModelWarning, match="1 of 2 settings failed, such as .*: TypeError: `function` must be made"):
        found = fp.sweep(lambda x: 1, [{"x": lock}, {"x": 2}], workers=1)
    assert found.results == (None, 1)


def test_bad_places_and_executors_meet_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for folder, match in ((tmp_path / "file", "`folder` must be a folder"), (3, "`folder` must be a file name")):
        with pytest.raises((TypeError, ValueError), match=match):
            fp.sweep(variance, SETTINGS, folder=folder)
    with pytest.raises(TypeError, match=r"`executor` must be an executor of `concurrent.futures`"):
        fp.sweep(variance, SETTINGS, "dask")


def test_a_sweep_goes_on_where_it_stopped(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()

    def counted(x, folder=str(calls)):
        open(os.path.join(folder, f"{x}-{len(os.listdir(folder))}"), "w").close()
        return {"array": np.arange(3) * x, "text": "a", "number": np.float64(x), "none": None}

    with ThreadPoolExecutor(1) as threads:
        fp.sweep(counted, [{"x": 1.5}, {"x": 2.5}], threads, folder=tmp_path / "kept")
        again = fp.sweep(counted, [{"x": 1.5}, {"x": 2.5}, {"x": 3.5}], threads, folder=tmp_path / "kept")
    assert len(list(calls.iterdir())) == 3
    assert again[1]["array"].tolist() == [0.0, 2.5, 5.0]
    assert (again[1]["text"], again[1]["number"], again[1]["none"]) == ("a", 2.5, None)
    with (
        ThreadPoolExecutor(1) as threads,
        pytest.raises(TypeError, match=r"`function` must be with results that are numbers"),
    ):
        fp.sweep(lambda x: object(), [{"x": 1}], threads, folder=tmp_path / "other")


def test_progress_and_refusals():
    shares = []
    with ThreadPoolExecutor(1) as threads:
        fp.sweep(lambda x: x, [{"x": 1}, {"x": 2}], threads, progress=shares.append)
        with pytest.raises(ValueError, match="`workers` must be None beside an executor"):
            fp.sweep(lambda x: x, [{"x": 1}], threads, workers=2)
    assert shares == [0.5, 1.0]
    for wrong in ([], {"D": 1}, "D", [1.0], [{1: 2}]):
        with pytest.raises((ValueError, TypeError), match="`settings` must be"):
            fp.sweep(variance, wrong)
    with pytest.raises(TypeError, match="`function` must be"):
        fp.sweep(variance, [{"d": 0.1}])
    with pytest.raises(TypeError, match="`function` must be"):
        fp.sweep(3, SETTINGS)


def test_dask_survives_a_killed_worker(tmp_path):
    """A real local cluster of two processes, one of which is killed in the middle."""
    distributed = pytest.importorskip("distributed")

    def slow(x, mark=str(tmp_path / "killed")):
        if x == 2 and not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return x * x

    try:
        cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    except (OSError, RuntimeError) as error:
        pytest.skip(f"no local cluster here: {error}")
    with cluster, distributed.Client(cluster) as client:
        found = fp.sweep(slow, [{"x": x} for x in range(6)], client.get_executor())
    assert found.results == (0, 1, 4, 9, 16, 25)
    assert (tmp_path / "killed").exists()
