"""Tables: what is read, what is learnt about inputs from training rows alone, and one line for what is no table of tasks."""

import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import polars
import pytest
from hypothesis import given, settings, strategies as st

import learnset as ls

real = pytest.mark.skipif(
    "LEARNSET_DATA" not in os.environ, reason="LEARNSET_DATA is unset: no real data here"
)
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


# Reading.


def test_a_file_is_read_as_it_is(table):
    assert (table.names, table.columns, table.classes) == (("north", "south"), ("age", "kind"), ())
    assert table.words == {1: ("day", "night")}
    np.testing.assert_array_equal(table.x[:3], [[7, 0], [8, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(table.y[:, 0], [*range(6), *range(10, 16)])
    np.testing.assert_array_equal(table.task, [0] * 6 + [1] * 6)


@pytest.mark.parametrize(
    "change", ("tsv", "semicolons and decimal commas", "parquet", "data frame", "byte order mark")
)
def test_the_same_table_is_read_from_whatever_holds_it(change, table, tmp_path):
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
    again = ls.read_table(
        getattr(frame, "to_pandas" if library == "pandas" else "to_arrow")(),
        task="school",
        target="score",
    )
    np.testing.assert_array_equal(again.x, table.x)


def test_several_targets_are_tasks_on_the_same_rows(tmp_path):
    text = "x,y1,y2\n1,2,\n2,NA,4\n3,nan,\n4,5,6\n"
    table = ls.read_table(written(tmp_path, text), targets=("y1", "y2"))
    assert (table.names, table.columns, table.task) == (("y1", "y2"), ("x",), None)
    np.testing.assert_array_equal(table.y, [[2, np.nan], [np.nan, 4], [5, 6]])
    assert table.notes == ("1 of 4 rows have no label and are left out.",)


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
def test_classes_are_told_from_the_target_or_by_the_user(values, kind, classes):
    frame = polars.DataFrame({"t": ["a", "a", "b", "b"], "x": [1, 2, 3, 4], "y": values})
    table = ls.read_table(frame, task="t", target="y", classification=kind)
    assert table.classes == classes
    if classes:
        assert [table.classes[int(c)] for c in table.y[:, 0]] == [str(v) for v in values]


def test_names_of_people_are_no_input_and_it_is_said():
    frame = polars.DataFrame(
        {
            "t": ["a", "b"] * 50,
            "x": range(100),
            "y": range(100),
            "who": [f"p{i}" for i in range(100)],
        }
    )
    table = ls.read_table(frame, task="t", target="y")
    assert table.columns == ("x",)
    assert table.notes == ("Column 'who' has 100 different words in 100 rows and is left out.",)


def test_small_tasks_are_left_out_if_asked():
    frame = polars.DataFrame({"t": [3, 3, 10, 10, 7], "x": range(5), "y": range(5)})
    table = ls.read_table(frame, task="t", target="y", min_rows=2)
    assert (table.names, table.task.tolist()) == (("3", "10"), [0, 0, 1, 1])
    assert table.notes == ("1 of 3 tasks have fewer than 2 labelled rows: left out.",)


TWO = {"task": "school", "target": "score"}
HUGE = ",".join(["school", "score", *(f"x{i}" for i in range(10_000))])
BAD = {
    "no such column": (None, {"task": "School", "target": "score"}, "has no column 'School'. Did you mean 'school'?"),
    "nothing near": (None, {"task": "school", "target": "q"}, "has no column 'q'. It has 'school', 'age', 'kind', 'score'."),
    "text in numbers": (
        HEAD + "a,7,day,1\na,seven,day,2\na,9,day,3\nb,7,day,4\n",
        TWO,
        "column 'age' has the text 'seven' in row 2",
    ),
    "text in the target": (HEAD + "a,7,day,1\na,8,day,2\na,9,day,x3\nb,7,day,4\n", TWO, "the text 'x3' in row 3"),
    "one task": (HEAD + "a,7,day,1\na,8,day,2\n", TWO, "one task only (a)"),
    "no task column": (None, {"target": "score"}, "there is one task only. Name the column"),
    "nothing named": (None, {}, "which columns?"),
    "no labels": (HEAD + "a,7,day,\nb,8,day,NA\n", TWO, "no row has a label"),
    "10 000 columns": (HUGE + "\n" + ",".join("1" * 10_002) + "\n", TWO, "has 10000 input columns, more than 4096"),
    "empty": ("", TWO, "is empty"),
    "blank": ("\n\n", TWO, "is empty"),
    "a heading alone": (HEAD, TWO, "has no rows below its heading"),
    "two columns of one name": ("school,age,age,score\na,1,2,3\n", TWO, "has 2 columns named 'age'"),
    "no task in a row": (HEAD + "a,7,day,1\n,8,day,2\nb,8,day,2\n", TWO, "column 'school' is empty in row 2"),
    "an infinite number": (HEAD + "a,7,day,1\nb,inf,day,2\n", TWO, "Column 'age' is infinite in row 2"),
    "one class": (HEAD + "a,7,day,yes\nb,8,day,yes\n", TWO, "all labels of 'score' are 'yes'"),
    "a longer row": (HEAD + "a,7,day,1\nb,8,day,2,3,4,5\n", TWO, "is damaged or of another format"),
    "input and target": (None, TWO | {"inputs": ["score"]}, "'score' cannot be an input and"),
    "zero bytes": ("a\0b,c\n", TWO, "zero bytes"),
    "no inputs": ("school,score\na,1\nb,2\n", TWO, "no input column"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_gets_one_line(name, tmp_path):
    text, columns, said = BAD[name]
    with pytest.raises(ls.InputError) as refused:
        ls.read_table(written(tmp_path, text), **columns)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_not_read_gets_one_line(tmp_path):
    written(tmp_path, name="mydata.csv")
    for name, said in (
        ("mydat.csv", "Did you mean 'mydata.csv'?"),
        ("", "is a folder"),
        ("no/x.csv", "not there"),
    ):
        with pytest.raises(ls.InputError, match=said.replace("?", r"\?")):
            ls.read_table(tmp_path / name, **TWO)
    with pytest.raises(ls.InputError, match=r"not in UTF-8 \(line 3\)"):
        ls.read_table(
            written(tmp_path, HEAD + "a,7,day,1\nbä,8,day,2\n", encoding="latin-1"), **TWO
        )
    with pytest.raises(ls.InputError, match=r"ends in '.xlsx'"):
        ls.read_table(written(tmp_path, name="table.xlsx"), **TWO)
    with pytest.raises(ls.InputError, match="damaged or of another format"):
        ls.read_table(written(tmp_path, "no parquet", name="table.parquet"), **TWO)
    with pytest.raises(ls.InputError, match="no table that can be read"):
        ls.read_table([1, 2, 3], **TWO)


def test_a_task_of_one_row_gets_one_line():
    table = ls.Table.from_arrays(np.zeros((6, 1)), np.arange(6.0), np.array(["a"] * 5 + ["b"]))
    with pytest.raises(
        ls.InputError,
        match=r"Task 'b' has 1 labelled row; .* Leave out small tasks with `min_rows=3`",
    ):
        ls.by_rows(table)


# What is learnt about inputs, and from which rows.


def numbers(seed=0, tasks=3, rows=20):
    """A table with gaps and a column of words."""
    random = np.random.default_rng(seed)
    task = np.repeat(np.arange(tasks), rows)
    x = np.stack(
        [
            random.normal(5, 3, len(task)),
            random.integers(0, 2, len(task)),
            random.integers(0, 4, len(task)),
        ],
        axis=1,
    )
    x[random.random(len(task)) < 0.1, 0] = np.nan
    y = random.normal(100, 20, len(task))
    return ls.Table(
        x.astype(float), y[:, None], task, ("a", "b", "c"), ("n", "two", "w"), {2: tuple("pqrs")}
    )


@given(st.integers(0, 59), st.integers(0, 1000))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_what_a_scored_row_holds_changes_nothing_in_training(row, seed):
    table = numbers(seed)
    part = table.split_rows(seed=seed)
    row = int(np.flatnonzero(part > 0)[row % (part > 0).sum()])
    x, y = table.x.copy(), table.y.copy()
    x[row], y[row] = [1e6, 7.0, 3.0], -1e6
    changed = ls.Table(x, y, table.task, table.names, table.columns, table.words)
    before, after = (ls.by_rows(t, part=part) for t in (table, changed))
    mine, theirs = (
        jax.tree.leaves((tasks.points, tasks.mean, tasks.std)) for tasks in (before, after)
    )
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(before.held_out.y, after.held_out.y)


def test_training_inputs_have_mean_zero_and_deviation_one_where_they_are_numbers():
    table = numbers()
    tasks = ls.by_rows(table)
    points, there = np.asarray(tasks.points.x), np.asarray(tasks.points.weight) > 0
    gaps = np.isnan(table.x[np.asarray(tasks.rows[0])[there], 0])
    column = points[there][:, 0]
    np.testing.assert_allclose(column[~gaps].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(column[~gaps].std(), 1, rtol=1e-5)
    assert (column[gaps] == 0).all()  # the mean
    np.testing.assert_array_equal(points[there][:, tasks.inputs.index("n is missing")], gaps)


def test_words_become_ones_and_come_back():
    table = numbers()
    encoding = ls.data.Encoding.fit(table, np.arange(30))
    ones = encoding(table.x)[:, [encoding.names.index(f"w = {word}") for word in "pqrs"]]
    np.testing.assert_array_equal(ones.argmax(axis=1), table.x[:, 2])
    np.testing.assert_array_equal(ones.sum(axis=1), 1)


def test_a_word_that_training_never_saw_is_zero_everywhere():
    table = numbers()
    rows = np.flatnonzero(table.x[:, 2] != 3)
    encoding = ls.data.Encoding.fit(table, rows)
    assert "w = s" not in encoding.names
    there = [encoding.names.index(f"w = {word}") for word in "pqr"]
    assert (encoding(table.x)[table.x[:, 2] == 3][:, there] == 0).all()


@pytest.mark.parametrize("mode", ("a task column", "several targets"))
def test_predictions_come_back_in_the_units_of_the_table(mode):
    table = numbers()
    if mode == "several targets":
        y = np.random.default_rng(1).normal([3.0, -500.0, 0.01], [1.0, 40.0, 0.001], (60, 3))
        table = ls.Table(table.x, y, None, table.names, table.columns, table.words)
    tasks = ls.by_rows(table)
    for split in ls.Split:
        points = jax.vmap(lambda i, split=split: tasks.all_points(i, split))(jnp.arange(3))
        back, rows, there = (
            np.asarray(a)
            for a in (tasks.in_units(points.y), tasks.rows_of(split), points.weight > 0)
        )
        for t in range(3):
            expected = table.y[rows[t][there[t]], t if mode == "several targets" else 0]
            np.testing.assert_allclose(back[t, there[t], 0], expected, rtol=1e-5, atol=1e-6)


def test_a_missing_label_never_reaches_a_gradient():
    random = np.random.default_rng(2)
    x, y = random.normal(size=(30, 2)), random.normal(size=(30, 3))
    y[random.random((30, 3)) < 0.3] = np.nan
    part = np.arange(30) % 5 // 3  # 0 0 0 1 1
    part[np.arange(30) % 5 == 4] = 2
    tasks = ls.by_rows(ls.Table.from_arrays(x, y), part=part)
    other = eqx.tree_at(
        lambda t: t.points.y,
        tasks,
        jnp.where(tasks.points.weight[..., None] > 0, tasks.points.y, 1e9),
    )
    model = ls.MLP(2, 1, width=4, depth=1, key=jax.random.key(0))

    @eqx.filter_jit
    def gradient(tasks):
        return ls.Pooled(ls.mse).gradient(
            model, tasks.draw(3, ls.Split.TRAIN, key=jax.random.key(1)), None, key=jax.random.key(2)
        )

    for a, b in zip(*map(jax.tree.leaves, (gradient(tasks)[0], gradient(other)[0])), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()


def test_the_order_of_rows_matters_through_the_division_alone():
    table = numbers()
    part, order = table.split_rows(seed=4), np.random.default_rng(0).permutation(60)
    mixed = ls.Table(
        table.x[order], table.y[order], table.task[order], table.names, table.columns, table.words
    )
    plain, other = ls.by_rows(table, part=part), ls.by_rows(mixed, part=part[order])
    np.testing.assert_allclose(plain.mean, other.mean, rtol=1e-6)
    for t in range(3):
        mine, theirs = (
            np.asarray(tasks.points.x[t])[np.asarray(tasks.points.weight[t]) > 0]
            for tasks in (plain, other)
        )
        np.testing.assert_allclose(
            np.sort(mine, axis=0), np.sort(theirs, axis=0), rtol=1e-5, atol=1e-6
        )


@given(st.lists(st.integers(3, 40), min_size=2, max_size=6), st.integers(0, 99))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_every_row_is_in_one_part_and_every_part_has_rows_of_every_task(sizes, seed):
    task = np.repeat(np.arange(len(sizes)), sizes)
    table = ls.Table.from_arrays(np.zeros((len(task), 1)), np.arange(len(task)), task)
    part = table.split_rows(seed=seed)
    assert all(set(part[task == t]) == {0, 1, 2} for t in range(len(sizes)))
    tasks = ls.by_rows(table, part=part)
    seen = [np.asarray(tasks.rows_of(split)) for split in ls.Split]
    assert sorted(np.concatenate([rows[rows >= 0] for rows in seen])) == list(range(len(task)))
    assert all(
        (part[rows[rows >= 0]] == split.value).all()
        for rows, split in zip(seen, ls.Split, strict=True)
    )


def test_new_tasks_are_held_out_whole_and_scaled_by_the_others():
    table = numbers()
    part = np.array([0, 1, 2])
    x, y = table.x.copy(), table.y.copy()
    x[table.task == 2, 0] += 1000.0
    y[table.task == 2] += 1e6
    shifted = ls.Table(x, y, table.task, table.names, table.columns, table.words)
    before, after = (ls.by_tasks(t, part=part, shots=3, queries=4) for t in (table, shifted))
    assert before.names == (("a",), ("b",), ("c",))
    np.testing.assert_array_equal(before.train.x, after.train.x)
    np.testing.assert_array_equal(before.validation.y, after.validation.y)
    np.testing.assert_allclose(
        after.test.y - before.test.y, 1e6 / table.y[table.task == 0].std(), rtol=1e-3
    )


draw = eqx.filter_jit(lambda tasks, split, key: tasks.draw(4, split, key=key))


def test_a_new_task_is_learnt_and_scored_on_different_rows(getkey):
    rows = np.arange(60.0)
    tasks = ls.by_tasks(
        ls.Table.from_arrays(rows[:, None], rows, np.repeat(np.arange(6), 10)), shots=4, queries=6
    )
    for split in ls.Split:
        batch = draw(tasks, split, getkey())
        both = np.concatenate(
            [np.asarray(batch.support.y)[..., 0], np.asarray(batch.query.y)[..., 0]], axis=1
        )
        assert all(len(set(task.round(4))) == 10 for task in both)


# The sources that have a name.


@real
def test_school_is_the_published_table():
    table = ls.data.school()
    assert (len(table), table.x.shape) == (139, (15362, 27))
    count = np.bincount(table.task)
    assert (count.min(), count.max()) == (22, 251)
    assert table.targets == ("exam score",) and table.y.min() >= 1 and table.y.max() == 70


@real
def test_sarcos_has_seven_torques_and_tox21_a_sixth_of_its_labels_missing():
    assert ls.data.sarcos().y.shape == (4449, 7)
    table = ls.data.tox21()
    assert table.y.shape == (8006, 12) and table.classes == ("inactive", "active")
    assert set(np.unique(table.x)) == {0, 1}
    np.testing.assert_allclose(np.isnan(table.y).mean(), 0.1726, atol=1e-4)


@pytest.mark.parametrize("name", ("school", "sarcos", "tox21"))
def test_a_source_that_is_not_at_hand_says_where_it_is_expected(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNSET_DATA", str(tmp_path))
    with pytest.raises(ls.InputError, match=f"There is no folder {tmp_path}/{name}"):
        getattr(ls.data, name)()
    monkeypatch.delenv("LEARNSET_DATA")
    with pytest.raises(
        ls.InputError, match=f"LEARNSET_DATA is unset. Set it to the folder that holds `{name}/`"
    ):
        getattr(ls.data, name)()
