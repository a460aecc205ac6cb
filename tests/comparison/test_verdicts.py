"""Verdicts hold: intervals allow for shared rows, and say what they cannot tell."""

import math

import jax.random as jr
import numpy as np
import pytest
import scipy.stats

import learnset as ls
from learnset.comparison import InClosedForm, Recipe, SeenTasks, Setting, Verdict
from learnset.comparison._verdict import half_of_divisions, interval_of_divisions

TABLES = 200


def solved(solver, *settings):
    return tuple(InClosedForm(solver(setting)) for setting in settings)


L2S = (0.1, 1.0, 10.0, 100.0, 1000.0)
ALONE = Recipe("alone", Setting.SCRATCH, solved(ls.multitask.RidgePerTask, *L2S), baseline=True)
TOGETHER = Recipe("together", Setting.MULTI_TASK, solved(ls.multitask.OffsetRidge, *L2S))


def table(random, effect, tasks=8, rows=30):
    """Tasks with an offset each and slopes that they share, times `effect`; and noise."""
    task = np.repeat(np.arange(tasks), rows)
    x = random.normal(size=(len(task), 3))
    signal = x @ [0.6, -0.6, 0.6] + random.normal(size=tasks)[task]
    return ls.Table.from_arrays(x, effect * signal + random.normal(size=len(task)), task)


def compared(made, seeds=range(5)):
    question = SeenTasks.of_table(made, seeds=seeds)

    def network(key):
        return ls.MLP(*question.sizes, width=2, depth=1, key=key)

    recipes = [ALONE, TOGETHER]
    return ls.compare(recipes, network, question, key=jr.key(0), progress=False)


def test_the_interval_of_divisions_is_that_of_nadeau_and_bengio():
    """Their equation: the variance of the mean is (1 / J + n2 / n1) times that of a division."""
    values = np.array([0.1, 0.3, 0.2, 0.25, 0.15])
    mean, half = interval_of_divisions(values, 0.25)
    expected = scipy.stats.t.ppf(0.975, 4) * math.sqrt((1 / 5 + 0.25) * values.var(ddof=1))
    np.testing.assert_allclose([mean, half], [values.mean(), expected])
    naive = interval_of_divisions(values, 0.0)[1]
    np.testing.assert_allclose(naive, scipy.stats.t.ppf(0.975, 4) * scipy.stats.sem(values))


def test_a_table_has_five_divisions_whose_scored_rows_are_a_quarter_of_the_others():
    question = SeenTasks.of_table(table(np.random.default_rng(0), 1.0))
    assert question.seeds == 5
    np.testing.assert_allclose(question.overlap, 0.25)


def test_one_division_has_no_interval_and_no_verdict():
    comparison = compared(table(np.random.default_rng(0), 1.0), seeds=[0])
    alone, together = comparison["alone"], comparison["together"]
    assert math.isnan(comparison.value(alone)[1])
    assert comparison.verdict(together, alone).word == "one division"
    assert np.isinf(comparison.gains(together, alone)[1]).all()
    summary = [row for row in comparison.records() if row["seed"] is None]
    assert all(row["ci95"] is None and row["difference_ci95"] is None for row in summary)


@pytest.mark.parametrize(
    "mean, half, word",
    (
        (0.03, 0.02, "better"),
        (-0.03, 0.02, "worse"),
        (0.004, 0.005, "same"),
        (0.004, 0.007, "unclear"),
        (0.0, 0.0, "same"),
    ),
)
def test_no_difference_is_said_only_inside_the_margin(mean, half, word):
    assert Verdict(mean, half, 0.01).word == word


def test_the_number_of_divisions_that_would_tell_is_the_least_that_does():
    spread, overlap = 0.02, 0.05
    verdict = Verdict(0.015, half_of_divisions(spread, 5, overlap), 0.01, 5, spread, overlap)
    assert verdict.word == "unclear" and verdict.more == "about 10 more divisions"
    halves = [half_of_divisions(spread, divisions, overlap) for divisions in (14, 15)]
    assert halves[0] >= 0.015 > halves[1]


def test_where_no_number_of_divisions_would_tell_more_rows_would():
    spread, overlap = 0.05, 0.25
    half = half_of_divisions(spread, 5, overlap)
    verdict = Verdict(0.02, half, 0.01, 5, spread, overlap)
    assert verdict.more == f"about {math.ceil((half / 0.02) ** 2)} times as many"


@pytest.mark.long
def test_on_tables_of_pure_noise_at_most_one_in_twenty_claims_anything():
    """Neither that learning together helps or hurts, nor that any task gains or loses."""
    random, claims = np.random.default_rng(0), 0
    for _ in range(TABLES):
        comparison = compared(table(random, 0.0))
        alone, together = comparison["alone"], comparison["together"]
        gain, half = comparison.gains(together, alone, simultaneous=True)
        overall = comparison.verdict(together, alone).word in ("better", "worse")
        claims += overall or bool((np.abs(gain) > half).any())
    assert claims <= 0.05 * TABLES


@pytest.mark.long
def test_the_interval_of_a_shared_effect_covers_it_in_95_of_100_tables():
    """The effect is the mean over tables; between 93 and 97 % of the intervals cover it."""
    random, found = np.random.default_rng(1), []
    for _ in range(TABLES):
        comparison = compared(table(random, 1.0))
        found.append(comparison.difference(comparison["together"], comparison["alone"]))
    mean, half = np.array(found).T
    effect = mean.mean()
    assert effect > 0.03
    assert 0.93 <= (np.abs(mean - effect) <= half).mean() <= 0.97
