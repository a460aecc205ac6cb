"""Harlow's problems: what a learner of learning sets can score on them, and what it cannot know."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import learnset as ls

PROBLEMS = 2000
CHANCE = 4 * math.sqrt(0.25 / PROBLEMS)  # four standard errors of a half
KEY = jr.key(0)
LENGTH = 4  # of an object's vector
SOME = ls.envs.Harlow(features=LENGTH)


class Rule(ls.envs.AbstractAgent):
    """Stores nothing: what it does follows from what it perceives now, and nothing else."""

    act_on: Callable

    def begin(self):
        return None

    def act(self, memory, percept, *, key):
        del key
        return self.act_on(percept), memory


def always_left(percept):
    return jnp.asarray(ls.envs.LEFT)


def larger(percept):
    """The object whose first feature is larger, whichever side it is on: a choice of an object, not of a side."""
    return jnp.where(
        percept.observation[0] > percept.observation[LENGTH], ls.envs.LEFT, ls.envs.RIGHT
    )


def same_side_if_it_won(percept):
    """Win-stay, lose-shift on sides, by what was told last."""
    return jnp.where(percept.feedback.reward > 0, percept.action, 1 - percept.action)


@eqx.filter_jit
def scores(agent, envs, split=ls.Split.TEST):
    """Rewards in each trial, "problems trials", and how many steps counted."""

    def one(key):
        problem_key, life_key = jr.split(key)
        problem = envs.sample(split, key=problem_key)
        life = ls.envs.live(agent, problem, key=life_key)
        return jnp.zeros(problem.trials).at[life.trial].add(life.reward), life.counts.sum()

    return jax.vmap(one)(jr.split(jr.key(7), PROBLEMS))


def percent_correct(agent, envs):
    return np.asarray((scores(agent, envs)[0] == 1).mean(axis=0)) * 100


# Anchors.


@pytest.mark.parametrize("fixation", (False, True))
def test_win_stay_lose_shift_scores_50_and_then_100(fixation):
    rewards, steps = scores(
        ls.rl.WinStayLoseShift(LENGTH), ls.envs.Harlow(LENGTH, fixation=fixation)
    )
    assert abs((rewards[:, 0] == 1).mean() - 0.5) < CHANCE
    assert np.all(rewards[:, 1:] == 1)
    assert np.all(np.abs(rewards[:, 0]) == 1)
    assert np.all(steps == 6 * (2 if fixation else 1))  # a look at the cross, and a choice


@pytest.mark.parametrize(
    "agent",
    (ls.rl.AtRandom(2), Rule(always_left), Rule(larger), Rule(same_side_if_it_won)),
    ids=lambda agent: str(agent)[:40],
)
def test_who_stores_nothing_stays_at_50_in_every_trial(agent):
    assert np.all(np.abs(percent_correct(agent, SOME) - 50) < 100 * CHANCE)


def test_after_a_reversal_the_learnt_object_is_wrong_once():
    expected = np.array([50, 100, 100, 0, 100, 100])
    found = percent_correct(ls.rl.WinStayLoseShift(LENGTH), ls.envs.Harlow(LENGTH, reversed_at=3))
    assert abs(found[0] - 50) < 100 * CHANCE and np.array_equal(found[1:], expected[1:])


# What problems are like.


@eqx.filter_jit
def draw(envs, splits=(ls.Split.TRAIN,)):
    return [envs.draw(PROBLEMS, split, key=KEY) for split in splits]


@pytest.fixture(scope="module")
def by_split():
    return draw(SOME, tuple(ls.Split))


@pytest.fixture(scope="module")
def problems(by_split):
    return by_split[0]


def test_each_object_is_on_the_left_three_times_in_every_order(problems):
    left = np.asarray(problems.left)
    assert np.all(left.sum(axis=1) == 3)
    orders, often = np.unique(left, axis=0, return_counts=True)
    assert len(orders) == math.comb(6, 3)
    assert np.all(np.abs(often - PROBLEMS / 20) < 5 * math.sqrt(PROBLEMS / 20))


def test_without_counterbalancing_earlier_sides_do_not_tell_the_last():
    left = np.asarray(draw(ls.envs.Harlow(LENGTH, counterbalanced=False))[0].left)
    assert len(np.unique(left, axis=0)) == 2**6
    assert abs(np.corrcoef(left[:, :5].sum(axis=1), left[:, 5])[0, 1]) < 4 / math.sqrt(PROBLEMS)


def test_either_object_has_the_food_and_keeps_it(problems):
    rewarded = np.asarray(problems.rewarded)
    assert np.ptp(rewarded, axis=1).max() == 0
    assert abs(rewarded[:, 0].mean() - 0.5) < CHANCE


def test_a_reversal_turns_the_reward():
    rewarded = np.asarray(draw(ls.envs.Harlow(LENGTH, reversed_at=2))[0].rewarded)
    assert np.ptp(rewarded[:, :2], axis=1).max() == np.ptp(rewarded[:, 2:], axis=1).max() == 0
    assert np.array_equal(rewarded[:, 2], 1 - rewarded[:, 0])


def test_no_two_problems_share_an_object(by_split):
    objects = np.concatenate([np.asarray(some.objects).reshape(-1, LENGTH) for some in by_split])
    assert len(np.unique(objects, axis=0)) == len(objects)


SIZE = 23  # pictures


@pytest.fixture(scope="module")
def pictures():
    """Numbers of both objects of each problem, by split: pictures of a bank are told apart by the place of their 1."""
    drawn = draw(ls.envs.Harlow(bank=jnp.eye(SIZE)), tuple(ls.Split))
    return {
        split: np.asarray(some.objects).argmax(axis=-1)
        for split, some in zip(ls.Split, drawn, strict=True)
    }


def test_objects_of_a_bank_in_test_problems_are_never_in_training_problems(pictures):
    train, validation, test = (set(pictures[split].ravel().tolist()) for split in ls.Split)
    assert not train & test and not train & validation and not validation & test
    assert train | validation | test == set(range(SIZE))  # and none is left out


def test_the_two_objects_of_a_problem_are_different(pictures):
    assert all(np.all(objects[:, 0] != objects[:, 1]) for objects in pictures.values())


# What one sees and does.


@eqx.filter_jit
def play(problem, trial, actions):
    """Observations, first to last, and what was told."""
    start = problem.reset(trial, key=KEY)

    def step(state, action):
        state, told = problem.step(state, action, key=KEY)
        return state, (problem.observe(state), told)

    seen, told = jax.lax.scan(step, start, actions)[1]
    return jnp.concatenate([problem.observe(start)[None], seen]), told


def problem_of(fixation, left=(0, 1), rewarded=(0, 0)):
    return ls.envs.HarlowProblem(
        jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array(left), jnp.array(rewarded), fixation
    )


@pytest.mark.parametrize("trial, left_is_right_choice", ((0, True), (1, False)))
@pytest.mark.parametrize("action", (ls.envs.LEFT, ls.envs.RIGHT))
def test_the_object_is_rewarded_and_not_its_side(trial, left_is_right_choice, action):
    seen, told = play(problem_of(False), jnp.asarray(trial), jnp.array([action]))
    assert told.reward[0] == (1 if (action == ls.envs.LEFT) == left_is_right_choice else -1)
    assert told.terminated[0] and not told.truncated[0]
    objects = [1, 2, 3, 4] if trial == 0 else [3, 4, 1, 2]
    assert np.array_equal(seen, [[*objects, 0]] * 2)  # they stay, to learn from


@given(
    st.lists(st.sampled_from((ls.envs.LEFT, ls.envs.RIGHT, ls.envs.LOOK)), min_size=8, max_size=8)
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_with_fixation_nothing_happens_before_the_cross_was_looked_at(actions):
    seen, told = play(problem_of(True), jnp.asarray(0), jnp.asarray(actions))
    looked = actions.index(ls.envs.LOOK) if ls.envs.LOOK in actions else 8
    assert np.array_equal(seen[: looked + 1], [[0, 0, 0, 0, 1]] * (looked + 1))
    assert not told.reward[: looked + 1].any() and not told.terminated[: looked + 1].any()
    chosen = next((i for i in range(looked, 8) if actions[i] != ls.envs.LOOK), None)
    if chosen is None:
        assert told.truncated.tolist() == [False] * 7 + [True] and not told.reward.any()
    else:
        assert np.array_equal(
            seen[looked + 1 : chosen + 2], [[1, 2, 3, 4, 0]] * (chosen + 1 - looked)
        )
        assert told.terminated[chosen] and not told.truncated[: chosen + 1].any()
        assert told.reward[chosen] == (1 if actions[chosen] == ls.envs.LEFT else -1)


def test_a_problem_says_its_sizes():
    for fixation, actions, steps in ((False, 2, 1), (True, 3, 8)):
        problem = problem_of(fixation)
        assert (problem.trials, problem.trial_steps, problem.actions.size) == (2, steps, actions)
        assert problem.observation_size == 5


@pytest.mark.parametrize(
    "make, word",
    (
        (lambda: ls.envs.Harlow(features=0), "features=0"),
        (lambda: ls.envs.Harlow(trials=0), "trials=0"),
        (lambda: ls.envs.Harlow(reversed_at=0), "reversed_at=0"),
        (lambda: ls.envs.Harlow(reversed_at=6), "reversed_at=6"),
        (lambda: ls.envs.Harlow(bank=jnp.eye(19)), "19 pictures"),
    ),
)
def test_wrong_settings_are_refused_in_one_line(make, word):
    with pytest.raises(ls.InputError) as refusal:
        make()
    assert word in str(refusal.value) and "\n" not in str(refusal.value)
