"""Counts: recognised, scored by their deviance, and never predicted below zero."""

import jax.random as jr
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import d2_tweedie_score, mean_poisson_deviance

import learnset as ls
from learnset.comparison import OfCounts, SeenTasks
from learnset.comparison._row_measures import ExplainedDeviance
from learnset.comparison._rows import poisson_deviance, Rows
from learnset.data._find import are_counts


def visits(rows=240, seed=0):
    random = np.random.default_rng(seed)
    shop = np.arange(rows) % 6
    x = random.normal(size=(rows, 2))
    rate = np.exp(0.8 * x[:, 0] - 0.5 + np.array([0.0, 1.0, -1.0, 0.5, 0.0, 1.5])[shop])
    columns = {"shop": [f"s{s}" for s in shop], "a": x[:, 0], "b": x[:, 1]}
    return pl.DataFrame(columns | {"visits": random.poisson(rate)})


def rows_of(y, zero, *, one_target=True):
    y = np.asarray(y, np.float64)[None, ..., None]
    shape = y.shape[:3]
    present, row = np.ones(shape, bool), np.arange(y.size).reshape(shape)
    std = np.full(shape[:2], 2.0)
    return Rows(y, present, row, std, ("a", "b"), (), one_target, None, np.full(shape[:2], zero))


def test_the_deviance_and_what_is_explained_of_it_are_scikit_learns():
    random = np.random.default_rng(0)
    count = random.poisson(2.0, (2, 30)).astype(float)
    rate = random.gamma(2.0, 1.0, (2, 30)) + 0.1
    assert poisson_deviance(count, rate).mean() == pytest.approx(
        mean_poisson_deviance(count.ravel(), rate.ravel())
    )
    # Scaled as targets are: (count - mean) / std, with a mean of 3 and a std of 2.
    rows, predictions = rows_of((count - 3) / 2, -1.5), ((rate - 3) / 2)[None, ..., None]
    whole = ExplainedDeviance().of_all(predictions, rows)
    assert whole[0] == pytest.approx(d2_tweedie_score(count.ravel(), rate.ravel(), power=1))
    each = ExplainedDeviance().of_rows(predictions, rows)[0]
    wanted = [d2_tweedie_score(c, r, power=1) for c, r in zip(count, rate, strict=True)]
    assert each == pytest.approx(wanted)
    base = np.zeros_like(predictions)
    gain = rows.gains(predictions, base)[0]
    lower = [
        mean_poisson_deviance(c, np.full(30, 3.0)) - mean_poisson_deviance(c, r)
        for c, r in zip(count, rate, strict=True)
    ]
    assert gain == pytest.approx(lower)


def test_a_prediction_below_zero_counts_as_a_hundredth_of_the_mean():
    rows = rows_of([[0.0, 1.0], [2.0, 3.0]], -1.0)
    low, least = (np.full((1, 2, 2, 1), z) for z in (-5.0, -1 + 0.01))
    measure = ExplainedDeviance()
    assert measure.of_all(low, rows) == pytest.approx(measure.of_all(least, rows))
    assert measure.of_all(low, rows) < 0


@pytest.mark.parametrize(
    "values, wanted",
    [
        ([0, 1, 0, 3, 8, 0], True),
        ([0.0, 1.0, np.nan, 3.0, 8.0], True),
        ([0, 1, 2, 3, 4, 5], False),  # no skew
        ([1, 1, 2, 9], False),  # none is zero
        ([0, 1, 0.5, 9], False),
        ([-1, 0, 0, 9], False),
        ([0, 1, 0, 0], False),
        ([np.nan], False),
        ([0, 1, np.inf, 3], False),
        ([0, 0, 0, 0, 1e200, 3e200], True),
    ],
)
def test_skewed_whole_numbers_from_zero_on_are_counts(values, wanted):
    assert are_counts(np.asarray(values, float)) is wanted


def test_counts_are_recognised_and_said_and_can_be_overruled():
    frame = visits()
    table = ls.read_table(frame, task="shop", target="visits")
    assert table.counts and not table.classes
    kinds = {row.column: row.kind for row in table.reading}
    assert kinds["visits"] == "count"
    assert any("read as counts" in note for note in ls.data.target_notes(table))
    assert not ls.read_table(frame, task="shop", target="visits", counts=False).counts
    assert not ls.data.logged(table).counts
    later = table.schema.read(frame.with_columns(pl.col("visits") * 1.0))
    assert np.array_equal(later.y, table.y)
    with pytest.raises(ls.InputError, match=r"'visits' is -1 in row 1, but counts"):
        table.schema.read(frame.with_columns(visits=pl.Series([-1, *frame["visits"][1:]])))
    ones = frame.with_columns(visits=(pl.col("visits") > 0).cast(int))
    assert ls.read_table(ones, task="shop", target="visits").classes
    assert ls.read_table(ones, task="shop", target="visits", counts=True).counts
    with pytest.raises(ls.InputError, match="'visits' is 0.5 in row 1, but counts"):
        half = frame.with_columns(visits=pl.Series([0.5, *frame["visits"][1:]]))
        ls.read_table(half, task="shop", target="visits", counts=True)
    some = ls.read_table(
        frame.with_columns(other=pl.col("a")), targets=("visits", "other"), leave_out=("shop",)
    )
    assert not some.counts and {c.kind for c in some.schema.targets} == {"number"}


def test_a_learner_of_counts_refuses_other_targets():
    table = ls.read_table(visits(), task="shop", target="visits", counts=False)
    recipes = ls.recipes.rows.standard(6, 2, counts=True, quick=True)
    poisson = next(r for r in recipes if r.name == "Poisson + task")
    assert isinstance(poisson.learners[0], OfCounts)
    question = SeenTasks.of_table(table, seeds=(0,))
    with pytest.raises(ls.InputError, match="not counts"):
        ls.compare(
            [poisson], lambda key: ls.MLP(2, 1, key=key), question, key=jr.key(0), progress=False
        )
