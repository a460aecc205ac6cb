"""Lives: agents in held-out environments, compared by the interface of questions and recipes."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import (
    AbstractLifeMeasure,
    ByGradient,
    Lives,
    NothingLearnt,
    Rule,
    TotalReward,
)
from learnset.envs.bandits import Bandit, Bandits
from learnset.rl import AtRandom, RecurrentAgent


class Turning(ls.envs.AbstractEnvs):
    """Two arms with sure pay: the first pays 1 and the second 0, but in test tasks the reverse."""

    pulls: int = eqx.field(static=True, default=6)

    def sample(self, split, *, key):
        means = jnp.array([0.0, 1.0]) if split is ls.Split.TEST else jnp.array([1.0, 0.0])
        return Bandit(means + 0 * jr.uniform(key), self.pulls, sure=True)


class Plan(ls.envs.AbstractAgent):
    """Pulls the second arm before pull `start` and from pull `stop` on, the first arm between."""

    start: float
    stop: float

    def begin(self):
        return jnp.asarray(0)

    def act(self, memory, percept, *, key):
        return 1 - ((memory >= self.start) & (memory < self.stop)).astype(int), memory + 1


class ByPull(AbstractLifeMeasure):
    """The reward of each pull; all of them count for the choice."""

    name = "reward"

    def of_life(self, env, life):
        return life.reward[: env.pulls]


class LastPull(ByPull):
    """The reward of each pull; the last one counts for the choice."""

    def for_choice(self, scores):
        return scores[..., -1]


class Cost(ByPull):
    """The reward of each pull, as a cost."""

    higher_is_better = False


FIRST, SECOND, LATE = Plan(0.0, 9.0), Plan(9.0, 9.0), Plan(5.0, 9.0)
EARLY = Plan(0.0, 5.0)  # five of six pulls, but not the last


def recipe(*agents, name="agent", **options):
    learners = tuple(NothingLearnt(Rule(agent)) for agent in agents)
    return ls.Recipe(name, ls.Setting.BOUND, learners, **options)


def compare(question, *recipes, key=3):

    def network(key):
        return AtRandom(2)

    return ls.compare(recipes, network, question, key=jr.key(key), progress=False)


def turning(measure=None, **sizes):
    sizes = {"seeds": 2, "validation_tasks": 3, "test_tasks": 4} | sizes
    return Lives(Turning(), measure or TotalReward(), **sizes)


@pytest.mark.slow
def test_random_pulls_are_paid_the_mean_of_the_arms():
    question = Lives(Bandits(3, 20), TotalReward(), seeds=2, test_tasks=400)
    (outcome,) = compare(question, recipe(AtRandom(3)))
    bandits, _ = question.ask(ls.Split.TEST, lambda envs: envs, jr.key(3))
    apart = outcome.at(None) - 20 * np.asarray(bandits.means).mean(axis=-1)
    error = apart.std() / np.sqrt(apart.size)
    assert apart.shape == (2, 400) and abs(apart.mean()) < 4 * error < 0.6


@pytest.mark.slow
def test_seeds_live_in_the_same_environments_each_by_its_own_chance():
    question = Lives(Bandits(2, 12), ByPull(), seeds=3, test_tasks=5)
    fixed, random = compare(question, recipe(FIRST), recipe(AtRandom(2), name="random"))
    assert fixed.of_tasks.shape == (1, 3, 5, 12) and fixed.watched == tuple(range(12))
    assert (random.of_tasks[0, 0] != random.of_tasks[0, 1]).any()
    bandits, keys = question.ask(ls.Split.TEST, lambda envs: envs, jr.key(3))
    assert bandits.means.shape == (5, 2) and keys.shape == (3,)
    validation, others = question.ask(ls.Split.VALIDATION, lambda envs: envs, jr.key(3))
    assert validation.means.shape == (200, 2) and (jr.key_data(keys) != jr.key_data(others)).any()


@pytest.mark.slow
def test_a_seed_has_the_same_lives_however_many_there_are():
    one, three = (
        next(iter(compare(Lives(Bandits(2, 12), seeds=n, measure=ByPull()), recipe(AtRandom(2)))))
        for n in (1, 3)
    )
    np.testing.assert_array_equal(one.of_tasks[:, 0], three.of_tasks[:, 0])


def test_agents_are_chosen_on_validation_environments_alone():
    """The first arm is the right one there, and the wrong one in test environments."""
    (outcome,) = compare(turning(), recipe(SECOND, FIRST))
    assert [choice.learner for choice in outcome.chosen[0]] == [1, 1]
    np.testing.assert_array_equal(outcome.validation, [[6.0, 6.0]])
    np.testing.assert_array_equal(outcome.at(None), np.zeros((2, 4)))
    np.testing.assert_array_equal(outcome.models.stop, [9.0, 9.0])


@pytest.mark.parametrize(
    ("measure", "chosen", "value"), [(ByPull(), 0, 5 / 6), (LastPull(), 1, 1.0), (Cost(), 1, 1 / 6)]
)
def test_the_measure_says_which_pulls_count_for_the_choice(measure, chosen, value):
    (outcome,) = compare(turning(measure), recipe(EARLY, LATE))
    assert {choice.learner for choice in outcome.chosen[0]} == {chosen}
    np.testing.assert_allclose(outcome.validation, np.full((1, 2), value))
    assert outcome.of_tasks.shape == (1, 2, 4, 6)


def test_of_two_baselines_the_one_that_would_have_been_chosen_counts():
    baselines = [
        recipe(agent, agent, name=name, baseline=True)
        for name, agent in (("late", LATE), ("early", EARLY))
    ]
    assert compare(turning(ByPull()), *baselines).baseline().members == (("early", "early"),)


def test_what_was_chosen_answers_a_second_question():
    experience = ls.comparison.learn(lambda key: AtRandom(2), turning(), key=jr.key(0))
    chosen = experience.ask(turning(), [recipe(SECOND, FIRST)])["agent"]
    again = ls.Recipe("agent", ls.Setting.BOUND)
    second = experience.ask(turning(ByPull()), [again], models={"agent": chosen.models})
    np.testing.assert_array_equal(second["agent"].of_tasks, np.zeros((1, 2, 4, 6)))


@pytest.mark.long
def test_a_trained_agent_and_the_initial_one_are_compared_with_a_rule():
    def network(key):
        return RecurrentAgent(Turning().sample(ls.Split.TRAIN, key=key), width=4, key=key)

    learner = ByGradient(ls.rl.A2C(6), lr=0.1)
    recipes = [
        ls.Recipe("RL²", ls.Setting.META, (learner,)),
        ls.Recipe("untrained", ls.Setting.SCRATCH),
        recipe(FIRST),
    ]
    budget = ls.Budget(steps=20, tasks_per_step=8)
    question = turning(test_tasks=100)
    result = ls.compare(recipes, network, question, key=jr.key(0), budget=budget, progress=False)
    assert not result.failures and result["RL²"].cost.stored_bytes > 0
    # It learnt that the first arm pays, which is wrong in test environments.
    assert (result["RL²"].at(None).mean(axis=1) < 1.5).all()
    assert (result["untrained"].at(None).mean(axis=1) > 1.5).all()


@pytest.mark.parametrize("size", ["seeds", "validation_tasks", "test_tasks"])
def test_sizes_below_one_are_refused(size):
    with pytest.raises(ls.InputError, match=f"Lives: `{size}=0`"):
        turning(**{size: 0})
