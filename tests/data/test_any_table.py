"""Whatever names and numbers are written in a file, they come back, or one line says which cell is
not understood; and no file ends in anything but a table or one line."""

import csv
import decimal
import io
import json
import pathlib
import random
import re
import resource
import tempfile

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings, strategies as st

import learnset as ls

MISSING = {"", "n/a", "nan", "null", "?", "<na>", "#n/a", "nat"}
NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Co"), blacklist_characters="\0"),
    min_size=1,
    max_size=8,
).filter(lambda name: name == name.strip() and name.lower() not in MISSING)
NUMBER_LIKE = st.from_regex(r"\A[0-9]{1,20}([.eE][0-9]{1,4})?\Z")
GROUPS = ("", ".", ",", "'", " ", "\u202f", "india")


def file_of(heading, rows, separator):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\r\n")
    writer.writerows([heading, *rows])
    return text.getvalue().encode()


def read(content, name="t.csv", **columns):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, name)
        path.write_bytes(content)
        return ls.read_table(path, **columns)


def written(number, places, mark, group):
    """A number in a notation, as programs of that country write it."""
    sign, digits, _ = decimal.Decimal(number).as_tuple()
    text = "".join(map(str, digits)).rjust(places + 1, "0")
    whole, part = text[: len(text) - places], text[len(text) - places :]
    if group == "india":
        head, tail = whole[:-3], whole[-3:]
        pairs = [head[max(0, i - 2) : i] for i in range(len(head), 0, -2)][::-1]
        whole = ",".join([*pairs, tail])
    elif group:
        whole = f"{int(whole):,}".replace(",", group)
    return "-" * sign + whole + (mark + part if places else "")


@pytest.mark.slow
@given(
    st.lists(NAMES | NUMBER_LIKE, min_size=2, max_size=6, unique=True),
    st.sampled_from(",;\t|"),
)
@settings(deadline=None, max_examples=150, derandomize=True)
def test_names_come_back_letter_by_letter(names, separator):
    rows = [(name, name, i % 2 + 0.5) for i, name in enumerate(names * 2)]
    content = file_of(("t", "c", "y"), rows, separator)
    table = read(content, task="t", target="y", categories=("c",))
    assert set(table.names) == set(names)
    assert [table.names[t] for t in table.task] == names * 2
    assert [table.words[0][int(code)] for code in table.x[:, 0]] == names * 2


@pytest.mark.slow
@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=4, max_size=12),
    st.integers(0, 5),
    st.integers(0, 3),
    st.sampled_from(".,"),
    st.sampled_from(GROUPS),
    st.sampled_from(",;\t|"),
    st.sampled_from(("{}", "{}%", "${}", "{} €")),
)
@settings(deadline=None, max_examples=200, derandomize=True)
def test_numbers_come_back_or_one_line_asks(numbers, places, others, mark, group, separator, unit):
    assume(group != mark and not (group == "india" and mark == ","))
    # A point goes with commas between cells, and a comma with semicolons, where nothing else says.
    assume(mark == ("," if separator == ";" else ".") or places not in (0, 3) or others == 1)
    rows = [
        (
            "ab"[i % 2],
            written(i * 7 + 1, others, mark, group),
            unit.format(written(n, places, mark, group)),
        )
        for i, n in enumerate(numbers)
    ]
    right = [float(decimal.Decimal(n).scaleb(-places)) for n in numbers]
    assume(len(set(right)) > 1 and set(right) != {0, 1})
    assume(not any(re.search(r"\b0[0-9]", row[2]) for row in rows))
    try:
        table = read(file_of(("t", "x", "y"), rows, separator), task="t", target="y")
    except ls.InputError as error:
        assert re.search(r"'[^']+' in column '[xy]' may be ", str(error)), str(error)
        return
    assert table.classes == () and table.y[:, 0].tolist() == right
    expected = [float(decimal.Decimal(i * 7 + 1).scaleb(-others)) for i in range(len(rows))]
    assert table.x[:, 0].tolist() == expected


GOOD = file_of(
    ("t", "word", "n", "day", "y"),
    [("ab"[i % 2], ("u", "v", "")[i % 3], f"{i},5", f"2024-01-{i + 1:02d}", i) for i in range(20)],
    ";",
)


