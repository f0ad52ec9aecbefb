"""What is checked of names and folders before the work, each in one sentence."""

import os

import pytest

from fokkerplanck.storage.files import check_room, file_below


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no.csv", "a file in .*, got 'no.csv'. There is no such file"),
        ("../out.csv", "a file below the run file's folder"),
        ("/etc/passwd", "a file below the run file's folder"),
        ("a\0b.csv", r"the name of a file, got 'a\\x00b.csv'"),
        ("x" * 5000, "(the name of a file|a file in)"),
        ("loop.csv", "(the name of a file|a file in)"),
        ("pipe.csv", "a file in"),
        ("folder", "a file in"),
    ],
)
def test_data_files_that_are_refused_unopened(tmp_path, name, sentence):
    home = tmp_path / "home"
    (home / "folder").mkdir(parents=True)
    (tmp_path / "out.csv").write_text("x\n1\n")
    (home / "loop.csv").symlink_to(home / "loop.csv")
    os.mkfifo(home / "pipe.csv")  # opening it would wait for ever
    with pytest.raises(ValueError, match=f"`data` must be {sentence}"):
        file_below(home, name, "data")


def test_a_data_file_below(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("x\n1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "in" / "a.csv")
    assert file_below(tmp_path, "in/a.csv", "data") == file_below(tmp_path, "link.csv", "data")


def test_output_folders_that_are_refused(tmp_path):
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "taken" / "table.csv").mkdir(parents=True)
    (tmp_path / "taken" / "mine").mkdir()
    for folder, sentence in (
        ("", "the name of a folder, got ''. A dot is the current one"),
        ("a\0b", "the name of a folder"),
        (tmp_path / "nowhere", "a folder, got .*nowhere is a link that leads nowhere"),
        (tmp_path / "nowhere" / "below", "a folder, got .*nowhere is a link that leads nowhere"),
        (tmp_path / "taken", r"a folder where files of results can be replaced, got .*table\.csv is no file"),
    ):
        with pytest.raises(ValueError, match=f"`--out` must be {sentence}"):
            check_room(folder, 1.0, "--out")
    (tmp_path / "taken" / "table.csv").rmdir()
    check_room(tmp_path / "taken", 1.0, "--out")
