"""How many adaptations were stopped is counted, and said."""

import jax.random as jr
import pytest

import learnset as ls


def stopped(lr):
    """What `result.json` has of adaptations with one step size."""
    adapter = ls.transfer.StoppedFineTune(lr=lr, steps=3)
    recipe = ls.Recipe("scratch", ls.Setting.SCRATCH, adapters=(adapter,), baseline=True)
    question = ls.NewTasks(
        ls.Sinusoids(), seeds=2, shots=(2, 5), test_tasks=10, watched=(1,), chooses_steps=False
    )
    result = ls.compare([recipe], lambda key: ls.MLP(1, 1, key=key), question, key=jr.key(0))
    return result.recipes(5)[0]["stopped"]


def test_descent_that_diverges_is_counted_as_stopped_for_each_number_of_points():
    counts = stopped(1e4)
    assert [(count["shots"], count["of"]) for count in counts] == [(2, 20), (5, 20)]
    assert all(count["stopped"] == 20 for count in counts)


def test_descent_that_does_no_harm_is_not_counted():
    assert [count["stopped"] for count in stopped(1e-3)] == [0, 0]


@pytest.mark.slow
def test_recipes_whose_adaptation_cannot_be_stopped_have_no_count():
    question = ls.NewTasks(ls.Sinusoids(), seeds=1, shots=(2,), test_tasks=5)
    recipe = ls.recipes.regression.scratch(steps=2)
    result = ls.compare([recipe], lambda key: ls.MLP(1, 1, key=key), question, key=jr.key(0))
    assert result.recipes(2)[0]["stopped"] == []
