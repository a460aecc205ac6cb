"""Tables from files and data frames, and one line for anything that is not a table of tasks."""

import dataclasses

import numpy as np
import polars
import pytest

import learnset as ls

HEAD = "school,age,kind,score\n"
ROWS = [
    f"{school},{7 + i if i != 2 else ''},{('day', 'night', '')[i % 3]},{10 * s + i}"
    for s, school in enumerate(("north", "south"))
    for i in range(6)
]


def written(folder, text=None, name="table.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes((HEAD + "\n".join(ROWS) + "\n" if text is None else text).encode(encoding))
    return path


@pytest.fixture
def table(tmp_path):
    return ls.read_table(written(tmp_path), task="school", target="score")


def test_a_file_is_read_as_it_is(table):
    assert (table.names, table.columns, table.classes) == (("north", "south"), ("age", "kind"), ())
    assert table.words == {1: ("day", "night")}
    np.testing.assert_array_equal(table.x[:3], [[7, 0], [8, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(table.y[:, 0], [*range(6), *range(10, 16)])
    np.testing.assert_array_equal(table.task, [0] * 6 + [1] * 6)


@pytest.mark.parametrize(
    "change", ("tsv", "semicolons and decimal commas", "parquet", "data frame", "byte order mark")
)
def test_the_same_table_is_read_from_every_format(change, table, tmp_path):
    text = HEAD + "\n".join(ROWS)
    if change == "tsv":
        source = written(tmp_path, text.replace(",", "\t"), "table.tsv")
    elif change == "semicolons and decimal commas":
        rows = [row.rsplit(",", 1) for row in ROWS]
        text = HEAD.replace(",", ";") + "\n".join(f"{a.replace(',', ';')};{b},0" for a, b in rows)
        source = written(tmp_path, text)
    elif change == "byte order mark":
        source = written(tmp_path, text, encoding="utf-8-sig")
    else:
        source = polars.read_csv(written(tmp_path))
        if change == "parquet":
            source.write_parquet(tmp_path / "table.parquet")
            source = tmp_path / "table.parquet"
    again = ls.read_table(source, task="school", target="score")
    assert (again.names, again.columns, again.words) == (table.names, table.columns, table.words)
    np.testing.assert_array_equal(again.x, table.x)
    np.testing.assert_array_equal(again.y, table.y)


@pytest.mark.parametrize("library", ("pandas", "pyarrow"))
def test_data_frames_of_other_libraries_are_read(library, table, tmp_path):
    pytest.importorskip(library)
    frame = polars.read_csv(written(tmp_path))
    frame = frame.to_pandas() if library == "pandas" else frame.to_arrow()
    again = ls.read_table(frame, task="school", target="score")
    np.testing.assert_array_equal(again.x, table.x)


def test_several_targets_are_tasks_on_the_same_rows(tmp_path):
    text = "x,y1,y2\n1,2,\n2,NA,4\n3,nan,\n4,5,6\n"
    table = ls.read_table(written(tmp_path, text), targets=("y1", "y2"))
    assert (table.names, table.columns, table.task) == (("y1", "y2"), ("x",), None)
    np.testing.assert_array_equal(table.y, [[2, np.nan], [np.nan, 4], [5, 6]])
    assert table.notes == (
        "Column 'y1': 'NA', 'nan' is read as missing (2 cells).",
        "1 of 4 rows have no label and are left out.",
    )


@pytest.mark.parametrize(
    "values, kind, classes",
    (
        ((0, 1, 1, 0), None, ("0", "1")),
        ((0, 1, 1, 0), False, ()),
        ((1, 2, 3, 1), None, ()),
        ((1, 2, 3, 1), True, ("1", "2", "3")),
        (("yes", "no", "no", "yes"), None, ("no", "yes")),
    ),
)
def test_classes_follow_from_the_target_or_are_declared(values, kind, classes):
    frame = polars.DataFrame({"t": ["a", "a", "b", "b"], "x": [1, 2, 3, 4], "y": values})
    table = ls.read_table(frame, task="t", target="y", classification=kind)
    assert table.classes == classes
    if classes:
        assert [table.classes[int(c)] for c in table.y[:, 0]] == [str(v) for v in values]


def test_names_of_people_are_left_out_with_a_note():
    people = [f"p{i}" for i in range(100)]
    numbers = range(100)
    frame = polars.DataFrame(
        {"t": ["a", "b"] * 50, "x": numbers, "y": np.sin(numbers), "who": people}
    )
    table = ls.read_table(frame, task="t", target="y")
    assert table.columns == ("x",)
    assert table.notes == ("Column 'who' has 100 different words in 100 rows and is left out.",)


def test_small_tasks_are_left_out_if_asked():
    frame = polars.DataFrame({"t": [3, 3, 10, 10, 7], "x": range(5), "y": range(5)})
    table = ls.read_table(frame, task="t", target="y", min_rows=2)
    assert (table.names, table.task.tolist()) == (("3", "10"), [0, 0, 1, 1])
    assert table.notes == ("1 of 3 tasks have fewer than 2 labelled rows and are left out.",)


TWO = {"task": "school", "target": "score"}
WIDE = ",".join(["school", "score", *(f"x{i}" for i in range(5000))]) + "\n" + "1," * 5001 + "1\n"
BAD = {
    "no such column": (None, TWO | {"task": "School"}, "'School'. Did you mean 'school'?"),
    "nothing near": (None, TWO | {"target": "q"}, "'q'. It has 'school', 'age', 'kind', 'score'."),
    "text in numbers": (
        HEAD + "a,7,day,1\na,seven,day,2\na,9,day,3\nb,7,day,4\n",
        TWO,
        "column 'age' has the text 'seven' in row 2",
    ),
    "text in the target": (
        HEAD + "a,7,day,1\na,8,day,2\na,9,day,x3\nb,7,day,4\n",
        TWO,
        "the text 'x3' in row 3",
    ),
    "one task": (HEAD + "a,7,day,1\na,8,day,2\n", TWO, "only one task (a)"),
    "no task column": (None, {"target": "score"}, "there is only one task. Name the column"),
    "nothing named": (None, {}, "which columns?"),
    "no labels": (HEAD + "a,7,day,\nb,8,day,NA\n", TWO, "no row has a label"),
    "5 000 columns": (WIDE, TWO, "has 5000 input columns, more than 4096"),
    "empty": ("", TWO, "is empty"),
    "blank": ("\n\n", TWO, "is empty"),
    "a heading alone": (HEAD, TWO, "has no rows below its heading"),
    "repeated name": ("school,age,age,score\na,1,2,3\n", TWO, "has 2 columns named 'age'"),
    "no task in a row": (HEAD + "a,7,day,1\n,8,day,2\nb,8,day,2\n", TWO, "empty in row 2, so that"),
    "an infinite number": (HEAD + "a,7,day,1\nb,inf,day,2\n", TWO, "'age' is infinite in row 2"),
    "one class": (HEAD + "a,7,day,yes\nb,8,day,yes\n", TWO, "all labels of 'score' are 'yes'"),
    "a longer row": (HEAD + "a,7,day,1\nb,8,day,2,3,4,5\n", TWO, "row 2 has 7 cells"),
    "input and target": (None, TWO | {"inputs": ["score"]}, "'score' cannot be an input and"),
    "zero bytes": ("a\0b,c\n", TWO, "zero bytes"),
    "no inputs": ("school,score\na,1\nb,2\n", TWO, "no input column"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_gets_one_line(name, tmp_path):
    text, columns, message = BAD[name]
    with pytest.raises(ls.InputError) as refused:
        ls.read_table(written(tmp_path, text), **columns)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_missing_or_unreadable_gets_one_line(tmp_path):
    written(tmp_path, name="mydata.csv")
    for name, message in (
        ("mydat.csv", "Did you mean 'mydata.csv'?"),
        ("", "is a folder"),
        ("no/x.csv", "does not exist"),
    ):
        with pytest.raises(ls.InputError, match=message.replace("?", r"\?")):
            ls.read_table(tmp_path / name, **TWO)
    with pytest.raises(ls.InputError, match=r"not in UTF-8 \(line 3 has the byte 0xE4"):
        text = HEAD + "a,7,day,1\nbä,8,day,2\n"
        ls.read_table(written(tmp_path, text, encoding="latin-1"), **TWO)
    with pytest.raises(ls.InputError, match=r"ends in '.xlsx'"):
        ls.read_table(written(tmp_path, name="table.xlsx"), **TWO)
    with pytest.raises(ls.InputError, match="damaged or in another format"):
        ls.read_table(written(tmp_path, "no parquet", name="table.parquet"), **TWO)
    with pytest.raises(ls.InputError, match="cannot be read"):
        ls.read_table(tmp_path / ("n" * 300 + ".csv"), **TWO)
    with pytest.raises(ls.InputError, match="not a table that can be read"):
        ls.read_table([1, 2, 3], **TWO)


@pytest.mark.parametrize(
    "task",
    (
        np.array(["a", None] * 2, object),
        np.array(["a", float("nan")] * 2, object),
        np.array([1, np.nan] * 2),
        np.array(["2024-01-01", "NaT"] * 2, "datetime64[D]"),
    ),
    ids=("None", "NaN among words", "NaN", "NaT"),
)
def test_a_missing_task_gets_one_line(task):
    with pytest.raises(ls.InputError, match="Row 2 and 1 more has no task"):
        ls.Table.from_arrays(np.zeros((4, 1)), np.arange(4.0), task)


def test_the_schema_of_some_rows_has_their_tasks():
    frame = polars.DataFrame({"t": [3, 3, 10, 10, 7, 7], "x": range(6), "y": range(6)})
    table = ls.read_table(frame, task="t", target="y")
    some = dataclasses.replace(
        table, x=table.x[2:], y=table.y[2:], task=table.task[2:] - 1, names=("7", "10")
    )
    assert table.schema.tasks == ("3", "7", "10") and some.schema.tasks == ("7", "10")


@pytest.mark.parametrize("values", ([5, 5, 5, 5], [1e200, 2, 3, 4], [1e-200, 2e-200, 0, 0]))
def test_targets_that_cannot_be_learnt_get_one_line(values):
    frame = polars.DataFrame({"t": ["a", "b"] * 2, "x": range(4), "y": values})
    with pytest.raises(ls.InputError, match=r"nothing to tell apart|beyond the numbers"):
        ls.read_table(frame, task="t", target="y")
