"""A model as one file: complete, whole or refused, and never a program."""

import hashlib
import json
import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from tables import fitted, frame, noisy

import learnset as ls
from learnset.fitting import _file


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = fitted("mixed model")
    x, y, task = noisy(1, 5, first=9)
    path = tmp_path_factory.mktemp("kept") / "model.learnset"
    model = model.adapt(frame(x, task, y))
    model.save(path)
    return model, path


@pytest.mark.slow
def test_a_new_process_predicts_the_same_without_data(saved, tmp_path):
    model, path = saved
    rows = frame(*noisy(6, 4, seed=2)[::2])
    rows.write_csv(tmp_path / "rows.csv")
    program = (
        "import sys, learnset as ls; p = ls.load(sys.argv[1]).predict(sys.argv[2]);"
        " p.write_csv(sys.argv[3])"
    )
    words = [sys.executable, "-c", program, path, "rows.csv", "out.csv"]
    subprocess.run(list(map(str, words)), cwd=tmp_path, check=True)
    import polars as pl

    theirs = pl.read_csv(tmp_path / "out.csv")["predicted"].to_numpy()
    assert np.abs(theirs - model.predict(rows)["predicted"].to_numpy()).max() < 1e-6


def test_the_same_model_is_the_same_bytes(saved, tmp_path):
    model, path = saved
    model.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_every_flipped_byte_and_every_cut_is_refused_in_one_line(saved, tmp_path):
    content = saved[1].read_bytes()
    broken = tmp_path / "broken.learnset"
    random = np.random.default_rng(0)
    for place in random.integers(0, len(content), 300):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(random.integers(8))
        broken.write_bytes(damaged if place % 3 else content[:place])
        try:
            again = ls.load(broken)
        except ls.InputError as error:
            assert "\n" not in str(error)
        else:  # bytes of the zip that say nothing, such as the date
            assert repr(again) == repr(saved[0])


def forged(path, target, change):
    """The file with other contents, and digests that are right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(members["about.json"])
    about = change(about, members) or about
    members["about.json"] = json.dumps(about).encode()
    del members["digests.json"]
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    members["digests.json"] = json.dumps(digests).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def another_format(about, members):
    about["format"] = 99


def another_class(about, members):
    about["model"]["class"] = "multitask.os"


def a_function_as_class(about, members):
    about["model"]["class"] = "multitask.delta_m"


def fewer_fields(about, members):
    del about["model"]["fields"]["noise"]


def fewer_tasks(about, members):
    schema = json.loads(about["schema"])
    schema["tasks"] = schema["tasks"][:-1]
    about["schema"] = json.dumps(schema)


def another_input(about, members):
    schema = json.loads(about["schema"])
    schema["columns"].append({"name": "more", "role": "input", "kind": "number"})
    about["schema"] = json.dumps(schema)


def a_deep_model(about, members):
    for _ in range(100):
        about["model"] = {"tuple": [about["model"]]}


def a_header_that_claims_too_much(about, members):
    name = next(name for name in members if name.endswith(".npy"))
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    head += b" " * (117 - len(head)) + b"\n"
    members[name] = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


def a_header_without_an_end(about, members):
    """NumPy gives it to a tokenizer."""
    name = next(name for name in members if name.endswith(".npy"))
    content = members[name]
    members[name] = content[:10] + content[10:].replace(b"}", b" ", 1)


def a_pickle(about, members):
    name = next(name for name in members if name.endswith(".npy"))
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (117 - len(head)) + b"\n"
    members[name] = (
        b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"cos\nsystem\n."
    )


def no_object(about, members):
    return [about]


@pytest.mark.parametrize(
    "change, words",
    [
        (another_format, "reads formats 1 to 2"),
        (another_class, "unknown class"),
        (a_function_as_class, "unknown class"),
        (fewer_fields, "fields"),
        (fewer_tasks, "tasks"),
        (another_input, "cannot be used|not what"),
        (a_deep_model, "nested"),
        (a_header_that_claims_too_much, "damaged"),
        (a_header_without_an_end, "damaged"),
        (a_pickle, "damaged"),
        (no_object, "damaged"),
    ],
)
def test_a_forged_file_is_refused_in_one_line(saved, tmp_path, change, words):
    forged(saved[1], tmp_path / "forged.learnset", change)
    with pytest.raises(ls.InputError, match=words) as error:
        ls.load(tmp_path / "forged.learnset")
    assert "\n" not in str(error.value)


def test_compressed_members_are_refused_before_they_are_unpacked(saved, tmp_path):
    target = tmp_path / "bomb.learnset"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.json", b" " * 2**26)
    with pytest.raises(ls.InputError, match="damaged"):
        ls.load(target)


def test_a_file_of_more_bytes_than_may_be_read_is_refused(saved):
    with pytest.raises(ls.InputError, match="more than the 1,000 that may be read.*most_bytes"):
        ls.load(saved[1], most_bytes=1000)


def test_no_path_of_the_machine_that_made_it_is_in_a_model(saved):
    content = saved[1].read_bytes()
    assert b"/home" not in content and str(saved[1].parent).encode() not in content
    assert b".py" not in content and b"site-packages" not in content


def test_a_file_of_format_one_is_read(saved, tmp_path):
    def older(about, members):
        about["format"] = 1
        about["added"] = [one[:3] for one in about["added"]]
        del about["newcomers"], about["card"]["new_tasks"], about["card"]["scores"]["shots"]

    forged(saved[1], tmp_path / "older.learnset", older)
    again, rows = ls.load(tmp_path / "older.learnset"), frame(*noisy(6, 4, seed=2)[::2])
    assert again.predict(rows).equals(saved[0].predict(rows))
    assert ls.fitting.card(again)


def test_a_file_that_is_not_there_or_cannot_be_written_is_named(saved, tmp_path):
    with pytest.raises(ls.InputError, match="There is no file"):
        ls.load(tmp_path / "none.learnset")
    (tmp_path / "file").write_text("")
    with pytest.raises(ls.InputError, match="cannot be written"):
        saved[0].save(tmp_path / "file" / "model.learnset")


def test_a_model_of_a_foreign_class_is_not_saved(saved, tmp_path):
    import dataclasses

    import equinox as eqx

    class Mine(eqx.Module):
        pass

    with pytest.raises(ls.InputError, match="class Mine cannot be saved"):
        dataclasses.replace(saved[0], model=Mine()).save(tmp_path / "x.learnset")


def test_what_a_table_network_has_read_of_siblings_is_kept_bit_for_bit():
    network = ls.models.TableTransformer(width=4, heads=1, depth=1, thinking=1, key=jr.key(0))
    siblings = ls.Batch(jnp.ones((2, 3, 1)), jnp.ones((2, 3, 1)), jnp.ones((2, 3)))
    read = ls.meta.InContextTable(network).with_siblings(siblings)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(read)]
    assert {"float16", "float32", "bool"} <= {leaf.dtype.name for leaf in leaves}
    for leaf in leaves:
        again = _file._array_of(_file._bytes_of(leaf))
        assert again.dtype == leaf.dtype and np.array_equal(again, leaf)


def test_the_card_says_what_the_model_is(saved):
    text = "\n".join(
        f"{name} {line}" for _, lines in ls.fitting.card(saved[0]) for name, line in lines
    )
    for words in ("mixed model", "explained variance", "6, and 1 that were adapted", "± ", "jax"):
        assert words in text
