"""Rollouts and gradients of policies, against enumeration and slow loops."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import probes
import pytest
from conftest import assert_close
from probes import row

import learnset as ls
from learnset.core._tree import traced
from learnset.rl._rollout import replay

KEY = jr.key(0)
STEPS = 4  # of which one is idle after a trial of two, and nothing comes behind it
MANY = 4000
A2C = ls.rl.A2C(horizon=STEPS)
PPO = ls.rl.PPO(horizon=STEPS)
AGENT = row(probes.agents(KEY[None]), 0)


@eqx.filter_jit
def drawn(tasks, number=MANY):
    return tasks.draw(number, ls.Split.TRAIN, key=KEY)


@eqx.filter_jit
def _happened(agent, envs, key, endless):
    return ls.rl.rollout(agent, envs, STEPS, endless=endless, key=key)


def happened(agent, envs, key=KEY, endless=False):
    return _happened(agent, envs, key, endless)


def gradient(method, agent, envs, key=KEY):
    return _gradient(traced(method), agent, envs, key)


@eqx.filter_jit
def _gradient(method, agent, envs, key):
    return method.gradient(agent, envs, method.init(agent), key=key)[0]


# What is gathered.


@eqx.filter_jit
def thought(agent, memory, percept, action, secret):
    memory, activity = agent.hear(memory, percept)
    chances = jax.nn.softmax(agent.policy(activity).logits)
    return memory, {
        "log_prob": jnp.log(chances[action]),
        "entropy": -(chances * jnp.log(chances)).sum(),
        "value": agent.value(activity, secret),
        "guess": agent.guess(activity),
    }


@pytest.mark.parametrize("endless", (False, True))
def test_a_rollout_is_what_a_loop_over_tasks_and_steps_sees(endless):
    """Task by task and step by step, by the agent's own words."""
    envs = drawn(probes.REMEMBERED)
    found, advance = happened(AGENT, envs, endless=endless), eqx.filter_jit(ls.envs.advance)
    for task in range(3):
        env, memory = row(envs, task), AGENT.begin()
        world = ls.envs.begin(env, key=KEY)
        for step in range(STEPS):
            action, over, alive = found.action[step, task], step == 2, step < 3 or endless
            memory, words = thought(AGENT, memory, world.percept, action, env.hidden[None])
            assert_close(row(found.percept, (step, task)), world.percept)
            expected = {
                "secret": env.hidden[None],
                "reward": env.reward[step, action] if step < 2 else jnp.asarray(0.0),
                "counts": jnp.asarray(alive and not over),
                "alive": jnp.asarray(alive),
            }
            assert_close({name: getattr(found, name)[step, task] for name in words}, words)
            assert_close({name: getattr(found, name)[step, task] for name in expected}, expected)
            world = advance(env, world, action, endless=endless, key=KEY)
        _, words = thought(AGENT, memory, world.percept, action, env.hidden[None])
        assert_close(found.last_value[task], words["value"] if endless else jnp.asarray(0.0))


def test_replayed_a_rollout_is_as_it_was():
    found = happened(AGENT, drawn(probes.REMEMBERED))
    assert_close(eqx.filter_jit(replay)(AGENT, found), found)


def test_actions_are_drawn_with_the_chances_of_the_policy():
    agent = eqx.tree_at(lambda a: a.actor.bias, AGENT, jnp.array([0.0, 1.0]))
    found = happened(agent, drawn(probes.CONSTANT))
    for step in range(2):
        chance = chance_of_one(found, step)
        assert abs(found.action[step].mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / MANY)


def chance_of_one(found, step=0):
    """How likely action 1 was, on the average."""
    likely = np.exp(found.log_prob[step])
    return np.where(found.action[step] == 1, likely, 1 - likely).mean()


def test_after_its_end_a_task_is_not_alive():
    found = happened(AGENT, drawn(probes.CONSTANT))
    assert np.array_equal(found.alive[:, 0], [True, True, False, False])
    assert np.array_equal(found.counts[:, 0], [True, False, False, False])
    assert np.array_equal(found.reward, found.counts)


def test_an_endless_task_begins_again_and_is_never_over():
    found = happened(AGENT, drawn(probes.CONSTANT), endless=True)
    assert found.alive.all() and np.array_equal(found.counts[:, 0], [True, False, True, False])
    assert np.array_equal(found.reward, found.counts)


