"""Harlow's problems: the best possible score, and the limits of what an agent can know."""

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
    """Stores nothing: its action depends on the present percept only."""

    act_on: Callable

    def begin(self):
        return None

    def act(self, memory, percept, *, key):
        del key
        return self.act_on(percept), memory


def always_left(percept):
    return jnp.asarray(ls.envs.LEFT)


def larger(percept):
    """The object whose first feature is larger, on either side: a choice of an object, not a
    side."""
    left_is_larger = percept.observation[0] > percept.observation[LENGTH]
    return jnp.where(left_is_larger, ls.envs.LEFT, ls.envs.RIGHT)


def same_side_if_it_won(percept):
    """Win-stay, lose-shift on sides, by the last reward."""
    return jnp.where(percept.feedback.reward > 0, percept.action, 1 - percept.action)


@eqx.filter_jit
def scores(agent, envs, split=ls.Split.TEST):
    """Rewards in each trial, "problems trials", and the number of steps that counted."""

    def one(key):
        problem_key, life_key = jr.split(key)
        problem = envs.sample(split, key=problem_key)
        life = ls.envs.live(agent, problem, key=life_key)
        return jnp.zeros(problem.trials).at[life.trial].add(life.reward), life.counts.sum()

    return jax.vmap(one)(jr.split(jr.key(7), PROBLEMS))


def percent_correct(agent, envs):
    return np.asarray((scores(agent, envs)[0] == 1).mean(axis=0)) * 100


# Anchors.


@pytest.mark.slow
@pytest.mark.parametrize("fixation", (False, True))
def test_win_stay_lose_shift_scores_50_and_then_100(fixation):
    problems = ls.envs.Harlow(LENGTH, fixation=fixation)
    rewards, steps = scores(ls.rl.WinStayLoseShift(LENGTH), problems)
    assert abs((rewards[:, 0] == 1).mean() - 0.5) < CHANCE
    assert np.all(rewards[:, 1:] == 1)
    assert np.all(np.abs(rewards[:, 0]) == 1)
    assert np.all(steps == 6 * (2 if fixation else 1))  # a look at the cross, and a choice


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    (ls.rl.AtRandom(2), Rule(always_left), Rule(larger), Rule(same_side_if_it_won)),
    ids=lambda agent: str(agent)[:40],
)
def test_an_agent_that_stores_nothing_stays_at_50_in_every_trial(agent):
    assert np.all(np.abs(percent_correct(agent, SOME) - 50) < 100 * CHANCE)


def test_after_a_reversal_the_learnt_object_is_wrong_once():
    problems = ls.envs.Harlow(LENGTH, reversed_at=3)
    first, *others = percent_correct(ls.rl.WinStayLoseShift(LENGTH), problems)
    assert abs(first - 50) < 100 * CHANCE and others == [100, 100, 0, 100, 100]


# The distribution of problems.


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
    """Numbers of both objects of each problem, by split: a picture of the bank is known by the
    place of its 1."""
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


BANKS = jnp.eye(6)[:3], jnp.eye(6)[3:], 2 * jnp.eye(6)[2:]


def test_of_three_banks_each_split_has_its_own():
    for drawn, bank in zip(draw(ls.envs.Harlow(bank=BANKS), tuple(ls.Split)), BANKS, strict=True):
        objects = np.asarray(drawn.objects)
        seen = {tuple(each) for each in objects.reshape(-1, 6).tolist()}
        assert seen == {tuple(each) for each in bank.tolist()}
        assert np.all((objects[:, 0] != objects[:, 1]).any(axis=-1))


def test_a_problem_keeps_its_two_pictures_while_sides_change():
    problem = ls.envs.Harlow(bank=BANKS).sample(ls.Split.TEST, key=KEY)
    observed = [problem.observe(problem.reset(trial, key=KEY)) for trial in range(6)]
    sides = np.stack(observed)[:, :-1].reshape(6, 2, 6)
    left = np.asarray(problem.left)
    assert np.array_equal(sides[:, 0], problem.objects[left]) and 0 < left.sum() < 6
    assert np.array_equal(sides[:, 1], problem.objects[1 - left])


# Observations and actions.


@eqx.filter_jit
def play(problem, trial, actions):
    """Observations, first to last, and the feedback."""
    start = problem.reset(trial, key=KEY)

    def step(state, action):
        state, feedback = problem.step(state, action, key=KEY)
        return state, (problem.observe(state), feedback)

    observed, feedback = jax.lax.scan(step, start, actions)[1]
    return jnp.concatenate([problem.observe(start)[None], observed]), feedback


def problem_of(fixation, left=(0, 1), rewarded=(0, 0)):
    return ls.envs.HarlowProblem(
        jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array(left), jnp.array(rewarded), fixation
    )


@pytest.mark.parametrize("trial, left_is_right_choice", ((0, True), (1, False)))
@pytest.mark.parametrize("action", (ls.envs.LEFT, ls.envs.RIGHT))
def test_the_object_is_rewarded_and_not_its_side(trial, left_is_right_choice, action):
    observed, feedback = play(problem_of(False), jnp.asarray(trial), jnp.array([action]))
    assert feedback.reward[0] == (1 if (action == ls.envs.LEFT) == left_is_right_choice else -1)
    assert feedback.terminated[0] and not feedback.truncated[0]
    objects = [1, 2, 3, 4] if trial == 0 else [3, 4, 1, 2]
    assert np.array_equal(observed, [[*objects, 0]] * 2)  # the objects stay visible


@pytest.mark.slow
@given(st.lists(st.sampled_from(range(3)), min_size=8, max_size=8))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_with_fixation_nothing_happens_before_a_look_at_the_cross(actions):
    observed, feedback = play(problem_of(True), jnp.asarray(0), jnp.asarray(actions))
    look = actions.index(ls.envs.LOOK) if ls.envs.LOOK in actions else 8
    assert np.array_equal(observed[: look + 1], [[0, 0, 0, 0, 1]] * (look + 1))
    assert not feedback.reward[: look + 1].any() and not feedback.terminated[: look + 1].any()
    choice = next((i for i in range(look, 8) if actions[i] != ls.envs.LOOK), None)
    if choice is None:
        assert feedback.truncated.tolist() == [False] * 7 + [True] and not feedback.reward.any()
    else:
        objects = [[1, 2, 3, 4, 0]] * (choice + 1 - look)
        assert np.array_equal(observed[look + 1 : choice + 2], objects)
        assert feedback.terminated[choice] and not feedback.truncated[: choice + 1].any()
        assert feedback.reward[choice] == (1 if actions[choice] == ls.envs.LEFT else -1)


def test_a_problem_has_its_sizes():
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
        (lambda: ls.envs.Harlow(bank=(*BANKS[:2], jnp.eye(6)[:1])), "1 pictures"),
        (lambda: ls.envs.Harlow(bank=BANKS[:2]), "2 banks"),
    ),
)
def test_wrong_settings_are_refused_in_one_line(make, word):
    with pytest.raises(ls.InputError) as refusal:
        make()
    assert word in str(refusal.value) and "\n" not in str(refusal.value)
