"""Questions: what was learnt once is asked several of them, and given tasks are a question too."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import ByGradient, GivenTasks, learn, NewTasks

FAMILY = ls.Sinusoids(shots=6)
SIZES = {"seeds": 2, "queries": 4, "validation_tasks": 3, "test_tasks": 7}
FEW, MANY = (NewTasks(FAMILY, shots=(shots,), **SIZES) for shots in (2, 6))
BUDGET = ls.Budget(steps=10)
POOLED = (ByGradient(ls.Pooled(ls.mse)),)
RIDGE = ls.Recipe("ridge", ls.Setting.TRANSFER, POOLED, (ls.Ridge(0.1),))
TUNED = ls.Recipe("tuned", ls.Setting.TRANSFER, POOLED, (ls.FineTune(ls.mse, 0.01, steps=2),))


def network(key):
    return ls.MLP(1, 1, width=8, depth=1, key=key)


def learnt(question=FEW, **options):
    return learn(network, question, key=jr.key(0), budget=BUDGET, progress=False, **options)


@pytest.mark.slow
def test_what_was_trained_once_answers_each_question_as_if_it_were_compared_alone(monkeypatch):
    trained = []
    train_seeds = ByGradient.train_seeds

    def counted(self, *args, **options):
        trained.append(options["name"])
        return train_seeds(self, *args, **options)

    monkeypatch.setattr(ByGradient, "train_seeds", counted)
    experience = learnt()
    few, many = experience.ask(FEW, [TUNED]), experience.ask(MANY, [RIDGE, TUNED])
    assert trained == ["tuned"]
    assert (few.shots, many.shots) == ((2,), (6,))
    alone = ls.compare([TUNED], network, MANY, key=jr.key(0), budget=BUDGET, progress=False)
    np.testing.assert_allclose(many["tuned"].of_tasks, alone["tuned"].of_tasks, rtol=1e-5)
    assert many["tuned"].cost.train_seconds == few["tuned"].cost.train_seconds > 0


def test_the_answers_to_each_of_several_questions_are_resumed(tmp_path):
    """A second question once found the answers to the first, and was refused."""
    untrained = ls.Recipe("ridge", ls.Setting.SCRATCH, adapters=(ls.Ridge(0.1),))

    def answers(**options):
        experience = learnt(out=tmp_path, **options)
        return [experience.ask(question, [untrained])["ridge"] for question in (FEW, MANY)]

    first, again = answers(), answers(resume=True)
    for before, after in zip(first, again, strict=True):
        np.testing.assert_array_equal(before.of_tasks, after.of_tasks)
        assert before.cost == after.cost  # read, not measured anew


def test_another_number_of_seeds_is_refused():
    with pytest.raises(ls.InputError, match="3 seeds are asked, but 2 have learnt"):
        learnt().ask(NewTasks(FAMILY, shots=(2,), **SIZES | {"seeds": 3}), [RIDGE])


def test_models_may_be_given_in_place_of_what_a_recipe_learns():
    experience = learnt()
    given = experience.ask(FEW, [RIDGE], models={"ridge": experience.models})
    untrained = ls.Recipe("ridge", ls.Setting.SCRATCH, adapters=(ls.Ridge(0.1),))
    expected = experience.ask(FEW, [untrained])
    np.testing.assert_array_equal(given["ridge"].of_tasks, expected["ridge"].of_tasks)


def test_answering_some_tasks_at_once_changes_nothing():
    experience = learnt()
    whole, parts = (
        experience.ask(NewTasks(FAMILY, shots=(2,), at_once=size, **SIZES), [RIDGE])["ridge"]
        for size in (None, 3)
    )
    np.testing.assert_allclose(parts.of_tasks, whole.of_tasks, rtol=1e-5)


def test_all_steps_are_taken_where_their_number_is_not_chosen():
    wild = ls.Recipe("wild", ls.Setting.SCRATCH, adapters=(ls.FineTune(ls.mse, 0.5, steps=9),))
    experience = learnt()
    every, best = (
        experience.ask(NewTasks(FAMILY, shots=(2,), chooses_steps=chooses, **SIZES), [wild])
        for chooses in (False, True)
    )
    assert every["wild"].chosen_steps(2) == (9, 9)
    assert max(best["wild"].chosen_steps(2)) < 9
    np.testing.assert_array_equal(every["wild"].of_tasks, best["wild"].of_tasks)


def given(**options):
    tasks = FAMILY.with_shots(6, 4).draw(5, ls.Split.TEST, key=jr.key(1))
    return GivenTasks(FAMILY, tasks, seeds=2, shots=(3,), **options), tasks


def test_given_tasks_are_the_same_for_all_seeds_and_scored_as_they_are():
    question, tasks = given()
    mean = ls.Recipe("zero", ls.Setting.BOUND, adapters=(ls.transfer.Constant(0.0),))
    outcome = learnt(question).ask(question, [mean])["zero"]
    expected = (tasks.query.y[..., 0] ** 2).mean(axis=1)
    np.testing.assert_allclose(outcome.at(3), jnp.stack([expected] * 2), rtol=1e-5)
    assert np.isnan(outcome.validation).all()  # nothing was chosen


def test_given_tasks_without_others_to_choose_on_leave_nothing_to_choose():
    constants = tuple(map(ls.transfer.Constant, (0.0, 1.0)))
    several = ls.Recipe("several", ls.Setting.BOUND, adapters=constants)
    question, tasks = given()
    experience = learnt(question)
    with pytest.raises(ls.InputError, match="there are no validation tasks"):
        experience.ask(question, [several])
    chosen = experience.ask(given(validation=tasks)[0], [several])["several"]
    by_hand = [((tasks.query.y - value) ** 2).mean() for value in (0.0, 1.0)]
    assert {choice.adapter for choice in chosen.chosen[0]} == {int(np.argmin(by_hand))}


def test_the_best_of_recipes_that_were_not_validated_cannot_be_chosen():
    zero, one = (
        ls.Recipe(str(value), ls.Setting.SCRATCH, adapters=(ls.transfer.Constant(value),))
        for value in (0.0, 1.0)
    )
    question, _ = given()
    comparison = learnt(question).ask(question, [zero, one])
    with pytest.raises(ls.InputError, match="The best of 0.0, 1.0 cannot be chosen"):
        comparison.best_of("best", list(comparison))