# What is hidden.


def test_what_is_hidden_reaches_the_critic_and_nothing_that_acts():
    envs = drawn(probes.ACTION_BY_SEEN)
    other = eqx.tree_at(lambda e: e.hidden, envs, envs.hidden + 1)
    one, two = happened(AGENT, envs), happened(AGENT, other)
    for name in ("percept", "action", "log_prob", "entropy", "guess", "reward"):
        assert eqx.tree_equal(getattr(one, name), getattr(two, name)), name
    assert np.all(np.asarray(one.value != two.value)) and not np.array_equal(one.secret, two.secret)


def test_what_is_hidden_is_what_guesses_are_drawn_to():
    """The gradient of the squared error, by hand."""
    method, envs = eqx.tree_at(lambda m: m.guess_cost, POLICY_ALONE, 1.0), drawn(probes.CONSTANT)
    found = happened(AGENT, envs)
    expected = 2 * float((found.guess - found.secret)[found.alive].mean())
    assert float(gradient(method, AGENT, envs).guesser.bias[0]) == pytest.approx(expected, rel=1e-4)


# Gradients.

POLICY_ALONE = ls.rl.A2C(horizon=STEPS, discount=0.0, entropy=0.0, value_cost=0.0)


def test_the_gradient_is_the_score_times_the_advantage_of_what_was_drawn():
    """Of the policy's two biases, by hand: for each draw, what was done less how likely it was."""
    envs = drawn(probes.ACTION)
    found = happened(AGENT, envs)
    action, gained = np.asarray(found.action[0]), np.asarray(found.reward - found.value)[0]
    likely = np.exp(found.log_prob[0])
    score = (action == [[0], [1]]) - np.where(action == [[0], [1]], likely, 1 - likely)
    expected = -(score * (gained - gained.mean()) / gained.std()).mean(axis=1)
    assert np.allclose(
        gradient(POLICY_ALONE, AGENT, envs).actor.bias, expected, rtol=1e-4, atol=1e-6
    )


def test_the_mean_gradient_is_that_of_the_expected_reward():
    """By enumeration: the expected reward is 2 p - 1, if p is the chance of the better action, and its derivative by the
    action's bias 2 p (1 - p); it is divided by the reward's spread, 2 sqrt(p (1 - p))."""
    agent = eqx.tree_at(lambda a: a.actor.bias, AGENT, jnp.array([0.0, 1.0]))
    agent = eqx.tree_at(lambda a: a.critic.layers[-1].weight, agent, replace_fn=jnp.zeros_like)
    envs = drawn(probes.ACTION)
    chance = chance_of_one(happened(agent, envs))
    expected = np.sqrt(chance * (1 - chance)) * np.array([1, -1])
    found = np.mean(
        [gradient(POLICY_ALONE, agent, envs, key=key).actor.bias for key in jr.split(KEY, 20)],
        axis=0,
    )
    assert np.allclose(found, expected, atol=4 * 0.5 / np.sqrt(20 * MANY))


def test_one_update_of_ppo_is_one_of_a2c():
    options = {"horizon": STEPS, "guess_cost": 0.3, "entropy": 0.05}
    ppo = ls.rl.PPO(optimiser=optax.sgd(1.0), epochs=1, parts=1, **options)
    envs = drawn(probes.REMEMBERED)
    expected = gradient(ls.rl.A2C(**options), AGENT, envs, key=jr.split(KEY)[0])
    assert_close(gradient(ppo, AGENT, envs), expected, rtol=1e-4, atol=1e-6)


def test_no_gradient_of_the_policy_goes_through_the_critic():
    grads = gradient(eqx.tree_at(lambda m: m.value_cost, A2C, 0.0), AGENT, drawn(probes.REMEMBERED))
    assert not any(leaf.any() for leaf in jax.tree.leaves(grads.critic))


