"""Checkpoints: a changed bit is noticed, the one before it is taken, and nothing is ever lost."""

import errno
import json
import shutil
import warnings

import equinox as eqx
import jax.random as jr
import numpy as np
import optax
import pytest

import learnset as ls
from learnset.core import NotWrittenError, write_file
from learnset.training import (
    read_arrays,
    read_sealed_json,
    restore,
    write_arrays,
    write_sealed_json,
)
from learnset.training._checkpoint import Checkpoints, Saved

ADAM, METHOD = optax.adam(1e-3), ls.Pooled(ls.mse)
MODEL = ls.MLP(1, 1, width=4, key=jr.key(0))


def train(out, steps, **options):
    options = {"log_every": 2, "checkpoint_every": 4} | options
    tasks, method = ls.Sinusoids(shots=2, queries=2), METHOD
    options |= {"steps": steps, "key": jr.key(1), "tasks_per_step": 2, "progress": False}
    return ls.train(method, MODEL, tasks, ADAM, out=out, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of eight steps, its states after four and after eight."""
    out = tmp_path_factory.mktemp("run") / "run"
    train(out, 4)
    first = restore(out, METHOD, MODEL, ADAM)
    train(out, 8, resume=True)
    return out, first, restore(out, METHOD, MODEL, ADAM)


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run[0], tmp_path / "copy")


def restored(out):
    return restore(out, METHOD, MODEL, ADAM)


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def bits(path, count, seed=0):
    return np.random.default_rng(seed).choice(8 * path.stat().st_size, count, replace=False)


def test_the_last_two_checkpoints_are_kept(run):
    names = {path.name for path in (run[0] / "checkpoints").iterdir()}
    assert names == {"4.checkpoint", "8.checkpoint"}
    assert (run[1].steps, run[2].steps) == (4, 8)


def test_every_flipped_bit_of_a_checkpoint_is_named_and_the_one_before_is_taken(run, copy):
    path = copy / "checkpoints" / "8.checkpoint"
    whole = path.read_bytes()
    for bit in [*range(0, 80, 7), *bits(path, 60)]:
        flip(path, int(bit))
        with pytest.warns(UserWarning, match=r"8\.checkpoint .*step 4 is taken") as warned:
            found = restored(copy)
        assert "\n" not in str(warned[0].message)
        assert found.steps == 4 and eqx.tree_equal(found.model, run[1].model)
        path.write_bytes(whole)


@pytest.mark.parametrize("kept", (0.0, 0.001, 0.1, 0.5, 0.999))
def test_a_checkpoint_that_was_cut_is_named_and_the_one_before_is_taken(run, copy, kept):
    path = copy / "checkpoints" / "8.checkpoint"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.warns(UserWarning, match="step 4 is taken"):
        resumed = train(copy, 8, resume=True)
    assert eqx.tree_equal(resumed.model, run[2].model)  # bit for bit, from step 4
    assert eqx.tree_equal(restored(copy).model, run[2].model)  # and whole again


def test_where_no_checkpoint_is_whole_there_is_one_line(copy):
    for path in (copy / "checkpoints").iterdir():
        path.write_bytes(b"\x00" * 100)
    with pytest.raises(ls.InputError, match=r"8\.checkpoint is not a checkpoint") as error:
        restored(copy)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ("8", "x.checkpoint", "9.checkpoint.bak", "-1.checkpoint"))
def test_other_names_are_not_checkpoints(run, copy, name):
    (copy / "checkpoints" / name).write_text("")
    assert restored(copy).steps == 8


def test_a_directory_in_place_of_a_checkpoint_is_one_line(copy):
    (copy / "checkpoints" / "12.checkpoint").mkdir()
    with pytest.warns(UserWarning, match=r"12\.checkpoint cannot be read.*step 8 is taken"):
        assert restored(copy).steps == 8


def test_checkpoints_of_an_earlier_version_are_refused_in_one_line(copy):
    shutil.rmtree(copy / "checkpoints")
    (copy / "checkpoints" / "8" / "meta").mkdir(parents=True)
    with pytest.raises(ls.InputError, match="format of another version of learnset"):
        restored(copy)


@pytest.mark.parametrize("damage", ("empty", "binary", "another number", "gone", "a bit"))
def test_metrics_come_from_the_checkpoint_whatever_became_of_the_file(run, copy, damage):
    path = copy / "metrics.jsonl"
    lines = path.read_text()
    content = {
        "empty": b"",
        "binary": bytes(range(256)),
        "another number": lines.replace("1", "2").encode(),
        "gone": b"",
        "a bit": bytes([lines.encode()[0] ^ 1]) + lines.encode()[1:],
    }[damage]
    path.write_bytes(content)
    if damage == "gone":
        path.unlink()
    train(copy, 8, resume=True)
    assert path.read_text() == lines


def test_a_state_of_every_dtype_is_restored_bit_for_bit(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 2))
    dtypes = ("float32", "bfloat16", "float16", "int8", "uint32", "bool", "float8_e4m3fn")
    state = {name: jr.normal(jr.key(0), (3, 2)).astype(name) for name in dtypes}
    state |= {"key": jr.key(7), "scalar": state["bfloat16"][0, 0], "none": None}
    checkpoints = Checkpoints(tmp_path, {})
    checkpoints.save(Saved(3, state, "log\n", {"loss": values}, 0.5))
    blank = {**state, "key": jr.key(0), "scalar": state["scalar"] * 0}
    found = checkpoints.restore(blank)
    assert eqx.tree_equal(found.state, state)
    assert found.log == "log\n"
    assert found.seconds == 0.5 and np.array_equal(found.window["loss"], values)


def test_checkpoints_come_every_so_many_steps_as_asked(tmp_path, monkeypatch):
    """Also where the windows of the log are longer, or end at other steps."""
    steps, save = [], Checkpoints.save

    def note(self, saved):
        steps.append(saved.step)
        save(self, saved)

    monkeypatch.setattr(Checkpoints, "save", note)
    plain = train(tmp_path / "plain", 20, log_every=6, checkpoint_every=20)
    assert steps == [20]
    steps.clear()
    often = train(tmp_path / "often", 20, log_every=6, checkpoint_every=4)
    assert steps == [4, 8, 12, 16, 20]
    assert eqx.tree_equal(often.metrics, plain.metrics)
    assert eqx.tree_equal(often.model, plain.model)
    for folder in ("plain", "often"):
        logged = (tmp_path / folder / "metrics.jsonl").read_text()
        assert [json.loads(line)["step"] for line in logged.splitlines()] == [6, 12, 18, 20]
    (tmp_path / "often" / "checkpoints" / "20.checkpoint").unlink()
    resumed = train(tmp_path / "often", 20, log_every=6, resume=True)  # from the middle of a window
    assert eqx.tree_equal(resumed.metrics["loss"], plain.metrics["loss"])


def test_a_full_disk_leaves_the_last_checkpoint_and_one_line(run, copy, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NotWrittenError, match="No space left") as error:
        train(copy, 12, resume=True)
    monkeypatch.undo()
    assert "\n" not in str(error.value)
    assert eqx.tree_equal(restored(copy).model, run[2].model)
    uncut = train(copy.parent / "uncut", 12)
    assert eqx.tree_equal(train(copy, 12, resume=True).model, uncut.model)


def test_a_write_that_fails_leaves_the_earlier_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_file(path, "whole")

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NotWrittenError, match="No space left on device"):
        write_file(path, "new")
    assert path.read_text() == "whole" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_every_flipped_bit_of_arrays_is_noticed(tmp_path):
    path = tmp_path / "some.answers"
    write_arrays(path, "answers 1", {"chosen": [1, 2]}, {"x": np.arange(5.0)})
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        flip(path, bit)
        with pytest.raises(ls.InputError, match="damaged|another version|is not a"):
            read_arrays(path, "answers 1", "Do it again.")
        path.write_bytes(whole)
    assert read_arrays(path, "answers 1", "")[0] == {"chosen": [1, 2]}


@pytest.mark.slow
def test_every_flipped_bit_of_sealed_json_is_noticed_or_changes_nothing(tmp_path):
    path, value = tmp_path / "classes.json", {"names": ["a", "é", "0"], "shape": [28, 28, 1]}
    write_sealed_json(path, value)
    whole = path.read_bytes()
    harmless = 0
    for bit in range(8 * len(whole)):
        flip(path, bit)
        try:
            assert read_sealed_json(path, "Do it again.") == value
            harmless += 1  # white space became other white space
        except ls.InputError as error:
            assert "\n" not in str(error)
        path.write_bytes(whole)
    assert harmless < 0.05 * 8 * len(whole)


@pytest.mark.parametrize("content", (b"", b"[]", b"3", b'"a"', b"{}", b"\xff\xfe", b"[" * 100_000))
def test_json_of_another_kind_is_one_line(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ls.InputError, match="run.json .*Train again") as error:
        read_sealed_json(tmp_path / "run.json", "Train again.")
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_is_whole_is_restored_without_a_word(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert restored(run[0]).steps == 8
