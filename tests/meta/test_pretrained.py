"""The table network that comes with the package."""

import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.models import load_network

PROGRAM = """
import numpy as np, learnset as ls, sys
xs = np.linspace(-2, 2, 7, dtype=np.float32)[:, None] * np.ones(3, np.float32)
print(np.asarray(ls.load(sys.argv[1])(xs)).tobytes().hex())
"""


@pytest.fixture(scope="module")
def model():
    return ls.TablePFN.pretrained()


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(16, 3)), jnp.float32)
    return ls.Batch(x, 100 + 3 * x[:, :1] - x[:, 1:2])


def answers(model, rows, xs):
    return np.asarray(ls.predict(model.adapt(rows), xs))


@pytest.mark.parametrize("name", ["table_network.npz", "related_network.npz"])
def test_it_loads_in_less_than_a_second_and_says_how_it_was_made(name):
    from importlib import resources

    jnp.zeros(1)
    began = time.process_time()  # of this process: other ones do not count
    with resources.as_file(resources.files("learnset.meta") / name) as path:
        kept = load_network(path)
    assert time.process_time() - began < 1
    related = name.startswith("related")
    assert kept.about == ls.TablePFN.pretrained_about(related=related) and kept.about
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept.network))


@pytest.mark.slow
def test_it_answers_alike_in_any_order_with_gaps_and_for_a_constant(model, rows):
    xs = rows.x[:7] + 0.1
    expected = answers(model, rows, xs)
    order, inputs = np.random.default_rng(1).permutation(16), np.array([2, 0, 1])
    moved = ls.Batch(rows.x[order][:, inputs], rows.y[order])
    assert_close(answers(model, moved, xs[:, inputs]), expected, rtol=1e-4)
    gaps = ls.Batch(rows.x.at[:, 0].set(jnp.nan), rows.y)
    assert np.isfinite(answers(model, gaps, xs)).all()
    constant = ls.Batch(rows.x, jnp.full_like(rows.y, 7.0))
    assert_close(answers(model, constant, xs), jnp.full((7, 1), 7.0), rtol=1e-4)


@pytest.mark.long
def test_it_learns_a_line_and_more_from_related_tasks(model, rows):
    xs = jnp.asarray(np.random.default_rng(2).normal(size=(50, 3)), jnp.float32)
    y = np.asarray(100 + 3 * xs[:, :1] - xs[:, 1:2])

    def error(table, support):
        return float(np.sqrt(((answers(table, support, xs) - y) ** 2).mean()))

    few = jax.tree.map(lambda leaf: leaf[:3], rows)
    others_x = jnp.asarray(np.random.default_rng(3).normal(size=(12, 16, 3)), jnp.float32)
    others_y = 100 + 3 * others_x[..., :1] - others_x[..., 1:2]
    others = ls.Batch(others_x, others_y, jnp.ones((12, 16)))
    assert error(model, rows) < 0.3 * y.std()
    assert error(model.with_siblings(others), few) < 0.5 * error(model, few)


@pytest.mark.long
def test_what_is_saved_answers_alike_in_a_new_process(model, rows, tmp_path):
    xs = np.linspace(-2, 2, 7, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    ls.save(tmp_path / "predictor", model.adapt(rows), xs[0])
    here = np.asarray(ls.load(tmp_path / "predictor")(xs))
    assert_close(here, answers(model, rows, xs), rtol=1e-5)
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "predictor")]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert said.strip() == here.tobytes().hex()
