"""Rules for decision processes: planning is optimal, learning is counting, and RL²'s table 2 is
reproduced where possible."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from probes import row

import learnset as ls
from learnset.envs.mdps import TabularMDP, TabularMDPs
from learnset.rl._mdp_rules import (
    AbstractPlanner,
    Belief,
    EpsilonGreedyPlanner,
    OptimisticPosteriorSampling,
    PosteriorSampling,
    value_iteration,
)

TEST = ls.Split.TEST


@eqx.filter_jit
def drawn(tasks, num, key):
    return tasks.draw(num, TEST, key=key)


def processes(states, actions, num, key=0):
    mdps = drawn(TabularMDPs(states, actions), num, jr.key(key))
    return mdps.transitions, mdps.rewards


def test_no_policy_is_better_than_that_of_value_iteration():
    transitions, rewards = (np.asarray(part[0], np.float64) for part in processes(2, 2, 1))
    states, horizon = np.arange(2), 3
    best = -np.inf
    for policy in itertools.product((0, 1), repeat=horizon * 2):
        value = np.zeros(2)
        for action in np.reshape(policy, (horizon, 2))[::-1]:
            value = rewards[states, action] + transitions[states, action] @ value
        best = np.maximum(best, value)
    _, values = value_iteration(*processes(2, 2, 1), horizon)
    assert np.allclose(values[0], best, rtol=1e-5)


def test_the_more_promising_of_two_models_counts():
    swap = jnp.stack([1 - jnp.eye(2)] * 2)[:, :, None]
    rewards = jnp.array([[[1.0], [0.0]], [[0.0], [1.0]]])  # each model has one rich state
    assert value_iteration(swap[:1], rewards[:1], 4)[1][0].tolist() == [2.0, 2.0]
    assert value_iteration(swap, rewards, 4)[1][0].tolist() == [4.0, 4.0]


class Knows(AbstractPlanner):
    """Plans with the true process."""

    mdp: TabularMDP
    states: int = eqx.field(static=True, default=10)
    actions: int = eqx.field(static=True, default=5)
    horizon: int = eqx.field(static=True, default=10)
    prior_mean: float = eqx.field(static=True, default=1.0)
    at_every_step: bool = eqx.field(static=True, default=False)

    def models(self, belief, *, key):
        return self.mdp.transitions[None], self.mdp.rewards[None]


def test_an_agent_that_knows_the_process_gets_the_value_of_value_iteration():
    mdp, num = row(drawn(TabularMDPs(), 1, jr.key(0)), 0), 400
    run = jax.jit(jax.vmap(lambda key: ls.envs.live(Knows(mdp), mdp, key=key).reward.sum()))
    total = run(jr.split(jr.key(1), num))
    promised = 10 * value_iteration(mdp.transitions[None], mdp.rewards[None], 10)[1][0, 0]
    assert abs(total.mean() - promised) < 4 * total.std() / num**0.5


@pytest.mark.slow
def test_a_belief_is_the_mean_of_prior_and_experience():
    mdp = row(drawn(TabularMDPs(states=3, actions=2, trials=4), 1, jr.key(0)), 0)
    rule = EpsilonGreedyPlanner(3, 2, 10, epsilon=0.5)
    state, key, memory = mdp.reset(0, key=jr.key(0)), jr.key(1), rule.begin()
    act = jax.jit(lambda *all, key: rule.act(*all, key=key))
    step = jax.jit(lambda *all, key: mdp.step(*all, key=key))
    feedback = ls.envs.Feedback(jnp.asarray(0.0), jnp.asarray(False), jnp.asarray(False))
    percept = ls.envs.Percept(mdp.observe(state), jnp.asarray(0), feedback, jnp.asarray(True))
    rewards, successors = {}, {}
    for number in range(10):
        action, memory = act(memory, percept, key=jr.fold_in(key, number))
        before = int(state.state)
        state, feedback = step(state, action, key=jr.fold_in(key, 100 + number))
        rewards.setdefault((before, int(action)), []).append(float(feedback.reward))
        successors.setdefault((before, int(action)), []).append(int(state.state))
        percept = ls.envs.Percept(mdp.observe(state), action, feedback, jnp.asarray(False))
    _, memory = act(memory, percept, key=key)
    for pair, values in rewards.items():
        # Each reward weighs as much as the prior's mean of 1.
        assert abs(memory.belief.mean_reward[pair] - (1 + sum(values)) / (1 + len(values))) < 1e-5
        shares = (1 + np.bincount(successors[pair], minlength=3)) / (3 + len(values))
        assert np.allclose(memory.belief.mean_transitions[pair], shares)
    assert int(memory.belief.seen.sum()) == 10


def test_no_transition_is_learnt_from_one_episode_to_the_next():
    """The first state of an episode does not follow from the last one of the episode before."""
    circle = jnp.roll(jnp.eye(4), 1, axis=1)[:, None]
    mdp = TabularMDP(circle, jnp.zeros((4, 1)), trials=3, trial_steps=2)
    rule = EpsilonGreedyPlanner(4, 1, 2)

    class Shows(ls.envs.AbstractAgent):
        def begin(self):
            return rule.begin()

        def act(self, memory, percept, *, key):
            _, memory = rule.act(memory, percept, key=key)
            jax.debug.callback(lambda seen: shown.append(np.asarray(seen)), memory.belief.seen)
            return jnp.asarray(0), memory

    shown = []
    live = eqx.filter_jit(lambda: ls.envs.live(Shows(), mdp, key=jr.key(0)).reward)
    jax.block_until_ready(live())
    jax.effects_barrier()
    last = shown[-1][:, 0]
    assert last.sum() == 6  # three episodes of two steps
    assert last[0, 1] == last[1, 2] == 3


def test_draws_are_around_the_mean_and_closer_with_more_experience():
    counts = jnp.zeros((2, 1, 3)).at[0, 0].set(jnp.array([60.0, 30.0, 0.0]))
    belief = Belief(counts, jnp.array([[180.0], [0.0]]), 1.0)
    draw = jax.jit(jax.vmap(lambda key: belief.draw(key=key)))
    transitions, rewards = draw(jr.split(jr.key(0), 4000))
    assert jnp.allclose(transitions.sum(axis=-1), 1.0, atol=1e-5)
    assert jnp.allclose(transitions.mean(axis=0), belief.mean_transitions, atol=0.02)
    # The variance of one share of three in a flat Dirichlet distribution.
    assert abs(transitions[:, 1, 0, 0].var() - 1 / 3 * 2 / 3 / 4) < 0.005
    assert abs(rewards[:, 0, 0].std() * 91**0.5 - 1) < 0.05
    assert abs(rewards[:, 1, 0].std() - 1) < 0.05
    assert abs(rewards[:, 0, 0].mean() - 181 / 91) < 0.01


RULES = (PosteriorSampling, OptimisticPosteriorSampling, EpsilonGreedyPlanner)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_with_enough_experience_a_rule_is_optimal(rule):
    transitions, rewards = processes(4, 3, 1, key=3)
    much = 1e6
    belief = Belief(much * transitions[0], much * rewards[0], 1.0)
    planned = jax.jit(lambda key: value_iteration(*rule(4, 3, 5).models(belief, key=key), 5)[0])
    assert planned(jr.key(0)).tolist() == value_iteration(transitions, rewards, 5)[0].tolist()


# Duan et al. 2016, RL², table 2, ten episodes, mean of 1000 processes. Their rules do not know that
# rewards are around 1 (their prior mean is 0), and the greedy one plans at each step.
PUBLISHED = [
    (PosteriorSampling(10, 5, 10, prior_mean=0.0), 138.1),
    (EpsilonGreedyPlanner(10, 5, 10, prior_mean=0.0), 134.8),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "published"), PUBLISHED)
def test_classical_columns_of_the_table_are_reproduced(rule, published):
    num = 200
    tasks, keys = drawn(TabularMDPs(), num, jr.key(0)), jr.split(jr.key(1), num)
    run = jax.jit(jax.vmap(lambda mdp, key: ls.envs.live(rule, mdp, key=key).reward.sum()))
    total = run(tasks, keys)
    spread = total.std() * (1 / num + 1 / 1000) ** 0.5  # ours and theirs
    assert abs(total.mean() - published) < 3 * spread + 0.05  # the rounding of the table


def test_an_error_names_the_argument_and_its_value():
    with pytest.raises(ls.InputError, match="`epsilon=-0.5`"):
        EpsilonGreedyPlanner(2, 2, 2, -0.5)
    with pytest.raises(ls.InputError, match="`samples=0`"):
        OptimisticPosteriorSampling(2, 2, 2, 0)
