"""A recurrent agent: its inputs, its memory, and what it needs for learning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from scipy import stats

import learnset as ls
from learnset.rl._action import Choice, Gaussian

KEY = jr.key(0)
TASKS = ls.envs.Harlow(features=4)
PROBLEM = TASKS.sample(ls.Split.TRAIN, key=KEY)
MAZE = ls.envs.WaterMaze(jnp.zeros((2, 2)), pool=ls.envs.Pool(cells=3, continuous=True))


@eqx.filter_jit
def new_agent(env=PROBLEM, width=16, **options):
    return ls.rl.RecurrentAgent(env, width=width, key=KEY, **options)


@eqx.filter_jit
def first_sight(env):
    return ls.envs.begin(env, key=KEY).percept.observation


def percept_of(env=PROBLEM, *, first=False, action=1, reward=1.0, terminated=True):
    feedback = ls.envs.Feedback(jnp.asarray(reward), jnp.asarray(terminated), jnp.asarray(False))
    return ls.envs.Percept(first_sight(env), jnp.asarray(action), feedback, jnp.asarray(first))


def ablated(agent, **flags):
    """The same agent with other flags, so that one compiled program serves all of them."""
    for name, value in flags.items():
        agent = eqx.tree_at(lambda a, name=name: getattr(a, name), agent, value)
    return agent


def some_memory(agent):
    return jax.tree.map(lambda leaf: jr.normal(KEY, leaf.shape), agent.begin())


@eqx.filter_jit
def heard(agent, memory, percept):
    return agent.hear(memory, percept)


# Inputs.


def test_it_senses_observation_action_reward_and_the_course_of_the_task():
    inputs = new_agent()._inputs(percept_of(action=1, reward=-1.0))
    action, action_times_reward, reward, flags = [0, 1], [0, -1], [-1], [1, 0, 0]
    assert np.array_equal(inputs[:9], first_sight(PROBLEM))
    assert inputs[9:].tolist() == action + action_times_reward + reward + flags


def test_an_encoder_makes_what_the_memory_receives_and_is_trained():
    encoder = eqx.nn.Linear(9, 3, key=KEY)
    agent = new_agent(encoder=encoder)
    inputs = agent._inputs(percept_of(action=1, reward=-1.0))
    assert np.array_equal(inputs[:3], encoder(first_sight(PROBLEM)))
    assert inputs[3:].tolist() == [0, 1, 0, -1, -1, 1, 0, 0]

    def loudness(agent):
        return heard(agent, agent.begin(), percept_of())[1].sum()

    assert jnp.all(eqx.filter_grad(loudness)(agent).encoder.bias != 0)


def test_at_the_beginning_of_a_trial_it_senses_no_action():
    inputs = [new_agent()._inputs(percept_of(first=True, action=action)) for action in (0, 1)]
    assert np.array_equal(*inputs) and inputs[0][-1] == 1


def test_vectors_are_sensed_in_units_of_their_limit():
    agent = new_agent(MAZE)
    agent = eqx.tree_at(lambda a: a.actions, agent, ls.envs.Continuous(2, limit=4.0))
    inputs = agent._inputs(percept_of(MAZE, action=jnp.array([2.0, -4.0]), reward=0.5))
    assert inputs[5:9].tolist() == [0.5, -1, 0.25, -0.5]


# What is removed is not sensed, whatever its value; the rest is.
CHANGES = {
    "senses_reward": [{"reward": 1.0}, {"reward": -1.0}],
    "senses_action": [{"action": 0}, {"action": 1}],
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("lstm", (False, True))
def test_what_is_not_sensed_changes_nothing(name, lstm):
    for senses in (True, False):
        agent = ablated(new_agent(lstm=lstm), **{name: senses})
        memory = some_memory(agent)
        one, two = (heard(agent, memory, percept_of(**change))[1] for change in CHANGES[name])
        assert bool(jnp.array_equal(one, two)) is not senses


@pytest.mark.parametrize("lstm", (False, True))
@pytest.mark.parametrize("first", (False, True))
def test_memory_persists_from_trial_to_trial_unless_it_is_removed(lstm, first):
    for keeps in (True, False):
        agent, percept = ablated(new_agent(lstm=lstm), keeps_memory=keeps), percept_of(first=first)
        with_memory = heard(agent, some_memory(agent), percept)
        without = heard(agent, agent.begin(), percept)
        assert bool(eqx.tree_equal(with_memory, without)) is (first and not keeps)


# Computations.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gated_units_are_those_of_cho():
    """By the formula."""
    agent, percept = new_agent(), percept_of()
    cell, memory = agent.cell, np.asarray(some_memory(agent))
    read = np.split(cell.weight_ih @ agent._inputs(percept) + cell.bias, 3)
    kept = np.split(cell.weight_hh @ memory, 3)
    reset, stay = sigmoid(read[0] + kept[0]), sigmoid(read[1] + kept[1])
    new = np.tanh(read[2] + reset * (kept[2] + cell.bias_n))
    after, activity = heard(agent, memory, percept)
    assert np.allclose(after, (1 - stay) * new + stay * memory, atol=1e-6)
    assert np.array_equal(after, activity)


def test_long_short_term_memory_is_that_of_hochreiter_and_schmidhuber():
    agent, percept = new_agent(lstm=True), percept_of()
    cell, (out, held) = agent.cell, some_memory(agent)
    gates = cell.weight_ih @ agent._inputs(percept) + cell.weight_hh @ out + cell.bias
    enter, forget, new, leave = np.split(np.asarray(gates), 4)
    expected = sigmoid(forget) * np.asarray(held) + sigmoid(enter) * np.tanh(new)
    (after, kept), activity = heard(agent, (out, held), percept)
    assert np.allclose(kept, expected, atol=1e-6)
    assert np.allclose(after, sigmoid(leave) * np.tanh(expected), atol=1e-6)
    assert np.array_equal(after, activity)


def test_the_first_policy_tries_all_actions():
    agent = new_agent()
    chances = jax.nn.softmax(agent.policy(heard(agent, agent.begin(), percept_of())[1]).logits)
    assert np.allclose(chances, 0.5, atol=0.01)


def test_a_width_of_zero_is_refused():
    with pytest.raises(ls.InputError, match="RecurrentAgent: `width=0`"):
        ls.rl.RecurrentAgent(PROBLEM, width=0, key=KEY)


# Distributions over actions.


def test_vectors_are_drawn_from_a_normal_distribution_in_units_of_the_limit():
    mean, std, limit = np.array([0.5, -1.0], np.float32), np.array([0.5, 2.0], np.float32), 3.0
    policy = Gaussian(jnp.asarray(mean), jnp.log(std), limit=limit)
    expected = stats.norm(limit * mean, limit * std)
    action = np.array([1.0, 4.0], np.float32)
    assert np.isclose(policy.log_prob(action), expected.logpdf(action).sum(), atol=1e-5)
    assert np.isclose(policy.entropy(), expected.entropy().sum(), atol=1e-5)
    drawn = np.asarray(jax.vmap(lambda key: policy.sample(key=key))(jr.split(KEY, 5000)))
    for i in range(2):
        cdf = stats.norm(limit * mean[i], limit * std[i]).cdf
        assert stats.kstest(drawn[:, i], cdf).pvalue > 1e-4


def test_choices_are_those_of_the_logits():
    policy = Choice(jnp.array([0.0, 1.0, -1.0]))
    chances = np.exp([0, 1, -1]) / np.exp([0, 1, -1]).sum()
    assert np.allclose(jax.vmap(policy.log_prob)(jnp.arange(3)), np.log(chances), atol=1e-6)
    assert np.isclose(policy.entropy(), stats.entropy(chances), atol=1e-6)
    many = Choice(jnp.broadcast_to(policy.logits, (20_000, 3))).sample(key=KEY)
    shares = np.bincount(many, minlength=3) / 20_000
    assert np.all(np.abs(shares - chances) < 4 * np.sqrt(chances * (1 - chances) / 20_000))


def test_an_impossible_action_is_not_chosen():
    policy = Choice(jnp.full((1000, 3), -jnp.inf).at[:, 1].set(0.0))
    assert np.all(np.asarray(policy.sample(key=KEY)) == 1)


# Learning.


def share_correct(agent, number=1000):
    """The share of correct choices in each trial, on problems that training never used."""

    @eqx.filter_jit
    def reward(agent):
        problems = TASKS.draw(number, ls.Split.TEST, key=KEY)
        return jax.vmap(lambda env, key: ls.envs.live(agent, env, key=key).reward)(
            problems, jr.split(KEY, number)
        )

    return (np.asarray(reward(agent))[:, ::2] == 1).mean(axis=0)


def trained(agent, steps):
    method = ls.rl.A2C(12, ls.rl.Objective(discount=0.5, anneal=steps))
    options = {"tasks_per_step": 64, "log_every": 100, "progress": False}
    adam = optax.adam(optax.cosine_decay_schedule(1e-2, steps))
    return ls.train(method, agent, TASKS, adam, steps=steps, key=KEY, **options).model


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("missing", ("senses_reward", "keeps_memory"))
def test_without_reward_or_memory_it_stays_at_chance(missing):
    """In every trial: no other input tells which object has the food."""
    correct = share_correct(trained(new_agent(**{missing: False}), 100))
    assert np.all(np.abs(correct - 0.5) < 4 * np.sqrt(0.25 / 1000))


@pytest.mark.slow
def test_with_reward_and_memory_it_learns_in_as_many_steps():
    assert share_correct(trained(new_agent(), 100))[-1] > 0.8


@pytest.mark.long
def test_long_short_term_memory_forms_a_learning_set():
    """From chance on trial 1 of a new problem to hardly any error from trial 2 on."""
    steps, problems = 500, ls.envs.Harlow(counterbalanced=False)
    method = ls.rl.A2C(12, ls.rl.Objective(discount=0.9, entropy=0.05, anneal=steps))
    rate = optax.linear_schedule(3e-3, 1e-4, steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    problem = problems.sample(ls.Split.TRAIN, key=KEY)
    agent = ls.rl.RecurrentAgent(problem, width=96, lstm=True, key=KEY)
    options = {"steps": steps, "tasks_per_step": 128, "key": KEY, "progress": False}
    trained = ls.train(method, agent, problems, optimiser, **options).model
    held_out = ls.envs.Harlow().draw(300, ls.Split.TEST, key=KEY)
    live = eqx.filter_jit(jax.vmap(lambda env, key: ls.envs.live(trained, env, key=key)))
    life = live(held_out, jr.split(KEY, 300))
    right = (life.reward > 0).mean(where=life.over & (life.trial == 0))
    assert 0.4 < right < 0.6
    assert (life.reward > 0).mean(where=life.over & (life.trial > 0)) > 0.9
