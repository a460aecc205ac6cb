"""Targets on a log scale, and notes about targets."""

import numpy as np
import pytest

import learnset as ls
from learnset.data import logged, target_notes

TASK = np.arange(200) // 100


def table(y, classes=()):
    return ls.Table.from_arrays(np.zeros((200, 1)), y, TASK, classes=classes)


def test_a_target_above_zero_becomes_its_logarithm():
    y = np.random.default_rng(0).lognormal(size=200)
    made = logged(table(y))
    np.testing.assert_allclose(made.y[:, 0], np.log(y))
    assert made.targets == ("log target",) and "log scale" in made.notes[-1]


def test_counts_with_zeros_become_the_logarithm_of_one_more():
    made = logged(table(np.arange(200.0)))
    np.testing.assert_allclose(np.expm1(made.y[:, 0]), np.arange(200.0), atol=1e-9)
    assert made.targets == ("log(1 + target)",)


@pytest.mark.parametrize(
    "made, said",
    (
        (table(np.arange(200.0) - 5), "'target' is -5 in some row"),
        (table(np.arange(200) % 2, ("no", "yes")), "the target is classes"),
    ),
)
def test_what_has_no_logarithm_is_refused(made, said):
    with pytest.raises(ls.InputError, match=said):
        logged(made)


def test_a_log_scale_is_offered_for_a_skewed_positive_target_alone():
    random = np.random.default_rng(0)
    assert "--log-target" in target_notes(table(random.lognormal(0, 1.5, 200)))[0]
    assert target_notes(table(random.normal(10, 1, 200))) == []
    assert target_notes(table(random.lognormal(0, 1.5, 200) - 1)) == []


def test_rows_of_a_rare_class_are_counted():
    y = np.zeros(200)
    y[:4] = 1
    (note,) = target_notes(table(y, ("0", "1")))
    assert note.startswith("4 of 200 rows of 'target' are '1'")
