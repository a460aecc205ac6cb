"""The answers of the page of new tasks, from outcomes made by hand."""

from types import SimpleNamespace

import equinox as eqx
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import Choice, Comparison, MeanSquaredError, Outcome
from learnset.report import page_of_new_tasks
from learnset.report._new_tasks import answers_of, grid_of

WATCHED = (0, 1, 10)


def outcome(recipe, curve, shots=(5,), best=2):
    """The same curve for all seeds and tasks and numbers of shots."""
    of_tasks = np.array(curve) + np.zeros((len(shots), 2, 3, 1))
    overall = of_tasks.mean(axis=2)
    choices = ((Choice(0, 0, WATCHED[best]),) * 2,) * len(shots)
    calibration = (None,) * len(shots)
    return Outcome(
        recipe,
        shots,
        of_tasks,
        overall,
        overall[..., best],
        WATCHED,
        choices,
        calibration=calibration,
    )


def comparison(curve, best=2, **failures):
    r = ls.recipes.regression
    outcomes = (
        outcome(r.scratch(steps=10), (3.0, 2.0, 1.0)),
        outcome(r.maml(steps=10), curve, best=best),
    )
    about = {"seeds": 2, "shots": (5,), "tasks": "new", "units": None}
    question = SimpleNamespace(measure=MeanSquaredError(), **about)
    return Comparison(question, outcomes, failures)


def test_the_recommended_recipe_is_named_with_its_value_and_that_of_the_baseline():
    (first, *_) = answers_of(comparison((3.0, 1.0, 0.9)), 5, "point")
    assert first == (
        "Best on validation tasks from 5 points: MAML. On new tasks its mean squared error is"
        " 0.900 ± 0.00, that of scratch is 1.00 ± 0.00."
    )


def test_what_is_best_on_test_tasks_alone_is_not_recommended():
    lucky = comparison((3.0, 1.0, 0.9))
    worse = np.full_like(lucky["MAML"].validation, 2.0)
    lucky = eqx.tree_at(lambda c: c.outcomes[1].validation, lucky, worse)
    (first, *_) = answers_of(lucky, 5, "point")
    assert first.startswith("Best on validation tasks from 5 points: scratch.")


@pytest.mark.parametrize(
    "curve, announced",
    (((3.0, 1.0, 0.9), True), ((3.0, 2.0, 1.0), False)),
    ids=("faster", "slower"),
)
def test_only_recipes_that_need_fewer_steps_than_scratch_are_said_to_learn_faster(curve, announced):
    sentences = [s for s in answers_of(comparison(curve), 5, "point") if s.startswith("Faster")]
    expected = ["Faster learning: scratch reaches 1.00 in 10 steps, MAML in 1 (10×)."]
    assert sentences == (expected if announced else [])


def test_a_recipe_that_failed_is_in_the_table():
    grid = grid_of([comparison((3.0, 1.0, 0.9), wild="wild: NaN")], 5, "point")
    cells = {row[0]: row for row in grid.rows}
    assert cells["wild"][5] == "diverged"
    assert all(len(row) == len(grid.head) for row in grid.rows)


def test_the_table_has_each_value_before_after_one_step_and_at_the_chosen_one():
    head, row = (grid := grid_of([comparison((3.0, 1.5, 0.5))], 5, "point")).head, grid.rows[1]
    cells = dict(zip(head, row, strict=True))
    assert (cells["recipe"], cells["setting"]) == ("MAML", "meta-learning")
    assert (cells["before"], cells["1 step"]) == ("3.00", "1.50")
    assert cells["best"] == "0.500 ± 0.00 (step 10)"
    assert cells["difference to baseline"] == "-0.500 ± 0.00"


def test_the_page_has_the_answers_the_table_and_the_sources():
    page = page_of_new_tasks(
        [comparison((3.0, 1.0, 0.9))], 5, title="T", tasks="sines", unit="point", further="Control."
    )
    assert [section.title for section in page.sections if section.brief][1:] == [
        "Mean squared error from 5 points"
    ]
    assert "Control." in page.sections[0].parts[0].text
    assert "Tasks: sines." in page.sections[-1].parts[0].text
