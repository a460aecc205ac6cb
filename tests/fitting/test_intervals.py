"""Intervals cover as often as they say."""

import os

import numpy as np
import pytest
from scipy.special import softmax
from tables import frame, noisy

import learnset as ls
from learnset.fitting._intervals import calibrated, conformal, half_widths


def test_the_conformal_quantile_covers_a_new_residual_in_nine_of_ten_cases():
    random = np.random.default_rng(0)
    for count in (19, 99):
        draws = np.abs(random.normal(size=(4000, count + 1)))
        inside = [draw[-1] <= conformal(draw[:-1]) for draw in draws]
        assert abs(np.mean(inside) - 0.9) < 0.015


def test_tasks_with_enough_rows_have_intervals_of_their_own():
    calm, wild, few = np.linspace(-1, 1, 200), np.linspace(-9, 9, 200), np.zeros(3)
    half = half_widths([calm, wild, few])
    assert half[0] < 1 < half[2] < half[1]


def covered(model, x, y, task) -> float:
    predicted = model.predict(frame(x, task))
    lower, upper = (predicted[name].to_numpy() for name in ("lower", "upper"))
    return float(((lower <= y) & (y <= upper)).mean())


def skewed(x, y, task):
    return x, np.exp(0.4 * y), task


def uneven(x, y, task):
    """Noise that grows with the number of the task."""
    number = np.array([int(name[1:]) for name in task])
    random = np.random.default_rng(np.abs(1e6 * y[:4]).astype(int))
    return x, y + number * random.normal(size=len(y)), task


def by_input(x, y, task):
    """Noise that grows with an input."""
    random = np.random.default_rng(np.abs(1e6 * y[:4]).astype(int))
    return x, y + 2 * np.abs(x[:, 0]) * random.normal(size=len(y)), task


SETS = {"offsets": lambda *made: made, "skewed": skewed, "uneven": uneven, "by input": by_input}


def mean_coverage(made, recipe, sets):
    """The mean over tables: each of them has too few rows to say it to two percentage points."""
    parts = []
    for seed in range(sets):
        model = ls.fit(ls.Table.from_arrays(*made(*noisy(12, 60, seed=seed))), recipe)
        parts.append(covered(model, *made(*noisy(12, 400, seed=100 + seed))))
    return float(np.mean(parts))


@pytest.mark.long
@pytest.mark.parametrize("made", SETS)
@pytest.mark.parametrize("recipe, sets", [("mixed model", 20), ("shared body", 6)])
def test_intervals_cover_nine_tenths_of_new_rows(made, recipe, sets):
    assert abs(mean_coverage(SETS[made], recipe, sets) - 0.9) < 0.02


@pytest.mark.long
def test_intervals_of_new_tasks_cover_at_least_nine_tenths_of_their_rows():
    parts = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        effect, number = 2 * random.normal(size=30), np.arange(900) % 30
        x = random.normal(size=(900, 2))
        y = effect[number] + x[:, 0] + random.normal(size=900)
        task, known = number.astype(str), number < 20
        model = ls.fit(
            ls.Table.from_arrays(x[known], y[known], task[known]), "mixed model", divisions=1
        )
        with pytest.warns(UserWarning):
            parts.append(covered(model, x[~known], y[~known], task[~known]))
    assert 0.88 < np.mean(parts) < 0.97


@pytest.mark.long
def test_intervals_cover_nine_tenths_of_pupils(school):
    held = np.random.default_rng(0).random(len(school.x)) < 0.2
    task = np.array(school.names)[school.task]
    table = ls.Table.from_arrays(school.x[~held], school.y[~held, 0], task[~held])
    model = ls.fit(table, "mixed model")
    assert abs(covered(model, school.x[held], school.y[held, 0], task[held]) - 0.9) < 0.02


@pytest.fixture
def school():
    if "LEARNSET_DATA" not in os.environ:
        pytest.skip("LEARNSET_DATA is unset: no School data here")
    return ls.data.school()


def test_probabilities_are_the_frequencies_where_outputs_say_nothing():
    """Outputs that are wrong by chance would like a scale below zero, which an offset undoes."""
    y = np.eye(2)[(np.arange(1000) // 2 % 10 > 0).astype(int)]
    outputs = np.array([-1.1, 1.1]) - 0.02 * (y - 0.5)
    fixed = calibrated([(outputs, y)])
    chance = softmax(fixed(outputs), axis=1)[:, 1]
    assert np.abs(chance - 0.9).max() < 0.01 and fixed.error < 0.01


@pytest.mark.slow
def test_probabilities_are_those_of_the_outputs_that_the_model_has():
    """A comparison scales logits by validation rows; the file calibrates the model's own outputs,
    which are 0 and 1 for least squares."""
    random = np.random.default_rng(0)
    task = np.repeat(np.arange(4), 400)
    x = random.normal(size=(1600, 2))
    chance = 1 / (1 + np.exp(-2 * x[:, 0] - task + 1.5))
    y = (random.random(1600) < chance).astype(float)
    learn = np.arange(1600) % 2 == 0
    table = ls.Table.from_arrays(x[learn], y[learn], task[learn], classes=("no", "yes"))
    fitted = ls.fit(table, "ridge with offsets", divisions=2)
    assert fitted.calibration is not None
    assert fitted.calibration.scale[0] > 2  # outputs of least squares go from 0 to 1
