"""The two-step task: transitions and rewards, and the signature of two ways of learning."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

import learnset as ls
from learnset.envs.two_step import DriftingTwoStep, stay_probabilities, TwoStep, TwoStepTask

TEST = ls.Split.TEST


class Repeats(ls.envs.AbstractAgent):
    """Repeats the first choice after a reward, and changes it after none; or, with a `model`,
    chooses what leads to the place of the last reward, or away from the place without one."""

    model: bool

    def begin(self):
        return jnp.asarray(0), jnp.asarray(0)  # choice, place

    def act(self, memory, percept, *, key):
        choice, place = memory
        seen = jnp.argmax(percept.observation)
        liked = place - 1 if self.model else choice
        better = jnp.where(percept.feedback.reward > 0, liked, 1 - liked)
        choice = jnp.where(percept.feedback.over, better, choice)
        return choice, (choice, jnp.where(seen > 0, seen, place))


@pytest.fixture(scope="module")
def task():
    return TwoStep(trials=400, rich=0.7, common=0.6).sample(TEST, key=jr.key(0))


def test_an_agent_that_repeats_rewarded_choices_stays_after_rewards(task):
    life = ls.envs.live(Repeats(model=False), task, key=jr.key(1))
    assert stay_probabilities(life).tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_an_agent_that_knows_where_choices_lead_shifts_after_rare_rewards(task):
    life = ls.envs.live(Repeats(model=True), task, key=jr.key(1))
    assert stay_probabilities(life).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_cases_that_never_happened_have_no_probability():
    never = TwoStepTask(jnp.zeros((20, 2, 2)), jnp.asarray(1.0))
    stays = stay_probabilities(ls.envs.live(ls.rl.AtRandom(2), never, key=jr.key(0)))
    assert jnp.isnan(stays).tolist() == [[False, True], [True, True]]


def test_a_trial_is_two_steps_and_the_second_one_pays(task):
    life = ls.envs.live(ls.rl.AtRandom(2), task, key=jr.key(1))
    assert life.counts.reshape(-1, 3).all(axis=0).tolist() == [True, True, False]
    assert (life.over == life.found).all()
    assert life.reward.reshape(-1, 3).sum(axis=0)[jnp.array([0, 2])].tolist() == [0.0, 0.0]
    assert (life.before.place.reshape(-1, 3) > 0).all(axis=0).tolist() == [False, True, True]


@pytest.mark.slow
def test_transitions_and_rewards_have_their_probabilities():
    tasks = TwoStep(trials=50).draw(200, TEST, key=jr.key(0))
    lives = jax.vmap(lambda task, key: ls.envs.live(ls.rl.AtRandom(2), task, key=key))(
        tasks, jr.split(jr.key(1), 200)
    )
    choice, place = lives.action[:, 0::3], lives.after.place[:, 0::3]
    commonly = (place == choice + 1).mean()
    assert abs(commonly - 0.75) < 4 * (0.75 * 0.25 / 10_000) ** 0.5
    rich, reward = tasks.chances[..., 0].argmax(axis=-1) == place - 1, lives.reward[:, 1::3]
    for where, chance in ((rich, 0.9), (~rich, 0.1)):
        assert abs(reward[where].mean() - chance) < 4 * (0.09 / int(where.sum())) ** 0.5


def test_the_second_choice_makes_no_difference_where_places_are_rich_or_poor():
    chances = TwoStep().sample(TEST, key=jr.key(0)).chances
    assert (chances[..., 0] == chances[..., 1]).all()
    assert jnp.allclose(chances[:, :, 0].sum(axis=1), 1.0)


@pytest.mark.parametrize("reversal", (0.0, 0.025, 1.0))
def test_places_are_exchanged_with_the_probability_of_a_reversal(reversal):
    tasks = TwoStep(trials=101, reversal=reversal).draw(200, TEST, key=jr.key(0))
    chances = tasks.chances[..., 0, 0]
    exchanged = (chances[:, 1:] != chances[:, :-1]).mean()
    assert abs(exchanged - reversal) <= 4 * (reversal * (1 - reversal) / 20_000) ** 0.5
    assert abs((chances[:, 0] > 0.5).mean() - 0.5) < 4 * 0.5 / 200**0.5


def test_drifting_chances_stay_within_their_limits_and_move_by_small_steps():
    chances = DriftingTwoStep().draw(50, TEST, key=jr.key(0)).chances
    assert (chances >= 0.25).all() and (chances <= 0.75).all()
    step, inside = chances[:, 1:] - chances[:, :-1], abs(chances[:, :-1] - 0.5) < 0.1
    assert abs(step[inside].std() - 0.025) < 0.001
    assert abs(chances[:, -1].std() - 0.5 / 12**0.5) < 0.02  # the reflected walk becomes uniform


@pytest.mark.parametrize(
    "bad", ({"trials": 0}, {"common": 1.5}, {"rich": -0.1}, {"reversal": 2.0}), ids=str
)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"`{name}={value}`"):
        TwoStep(**bad)


def test_limits_are_low_and_high():
    with pytest.raises(ls.InputError, match="limits"):
        DriftingTwoStep(limits=(0.8, 0.2))


def test_the_secret_is_the_chances_of_this_trial(task):
    state = task.reset(7, key=jr.key(0))
    assert task.secret(state).tolist() == task.chances[7].ravel().tolist()