def parquet():
    frame = pl.read_csv(GOOD, separator=";").with_columns(pl.col("day").str.to_date())
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def mutated(content, random):
    """The content with some bytes changed, left out, repeated or put in."""
    data = bytearray(content)
    for _ in range(random.randint(1, 6)):
        place, kind = random.randrange(len(data) + 1), random.randrange(6)
        if kind == 0:
            data[place : place + 1] = bytes([random.randrange(256)])
        elif kind == 1:
            del data[place : place + random.randint(1, 40)]
        elif kind == 2:
            data[place:place] = data[place : place + random.randint(1, 40)]
        elif kind == 3:
            data[place:place] = random.choice(
                (
                    b'"',
                    b"\r",
                    b"\n",
                    b";",
                    b",",
                    b"-",
                    b"\xff",
                    b"\0",
                    b"1e999",
                    b"inf",
                    "٣".encode(),
                )
            )
        elif kind == 4:
            del data[place:]
        else:
            data[place:place] = bytes(random.randrange(256) for _ in range(8))
    return bytes(data)


def table_or_one_line(content, name):
    try:
        table = read(content, name, task="t", target="y")
        assert np.isfinite(table.y).all() and not np.isinf(table.x).any()
        assert ls.data.Schema.from_json(table.schema.to_json()) == table.schema
    except ls.InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000


@pytest.mark.parametrize("name, count", (("t.csv", 300), ("t.parquet", 100)))
def test_a_damaged_file_is_a_table_or_one_line(name, count):
    content, generator = GOOD if name == "t.csv" else parquet(), random.Random(0)
    for _ in range(count):
        table_or_one_line(mutated(content, generator), name)


@pytest.mark.long
@pytest.mark.parametrize("name", ("t.csv", "t.parquet"))
def test_ten_thousand_damaged_files_are_tables_or_one_line(name):
    content, generator = GOOD if name == "t.csv" else parquet(), random.Random(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(10_000):
        table_or_one_line(mutated(content, generator), name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # 1 GiB in KiB


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda t: t.encode(errors="replace")))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_any_bytes_are_a_table_or_one_line(content):
    table_or_one_line(content, "t.csv")
    table_or_one_line(b"t;x;y\n" + content, "t.csv")


@given(st.text(max_size=50))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_any_text_is_a_schema_or_one_line(text):
    for content in (text, json.dumps({"columns": [{"name": text, "words": [text]}]}), f"[{text}]"):
        try:
            ls.data.Schema.from_json(content)
        except ls.InputError as error:
            assert "\n" not in str(error)


def test_a_parquet_file_of_many_rows_is_refused_by_its_header(tmp_path):
    path = tmp_path / "t.parquet"
    pl.LazyFrame({"t": ["a"]}).select(pl.repeat("a", 60_000_000).alias("t")).sink_parquet(path)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(ls.InputError, match="60000000 rows of 1 columns, more than"):
        ls.read_table(path, task="t", target="y")


@pytest.mark.parametrize(
    ("y", "words"),
    (
        (np.full(12, 3.0), "all labels of 'target' are '3'"),
        (np.append(np.arange(11.0), np.inf), "'target' is infinite in row 12"),
        (np.arange(12) * 1e200, "beyond the numbers that can be learnt"),
        (np.arange(12) * 1e-200, "beyond the numbers that can be learnt"),
        (np.full(12, np.nan), "No row has a label"),
    ),
)
@pytest.mark.parametrize("way", ("from_arrays", "read_table", "sklearn"))
def test_targets_that_cannot_be_learnt_are_refused_however_a_table_is_made(way, y, words):
    x, task = np.arange(12.0)[:, None], np.repeat(["a", "b"], 6)
    if way == "sklearn":
        if not np.isfinite(y).all():
            pytest.skip("scikit-learn's own checks come first")
        pytest.importorskip("sklearn")
        from learnset.sklearn import MultiTaskRegressor

        words = words.replace("'target'", "'y0'")
        with pytest.raises(ls.InputError, match=words):
            MultiTaskRegressor().fit(x, y, task=task)
        return
    with pytest.raises(ls.InputError, match=words.replace("No row", "(?i)no row")):
        if way == "from_arrays":
            ls.Table.from_arrays(x, y, task)
        else:
            frame = pl.DataFrame({"x": x[:, 0], "target": y, "t": task})
            ls.read_table(frame, task="t", target="target")
