"""CSV files as people have them: byte order marks, columns of text, names that occur twice."""

import numpy as np
import pytest

from fokkerplanck.storage.csv_columns import read_csv


def written(folder, content):
    path = folder / "d.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_columns_become_numbers_when_asked_for(tmp_path):
    table = read_csv(written(tmp_path, "# flowers\nname,width,kind\niris,0.5,1\n\n# more\nrose,1.5,2\n"))
    assert list(table) == ["name", "width", "kind"]
    np.testing.assert_array_equal(table["width"], [0.5, 1.5])
    with pytest.raises(
        ValueError,
        match=r"`landscape.data` must be finite numbers .*, got 'iris' in the column 'name', line 3 of d\.csv",
    ):
        table["name"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path, end):
    table = read_csv(written(tmp_path, b"\xef\xbb\xbf" + f"x,y{end}1,2{end}".encode()))
    assert list(table) == ["x", "y"]


def test_quoted_entries(tmp_path):
    table = read_csv(written(tmp_path, 'text,x\n"a, b",1\n"two\nlines",2\n"say ""no""",x\n'))
    with pytest.raises(ValueError, match="got 'x' in the column 'x', line 5"):
        table["x"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("x,x\n1,2\n", "a CSV file with a name of its own for each column, got 'x' twice in d.csv."),
        ("x, x \n1,2\n", "a CSV file with a name of its own for each column, got 'x' twice in d.csv."),
        ('"a\nb",x\n1,2\n', "a CSV file whose column names stand on one line, got 'a\\nb' in d.csv."),
        ('"a\x1b[2J",x\n1,2\n', "a CSV file whose column names stand on one line, got 'a\\x1b[2J' in d.csv."),
        ('x,y\n1,"2\n', "a CSV file, got d.csv with an error: unexpected end of data."),
    ],
)
def test_headers_that_are_refused(tmp_path, content, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_csv(written(tmp_path, content))
    assert str(caught.value) == f"`landscape.data` must be {sentence}"


def test_the_key_of_the_file_that_names_it_is_in_the_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"`network\.inputs` must be a CSV file with a header and rows"):
        read_csv(written(tmp_path, "x\n"), "network.inputs")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(tmp_path, separator):
    rows = [["name", "width", "kind"], ["iris", "0.5", "1"], ['"rose; red, tall\t"', "1.5", "2"]]
    table = read_csv(written(tmp_path, "".join(separator.join(row) + "\n" for row in rows)))
    assert list(table) == ["name", "width", "kind"]
    np.testing.assert_array_equal(table["width"], [0.5, 1.5])
    assert table.rows[1][1][0] == "rose; red, tall\t"


def test_decimal_commas_between_semicolons(tmp_path):
    table = read_csv(written(tmp_path, "x;y;z\n0,5;1;1,234\n-1,25e-3;2.5;1234.0\n"))
    np.testing.assert_array_equal(table["x"], [0.5, -1.25e-3])
    np.testing.assert_array_equal(table["y"], [1, 2.5])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        table["z"]
    assert str(caught.value) == (
        "`landscape.data` must be numbers that are written alike, got decimal commas and points in the column 'z' of d.csv. "
        "1,234 may be meant as 1234."
    )


@pytest.mark.parametrize("entry", ["1.234,5", "1,234.5", "1,234,567"])
def test_marks_of_thousands_are_no_decimals(tmp_path, entry):
    table = read_csv(written(tmp_path, f"x;y\n{entry};1\n"))
    with pytest.raises(ValueError, match=f"got '{entry}' in the column 'x', line 2 of d.csv"):
        table["x"]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("a;b,c\n1,2\n", ["a;b", "c"]),  # as wide as its rows
        ("a, in cm;b\n1;2\n", ["a, in cm", "b"]),
        ("x\n1\n2\n", ["x"]),
        ('"a;b"\n1\n', ["a;b"]),
    ],
)
def test_the_separator_is_what_makes_rows_as_wide_as_the_header(tmp_path, content, names):
    assert list(read_csv(written(tmp_path, content))) == names


def test_short_rows_between_semicolons(tmp_path):
    with pytest.raises(ValueError, match=r"must be 3 columns wide, got 2 in line 3\. d\.csv has them"):
        read_csv(written(tmp_path, "a;b;c\n1;2;3\n4;5\n"))
