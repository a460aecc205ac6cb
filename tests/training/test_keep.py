"""Predictors as files, and files that are not predictors."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset import training
from learnset.training._sealed import write_sealed

ELSEWHERE = """
import sys
import numpy as np
import learnset as ls
from learnset import training
from learnset.training._sealed import write_sealed

predictor = ls.load(sys.argv[1])
for path in sys.argv[2:]:
    np.save(path + ".out.npy", predictor(np.load(path)))
"""


@pytest.fixture
def adapted(model, tasks, getkey):
    return ls.FineTune(ls.mse, 0.1, steps=2).adapt(
        model, tasks.sample(ls.Split.TEST, key=getkey()).support
    )


@pytest.fixture
def saved(adapted, tmp_path):
    ls.save(tmp_path / "predictor", adapted, jnp.zeros(1))
    return tmp_path / "predictor"


@pytest.mark.slow
def test_a_new_process_predicts_the_same_for_any_number_of_points(adapted, saved, tmp_path):
    paths = [str(tmp_path / f"{num}.npy") for num in (1, 3, 50)]
    for path, num in zip(paths, (1, 3, 50), strict=True):
        np.save(path, np.linspace(-5, 5, num, dtype=np.float32)[:, None])
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(saved), *paths], check=True, cwd=tmp_path)
    for path in paths:
        expected = ls.predict(adapted, jnp.asarray(np.load(path)))
        assert np.allclose(np.load(path + ".out.npy"), expected, rtol=1e-6, atol=1e-6)


def test_no_path_of_the_machine_that_made_it_is_in_a_predictor(saved):
    content = saved.read_bytes()
    assert str(Path(ls.__file__).parent).encode() not in content and b".py" not in content


def test_saving_again_replaces_the_file_and_leaves_no_other(saved, model):
    ls.save(saved, model, jnp.zeros(1))
    assert jnp.allclose(
        ls.load(saved)(jnp.ones((2, 1))), ls.predict(model, jnp.ones((2, 1))), rtol=1e-6
    )
    assert [path.name for path in saved.parent.iterdir()] == ["predictor"]


@pytest.mark.parametrize("part", (0.0, 0.003, 0.1, 0.9, 0.9999))
def test_a_file_that_was_cut_short_is_refused_by_name(saved, part):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ls.InputError, match=re.escape(str(saved))):
        ls.load(saved)


def test_a_single_bit_that_changed_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[-len(content) // 3] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ls.InputError, match=f"{re.escape(str(saved))} is damaged"):
        ls.load(saved)


def test_a_file_of_another_program_is_refused_by_name(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n" + bytes(100))
    with pytest.raises(ls.InputError, match=f"{re.escape(str(path))} is not a predictor of learn"):
        ls.load(path)


@pytest.mark.parametrize("name", ("missing", "."))
def test_what_is_no_file_is_refused_by_name(tmp_path, name):
    with pytest.raises(ls.InputError, match=f"There is no file {re.escape(str(tmp_path / name))}"):
        ls.load(tmp_path / name)


def test_nothing_is_ever_unpickled():
    """Reading a pickle runs whatever code it holds, and so do NumPy's and joblib's readers when
    they are asked to. (The reader of PyTorch's files finds no class but those of tensors; processes
    of one run send each other values, and no files.)"""
    source, others = Path(ls.__file__).parent, ("_weights.py", "_sent.py", "_processes.py")
    files = [path for path in source.rglob("*.py") if path.name not in others]
    bad = re.compile(
        r"\b(import|from)\s+(c?[pP]ickle|dill|cloudpickle|joblib|shelve|marshal)\b|allow_pickle\s*=\s*True"
    )
    assert [str(path) for path in files if bad.search(path.read_text())] == []
    assert len(files) > 30  # files were searched


def write(path, function, *shapes):
    """A file that looks like one of `ls.save`, with a program that `save` would not make."""
    points = jax.export.symbolic_shape("points")
    xs = [jax.ShapeDtypeStruct((*points, *shape), jnp.float32) for shape in shapes]
    checks = [jax.export.DisabledSafetyCheck.custom_call(name) for name in ("anything", "other")]
    program = jax.export.export(jax.jit(function), platforms=("cpu",), disabled_checks=checks)(*xs)
    write_sealed(path, "predictor 1", bytes(program.serialize()))
    return path


def test_a_program_that_calls_other_code_is_refused_before_it_is_run(tmp_path):
    def other(xs):
        result = jax.ShapeDtypeStruct(xs.shape, xs.dtype)
        return jax.ffi.ffi_call("anything", result)(xs)

    path = write(tmp_path / "predictor", other, (3,))
    with pytest.raises(ls.InputError, match="calls code outside of it .'anything'"):
        ls.load(path)
    path = write(tmp_path / "two", lambda x, y: x + y, (3,), (3,))
    with pytest.raises(ls.InputError, match="a program of 2 arguments"):
        ls.load(path)


def test_linear_algebra_of_jax_is_not_other_code(tmp_path):
    def solved(xs):
        kernel = jnp.eye(3) * 2 + 0.1
        return jax.vmap(lambda x: jnp.linalg.solve(kernel, x) + jnp.linalg.eigh(kernel)[0])(xs)

    path = write(tmp_path / "predictor", solved, (3,))
    assert ls.load(path)(jnp.ones((4, 3))).shape == (4, 3)


def test_a_call_that_would_take_too_much_memory_is_not_run(tmp_path):
    def huge(xs):
        return jnp.sort(jnp.sin(jnp.arange(1e5))[None] * xs[:, :1], axis=1)[:, :1]

    load = training.load(write(tmp_path / "predictor", huge, (3,)), most_bytes=2**26)
    assert load(jnp.ones((1, 3))).shape == (1, 1)
    with pytest.raises(ls.InputError, match="would take .* GiB of memory, more than the"):
        load(jnp.ones((1000, 3)))


@pytest.mark.parametrize("xs", [jnp.ones((2, 3)), jnp.ones(2), jnp.ones((2, 1), jnp.int32)])
def test_inputs_of_another_shape_or_type_are_refused_in_one_line(saved, xs):
    with pytest.raises(ls.InputError, match=r"takes inputs of shape \(points, 1\) and type"):
        ls.load(saved)(xs)
