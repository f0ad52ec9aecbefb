"""Pieces of a long work: read again bit by bit if they are those that are asked for, computed anew if not."""

import math

import numpy as np
import pytest

from fokkerplanck.storage import checkpoint
from fokkerplanck.storage.checkpoint import resumed

PIECE = {"a": np.array([[0.1, np.nan, np.inf]]), "rows": [{"t": 1.0, "failure": None, "ratio": math.inf}], "n": 3}


class Counting:
    calls = 0

    def __call__(self):
        self.calls += 1
        return dict(PIECE)


@pytest.fixture
def compute():
    return Counting()


def test_a_finished_piece_is_read_to_the_same_bits(tmp_path, compute):
    path = tmp_path / "a.npz"
    resumed(path, compute, "settings", 1.0, np.arange(3))
    again = resumed(path, compute, "settings", 1.0, np.arange(3))
    assert compute.calls == 1
    assert again.keys() == PIECE.keys()
    assert again["a"].tobytes() == PIECE["a"].tobytes()
    assert (again["rows"], again["n"]) == (PIECE["rows"], 3)


@pytest.mark.parametrize("other", [("settings", 1.0 + 1e-15, np.arange(3)), ("settings", 1.0, np.arange(3.0)), ()])
def test_other_settings_are_another_piece(tmp_path, compute, other):
    path = tmp_path / "a.npz"
    resumed(path, compute, "settings", 1.0, np.arange(3))
    resumed(path, compute, *other)
    assert compute.calls == 2


def test_another_version_computes_anew(tmp_path, compute, monkeypatch):
    path = tmp_path / "a.npz"
    resumed(path, compute, 1)
    monkeypatch.setattr(checkpoint, "__version__", "99.0")
    resumed(path, compute, 1)
    assert compute.calls == 2


def test_damage_anywhere_is_noticed(tmp_path, compute):
    path = tmp_path / "a.npz"
    resumed(path, compute, 1)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:cut])
        assert resumed(path, compute, 1)["n"] == 3
    path.write_bytes(whole.replace(b"0.1", b"0.2").replace(PIECE["a"].tobytes(), np.ones((1, 3)).tobytes()))
    assert resumed(path, compute, 1)["a"][0, 0] == 0.1
    assert compute.calls == 6


def test_a_piece_that_fails_leaves_no_file(tmp_path):
    def fails():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resumed(tmp_path / "a.npz", fails)
    assert list(tmp_path.iterdir()) == []
