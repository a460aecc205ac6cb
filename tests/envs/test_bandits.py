"""Bandits: arms pay with their probabilities, and regret counts the loss."""

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.envs.bandits import Bandit, Bandits, expected_regret, InformativeBandits

TEST = ls.Split.TEST
MEANS = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)


def test_with_one_arm_regret_is_zero():
    bandit = Bandits(arms=1, pulls=20).sample(TEST, key=jr.key(0))
    life = ls.envs.live(ls.rl.AtRandom(1), bandit, key=jr.key(1))
    assert not expected_regret(bandit, life.action[life.counts]).any()


@hypothesis.given(MEANS, st.lists(st.integers(0, 3), min_size=6, max_size=6))
@hypothesis.settings(deadline=None, max_examples=30)
def test_regret_is_the_sum_of_the_differences_to_the_best_arm(means, actions):
    regrets = expected_regret(Bandit(jnp.array(means)), jnp.array(actions))
    loss = 0.0
    for action, regret in zip(actions, regrets, strict=True):
        loss += max(means) - means[action]
        assert abs(float(regret) - loss) < 1e-5


def test_arms_pay_as_often_as_they_should():
    means, num = jnp.array([0.0, 0.2, 0.7, 1.0]), 4000
    bandit = Bandit(means)
    state = bandit.reset(0, key=jr.key(0))
    step = jax.vmap(lambda arm, key: bandit.step(state, arm, key=key)[1].reward, in_axes=(None, 0))
    paid = jax.vmap(step, in_axes=(0, None))(jnp.arange(4), jr.split(jr.key(1), num))
    assert set(np.unique(paid)) == {0.0, 1.0}
    assert (abs(paid.mean(axis=1) - means) <= 4 * jnp.sqrt(means * (1 - means) / num)).all()


def test_the_last_pull_terminates_and_nothing_is_cut():
    life = ls.envs.live(ls.rl.AtRandom(3), Bandit(jnp.ones(3), pulls=7), key=jr.key(0))
    assert life.counts.tolist() == [True] * 7 + [False]
    assert life.over.tolist() == life.found.tolist() == [False] * 6 + [True, False]
    assert float(life.reward.sum()) == 7.0


def test_an_observation_tells_the_time_and_nothing_of_the_arms():
    rich, poor = Bandit(jnp.ones(3), pulls=4), Bandit(jnp.zeros(3), pulls=4)
    state = rich.reset(0, key=jr.key(0))
    for past in (0.0, 0.25, 0.5):
        assert rich.observe(state).tolist() == poor.observe(state).tolist() == [1.0, past]
        state, _ = rich.step(state, jnp.array(0), key=jr.key(1))
    assert rich.observation_size == 2


@pytest.mark.parametrize("arms", (1, 2, 5))
def test_the_best_of_k_uniform_arms_pays_k_of_k_plus_one(arms):
    best = Bandits(arms).draw(4000, TEST, key=jr.key(0)).means.max(axis=1)
    assert abs(best.mean() - arms / (arms + 1)) < 4 * best.std() / 4000**0.5


def test_correlated_arms_add_up_to_one():
    means = Bandits(correlated=True).draw(4000, TEST, key=jr.key(0)).means
    assert jnp.allclose(means.sum(axis=1), 1.0)
    assert abs(means[:, 0].std() - 12**-0.5) < 0.01  # uniform


@pytest.mark.parametrize("low", (0.1, 0.25, 0.4))
def test_with_a_low_arm_there_are_two_bandits_equally_often(low):
    means = Bandits(correlated=True, low=low).draw(4000, TEST, key=jr.key(0)).means
    assert jnp.allclose(jnp.sort(means, axis=1), jnp.array([[low, 1 - low]]))
    assert abs((means[:, 0] < 0.5).mean() - 0.5) < 4 * 0.5 / 4000**0.5


class Asks(ls.envs.AbstractAgent):
    """Pulls the informative arm, and then the best one."""

    def begin(self):
        return jnp.asarray(10)

    def act(self, memory, percept, *, key):
        best = jnp.round(percept.feedback.reward * 10).astype(int) - 1
        second = (memory == 10) & ~percept.first
        arm = jnp.where(second, best, memory)
        return arm, arm


def test_an_agent_that_asks_the_informative_arm_reaches_the_known_value():
    drawn = InformativeBandits().draw(4000, TEST, key=jr.key(0))
    each = jnp.unique(drawn.means.argmax(axis=1), return_index=True)[1]
    ten = jax.tree.map(lambda means: means[each], drawn)
    total = jax.vmap(lambda bandit: ls.envs.live(Asks(), bandit, key=jr.key(1)).reward.sum())(ten)
    assert total.shape == (10,)
    assert jnp.allclose(total, 20 + jnp.arange(1, 11) / 10)  # 20.55 on average


def test_splits_have_different_bandits():
    drawn = [Bandits(5).draw(10, split, key=jr.key(0)).means for split in ls.Split]
    assert len(np.unique(np.stack(drawn).round(6))) == 150


def test_many_bandits_are_one_module():
    bandits = Bandits(arms=5, pulls=3).draw(4, TEST, key=jr.key(0))
    one = jax.tree.map(lambda leaf: leaf[2], bandits)
    lives = jax.vmap(lambda bandit: ls.envs.live(ls.rl.AtRandom(5), bandit, key=jr.key(1)))(bandits)
    alone = ls.envs.live(ls.rl.AtRandom(5), one, key=jr.key(1))
    assert eqx.tree_equal(jax.tree.map(lambda leaf: leaf[2], lives), alone)


@pytest.mark.parametrize(
    "bad",
    (
        {"arms": 0},
        {"pulls": 0},
        {"arms": 3, "correlated": True},
        {"low": 0.1},
        {"correlated": True, "low": 2.0},
    ),
)
def test_an_error_names_the_argument_and_its_value(bad):
    name, value = list(bad.items())[0 if "arms" in bad or "pulls" in bad else -1]
    with pytest.raises(ls.InputError, match=f"`{name}={value}`"):
        Bandits(**bad)


def test_the_second_moment_of_a_uniform_arm_is_one_on_average_and_gives_the_variance():
    bandits = Bandits(arms=2, pulls=3, moments=2).draw(20_000, ls.Split.TRAIN, key=jr.key(0))
    secret = jax.vmap(lambda bandit: bandit.secret(bandit.reset(0, key=jr.key(1))))(bandits)
    first, second = np.split(np.asarray(secret).mean(axis=0), 2)
    assert np.allclose(first, 0.5, atol=0.02) and np.allclose(second, 1, atol=0.02)
    # Both moments together give the variance, which is 1/12 for a uniform number.
    assert np.allclose(second / 3 - first**2, 1 / 12, atol=0.005)