def test_no_gradient_of_the_critic_goes_through_its_targets():
    """Squared error with fixed targets, in units of their variance; by hand for the last bias: 2 (value - return). The
    third step is idle."""
    method = ls.rl.A2C(horizon=STEPS, discount=0.9, decay=1.0, entropy=0.0, value_cost=1.0)
    envs = drawn(probes.REMEMBERED)
    found = happened(AGENT, envs)
    reward, value = np.asarray(found.reward), np.asarray(found.value)
    returns = np.stack([0.9 * reward[1], reward[1], 0 * reward[1]])
    expected = 2 * (value[:3] - returns).mean() / returns.var()
    assert float(gradient(method, AGENT, envs).critic.layers[-1].bias[0]) == pytest.approx(
        expected, rel=1e-4
    )


def loss_gradient(method, agent, rollout):
    """Of PPO for what was gathered, by an agent of any kind."""
    return _loss_gradient(traced(method), agent, rollout)


@eqx.filter_jit
def _loss_gradient(method, agent, rollout):
    gained, returns = method._targets(rollout)
    return eqx.filter_grad(
        lambda agent: method._loss(agent, rollout, gained, returns, jnp.asarray(0))
    )(agent)


def test_what_is_done_when_nothing_counts_changes_no_gradient():
    found = happened(AGENT, drawn(probes.ACTION))
    other = eqx.tree_at(
        lambda r: r.action, found, jnp.where(found.counts, found.action, 1 - found.action)
    )
    assert not np.array_equal(found.action, other.action)
    assert_close(
        loss_gradient(PPO, AGENT, found), loss_gradient(PPO, AGENT, other), rtol=1e-5, atol=1e-7
    )


def test_what_is_behind_the_end_of_a_task_changes_no_gradient():
    """Whatever may have been seen, thought and got there."""
    found = happened(AGENT, drawn(probes.ACTION))

    def disturbed(leaf):
        dead = jnp.expand_dims(~found.alive, range(2, leaf.ndim))
        return jnp.where(dead, leaf + 3, leaf) if eqx.is_inexact_array(leaf) else leaf

    def parts(r):
        return r.percept, r.log_prob, r.value, r.guess, r.secret, r.reward

    other = eqx.tree_at(parts, found, jax.tree.map(disturbed, parts(found)))
    assert not np.array_equal(found.value, other.value)
    assert_close(
        loss_gradient(PPO, AGENT, found), loss_gradient(PPO, AGENT, other), rtol=1e-5, atol=1e-7
    )


def test_who_has_moved_far_enough_is_moved_no_further_but_can_go_back():
    """Action 1 pays. Once it is more likely by more than a fifth, nothing is left to gain; if less, everything."""
    found = happened(AGENT, drawn(probes.ACTION))
    method = ls.rl.PPO(horizon=STEPS, discount=0.0, entropy=0.0, value_cost=0.0, clip=0.2)

    def pull(shift):
        moved = eqx.tree_at(
            lambda a: a.actor.bias, AGENT, AGENT.actor.bias + jnp.array([-shift, shift])
        )
        return loss_gradient(method, moved, found).actor.bias[1]

    assert pull(0.0) < -0.3 and pull(0.15) < -0.3 and pull(-0.5) < -0.3
    assert pull(0.25) == pull(0.5) == 0


def test_uncertainty_is_worth_less_and_less():
    method = ls.rl.A2C(horizon=1, entropy=0.4, entropy_end=0.1, anneal=10)
    found = [method._entropy_cost(jnp.asarray(step)) for step in (0, 5, 10, 1000)]
    assert np.allclose(found, [0.4, 0.25, 0.1, 0.1])


# What cannot be.


WRONG = [
    {"horizon": 0},
    {"discount": 2.0},
    {"discount": -0.1},
    {"decay": 1.1},
    {"decay": float("nan")},
    {"entropy": -1.0},
    {"entropy_end": -1.0},
    {"anneal": 0},
    {"value_cost": -1.0},
    {"guess_cost": float("inf")},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("method", (ls.rl.A2C, ls.rl.PPO))
def test_wrong_settings_are_said_in_one_line(method, wrong):
    with pytest.raises(ls.InputError, match=f"{method.__name__}: `{next(iter(wrong))}=") as error:
        method(**{"horizon": 5} | wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", ({"epochs": 0}, {"parts": 0}, {"clip": 0.0}), ids=str)
def test_wrong_settings_of_ppo_are_said_in_one_line(wrong):
    with pytest.raises(ls.InputError, match=f"PPO: `{next(iter(wrong))}="):
        ls.rl.PPO(horizon=5, **wrong)
