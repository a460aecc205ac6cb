"""Predictors as files, and files that are not predictors."""

import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls

ELSEWHERE = """
import sys
import numpy as np
import learnset as ls

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


def test_a_new_process_predicts_the_same_for_any_number_of_points(adapted, saved, tmp_path):
    paths = [str(tmp_path / f"{num}.npy") for num in (1, 3, 50)]
    for path, num in zip(paths, (1, 3, 50), strict=True):
        np.save(path, np.linspace(-5, 5, num, dtype=np.float32)[:, None])
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(saved), *paths], check=True, cwd=tmp_path)
    for path in paths:
        expected = ls.predict(adapted, jnp.asarray(np.load(path)))
        assert np.allclose(np.load(path + ".out.npy"), expected, rtol=1e-6, atol=1e-6)


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
    they are asked to."""
    source = Path(ls.__file__).parent
    bad = re.compile(
        r"\b(import|from)\s+(c?[pP]ickle|dill|cloudpickle|joblib|shelve|marshal)\b|allow_pickle\s*=\s*True"
    )
    assert [str(path) for path in source.rglob("*.py") if bad.search(path.read_text())] == []
    assert len(list(source.rglob("*.py"))) > 30  # files were searched
