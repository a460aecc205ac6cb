"""Tables of random functions: what a prior over tables promises."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.tasks import RandomTables
from learnset.tasks._random_tables import causal, forest, polynomial, with_categories

NUM = 300


@pytest.fixture(scope="module")
def tables():
    """Many tables, drawn inside a compiled program."""
    family = RandomTables(shots=60, queries=40, in_size=4, missing=0.4)
    return jax.jit(lambda key: family.draw(NUM, ls.Split.TRAIN, key=key))(jr.key(0))


def test_columns_are_standardised_by_the_support_set_and_all_numbers_are_finite(tables):
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tables))
    y = np.asarray(tables.support.y)[..., 0]
    assert np.allclose(y.mean(axis=1), 0, atol=1e-4)
    assert np.mean(np.isclose(y.std(axis=1), 1, atol=1e-3)) > 0.99  # others are constant


def test_missing_cells_are_zero_and_marked_and_half_the_tables_have_none(tables):
    x, absent = np.split(np.asarray(tables.support.x), 2, axis=2)
    assert set(np.unique(absent)) == {0, 1} and (x[absent == 1] == 0).all()
    part = absent.mean(axis=(1, 2))
    assert 0.4 < (part == 0).mean() < 0.65 and part.max() <= 0.55


def test_tables_can_be_learnt_and_not_only_by_lines(tables):
    """Ridge regression explains some of the variance, and trees explain more on some tables."""
    from sklearn.ensemble import ExtraTreesRegressor

    gains, better = [], 0
    for i in range(40):
        x, y = np.asarray(tables.support.x[i]), np.asarray(tables.support.y[i])[:, 0]
        xq, yq = np.asarray(tables.query.x[i]), np.asarray(tables.query.y[i])[:, 0]
        w = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
        linear = ((xq @ w - yq) ** 2).mean() / (yq**2).mean()
        trees = ExtraTreesRegressor(20, random_state=0).fit(x, y).predict(xq)
        gains.append(linear)
        better += ((trees - yq) ** 2).mean() / (yq**2).mean() < linear
    assert np.median(gains) < 0.9 and 8 <= better


def test_classes_are_one_hot_of_unequal_frequency_and_in_no_order():
    family = RandomTables(shots=100, queries=5, classes=3)
    y = jax.jit(lambda key: family.draw(100, ls.Split.TRAIN, key=key))(jr.key(1)).support.y
    assert y.shape == (100, 100, 3) and (np.asarray(y).sum(axis=2) == 1).all()
    share = np.asarray(y).mean(axis=1)
    assert share.max() > 0.7 and np.allclose(share.mean(axis=0), 1 / 3, atol=0.08)


def test_a_forest_has_jumps_and_a_polynomial_is_of_degree_two():
    line = jnp.stack([jnp.linspace(-3, 3, 200), jnp.zeros(200)], axis=1)
    assert len(np.unique(np.round(forest(jr.key(0), line), 4))) <= 8 * 3 + 1
    third = np.diff(np.asarray(polynomial(jr.key(1), line), np.float64), n=3)
    assert np.allclose(third, 0, atol=1e-4)


def test_categories_have_few_numbers():
    x = jr.normal(jr.key(0), (500, 30))
    columns = np.asarray(with_categories(jr.key(1), x))
    counts = np.array([len(np.unique(column)) for column in columns.T])
    assert 3 <= (counts <= 6).sum() <= 18 and (counts[counts > 6] == 500).all()


@pytest.mark.parametrize(
    "bad", ({"in_size": 0}, {"classes": 1}, {"missing": -0.1}, {"missing": 1.5}), ids=str
)
def test_an_error_names_the_argument(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"`{name}="):
        RandomTables(**bad)


def test_inputs_of_a_causal_table_tell_of_its_target():
    """The part of the variance that a linear function of four inputs explains, above chance."""

    def explained(key):
        x, y = causal(key, 200, 4)
        with_one = jnp.concatenate([x, jnp.ones((200, 1))], axis=1)
        return 1 - ((y - with_one @ jnp.linalg.lstsq(with_one, y)[0]) ** 2).sum() / (200 * y.var())

    part = jax.jit(jax.vmap(explained))(jr.split(jr.key(0), 100))
    assert np.median(part) > 0.3
