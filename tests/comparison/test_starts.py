"""Recipes that start from what another recipe has learnt, and policies that adapters change."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import (
    AbstractLearner,
    ByGradient,
    learn,
    Lives,
    NothingLearnt,
    TotalReward,
)
from learnset.envs.bandits import Bandit
from learnset.rl import PolicyDescent, ReactiveAgent

QUESTION = ls.NewTasks(ls.Sinusoids(shots=3, queries=3), seeds=2, shots=(3,), test_tasks=5)
BUDGET = ls.Budget(steps=5, tasks_per_step=2)
POOLED = ls.Recipe("pooled", ls.Setting.POOLED, (ByGradient(ls.Pooled(ls.mse)),))


class Shifted(eqx.Module):
    """The model with its biases of the first layer moved."""

    by: float

    def __call__(self, model, key):
        return eqx.tree_at(lambda m: m.layers[0].bias, model, replace_fn=lambda b: b + self.by)


class Kept(AbstractLearner):
    """Learns nothing, in a way that several seeds and candidates share."""

    by: float

    def learn(self, model, past, budget, *, key):
        return Shifted(self.by)(model, key)


def experience(**options):
    options = {"key": jr.key(0), "budget": BUDGET, "progress": False} | options
    return learn(lambda key: ls.MLP(1, 1, width=4, key=key), QUESTION, **options)


def bias(models):
    return np.asarray(models.layers[0].bias)


def recipe(learner, start=POOLED, **options):
    return ls.Recipe("further", ls.Setting.TRANSFER, (learner,), start=start, **options)


@pytest.mark.slow
def test_learning_starts_from_the_models_of_the_other_recipe():
    made = experience()
    pooled = made.learnt(POOLED)
    for learner in (NothingLearnt(Shifted(1.0)), Kept(1.0)):
        further = made.learnt(recipe(learner))
        np.testing.assert_allclose(bias(further.of_one), bias(pooled.of_one) + 1, rtol=1e-6)
        assert further.seconds >= pooled.seconds
    still = made.learnt(recipe(ByGradient(ls.Pooled(ls.mse), lr=1e-12)))
    np.testing.assert_allclose(bias(still.of_one), bias(pooled.of_one), atol=1e-6)
    assert (bias(pooled.of_one) != bias(made.models)).any()


@pytest.mark.slow
def test_what_it_starts_from_is_learnt_once(monkeypatch):
    made, trained = experience(), []
    train = ByGradient.train_seeds
    monkeypatch.setattr(
        ByGradient, "train_seeds", lambda *a, **o: trained.append(o["name"]) or train(*a, **o)
    )
    made.ask(QUESTION, [POOLED, recipe(NothingLearnt())])
    made.ask(QUESTION, [recipe(ByGradient(ls.Reptile(ls.mse)))])
    assert trained == ["pooled", "further"]


def test_a_start_from_another_recipe_is_another_way_to_learn():
    one = recipe(NothingLearnt())
    assert one.learns and not ls.Recipe("scratch", ls.Setting.SCRATCH).learns
    assert one.learns_as(recipe(NothingLearnt(), start=POOLED))
    assert not one.learns_as(ls.Recipe("further", ls.Setting.TRANSFER, (NothingLearnt(),)))


def test_given_models_are_started_from_and_remembered_nowhere():
    made = experience()
    given = {"pooled": eqx.tree_at(lambda m: m.layers[0].bias, made.models, jnp.full((2, 4), 7.0))}
    further = recipe(ByGradient(ls.Pooled(ls.mse), lr=1e-12))
    np.testing.assert_allclose(bias(made.learnt(further, given).of_one), 7.0)
    own = bias(made.learnt(further).of_one)
    np.testing.assert_allclose(own, bias(made.learnt(POOLED).of_one), atol=1e-6)


def test_a_start_with_several_learners_is_refused_in_one_line():
    several = ls.Recipe("two", ls.Setting.META, (Kept(1.0), Kept(2.0)))
    with pytest.raises(ls.InputError, match="cannot start from 'two', which has several"):
        recipe(NothingLearnt(), start=several)


def test_scores_of_a_training_come_with_what_was_learnt(tmp_path):
    learner = ByGradient(ls.Pooled(ls.mse), score=bias, score_at=(0, 5))
    scored = ls.Recipe("scored", ls.Setting.POOLED, (learner,))
    learnt = experience(out=tmp_path).learnt(scored)
    again = experience(out=tmp_path, resume=True).learnt(scored)
    for one in (learnt, again):
        assert list(one.scores) == [0, 5]
        np.testing.assert_array_equal(one.scores[5], bias(learnt.of_one))
    np.testing.assert_array_equal(learnt.scores[0], bias(experience().models))


class Paying(ls.envs.AbstractEnvs):
    """One arm of four pays, with certainty."""

    def sample(self, split, *, key):
        return Bandit(jnp.eye(4)[jr.randint(key, (), 0, 4)], 1, sure=True)


def policies(measure=None, **sizes):
    sizes = {"seeds": 2, "validation_tasks": 8, "test_tasks": 12} | sizes
    question = Lives(Paying(), measure or TotalReward(), **sizes)
    env = Paying().sample(ls.Split.TRAIN, key=jr.key(0))
    made = learn(lambda k: ReactiveAgent(env, width=4, depth=1, key=k), question, key=jr.key(0))
    return question, made


def descent(lr):
    return PolicyDescent(1, lr, steps=3, episodes=16, penalty=1e3)


@pytest.mark.long
@pytest.mark.slow
def test_policies_are_adapted_to_each_environment_and_scored_after_each_step():
    question, made = policies(repeats=40)
    recipes = [
        ls.Recipe("descent", ls.Setting.SCRATCH, adapters=(descent(1e-6), descent(3.0))),
        ls.Recipe("as it is", ls.Setting.SCRATCH),
    ]
    descended, still = made.ask(question, recipes)
    assert descended.of_tasks.shape == (1, 2, 12, 4) and descended.watched == (0, 1, 2, 3)
    assert [choice.adapter for choice in descended.chosen[0]] == [1, 1]
    paid = descended.overall[0].mean(axis=0)
    assert abs(paid[0] - 0.25) < 0.15 and paid[3] > 0.8 and (np.diff(paid) > 0).all()
    assert abs(still.overall[0].mean() - 0.25) < 0.15


@pytest.mark.long
@pytest.mark.slow
def test_environments_in_parts_have_the_same_values():
    question, made = policies(repeats=3)
    parts = policies(repeats=3, at_once=5)[0]
    recipes = [ls.Recipe("descent", ls.Setting.SCRATCH, adapters=(descent(3.0),))]
    whole, some = (made.ask(q, recipes)["descent"] for q in (question, parts))
    np.testing.assert_allclose(whole.of_tasks, some.of_tasks, atol=1e-6)


class Calm(TotalReward):
    """Of a policy that explores no more."""

    def living(self, agent: Any) -> Any:
        last = agent.actor.layers[-1]
        sharp = eqx.tree_at(
            lambda a: (a.weight, a.bias), last, (1e4 * last.weight, 1e4 * last.bias)
        )
        return eqx.tree_at(lambda agent: agent.actor.layers[-1], agent, sharp)


@pytest.mark.slow
def test_a_measure_may_be_of_what_is_made_of_an_agent():
    question, made = policies(Calm(), repeats=5)
    (outcome,) = made.ask(question, [ls.Recipe("calm", ls.Setting.SCRATCH)])
    assert set(np.unique(outcome.at(None))) <= {0.0, 1.0}  # all five lives are the same


def test_lives_are_those_that_their_mean_is_of():
    question, made = policies()
    envs, life = question.lives(made.models, key=jr.key(4))
    assert envs.means.shape == (12, 4) and life.reward.shape[:2] == (2, 12)
    mean = question.mean_of(made.models, key=jr.key(4))
    np.testing.assert_allclose(np.asarray(life.reward).sum(axis=-1).mean(axis=1), mean[:, 0])


def test_repeats_below_one_are_refused():
    with pytest.raises(ls.InputError, match="Lives: `repeats=0`"):
        policies(repeats=0)
