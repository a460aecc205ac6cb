"""Rollouts and policy gradients, compared with enumeration and slow loops."""

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
STEPS = 4  # two of a trial, an idle one, and one after the end
MANY = 4000
A2C = ls.rl.A2C(horizon=STEPS)
PPO = ls.rl.PPO(horizon=STEPS)
AGENT = row(probes.agents(KEY[None]), 0)


@eqx.filter_jit
def drawn(tasks, number=MANY):
    return tasks.draw(number, ls.Split.TRAIN, key=KEY)


@eqx.filter_jit
def _rolled(agent, envs, key, endless):
    return ls.rl.rollout(agent, envs, STEPS, endless=endless, key=key)


def rolled(agent, envs, key=KEY, endless=False):
    return _rolled(agent, envs, key, endless)


def gradient(method, agent, envs, key=KEY):
    return _gradient(traced(method), agent, envs, key)


@eqx.filter_jit
def _gradient(method, agent, envs, key):
    return method.gradient(agent, envs, method.init(agent), key=key)[0]


# Rollouts.


@eqx.filter_jit
def judged(agent, memory, percept, action, secret):
    memory, activity = agent.hear(memory, percept)
    chances = jax.nn.softmax(agent.policy(activity).logits)
    return memory, {
        "log_prob": jnp.log(chances[action]),
        "entropy": -(chances * jnp.log(chances)).sum(),
        "value": agent.value(activity, secret),
        "guess": agent.guess(activity),
    }


@pytest.mark.slow
@pytest.mark.parametrize("endless", (False, True))
def test_a_rollout_equals_a_loop_over_tasks_and_steps(endless):
    envs = drawn(probes.REMEMBERED)
    lived, advance = rolled(AGENT, envs, endless=endless), eqx.filter_jit(ls.envs.advance)
    for task in range(3):
        env, memory = row(envs, task), AGENT.begin()
        world = ls.envs.begin(env, key=KEY)
        for step in range(STEPS):
            action, over, alive = lived.action[step, task], step == 2, step < 3 or endless
            memory, expected = judged(AGENT, memory, world.percept, action, env.hidden[None])
            assert_close(row(lived.percept, (step, task)), world.percept)
            expected |= {
                "secret": env.hidden[None],
                "reward": env.reward[step, action] if step < 2 else jnp.asarray(0.0),
                "counts": jnp.asarray(alive and not over),
                "alive": jnp.asarray(alive),
            }
            assert_close({name: getattr(lived, name)[step, task] for name in expected}, expected)
            world = advance(env, world, action, endless=endless, key=KEY)
        _, last = judged(AGENT, memory, world.percept, action, env.hidden[None])
        assert_close(lived.last_value[task], last["value"] if endless else jnp.asarray(0.0))


def test_a_replayed_rollout_is_unchanged():
    lived = rolled(AGENT, drawn(probes.REMEMBERED))
    assert_close(eqx.filter_jit(replay)(AGENT, lived), lived)


def test_actions_are_drawn_with_the_probabilities_of_the_policy():
    agent = eqx.tree_at(lambda a: a.actor.bias, AGENT, jnp.array([0.0, 1.0]))
    lived = rolled(agent, drawn(probes.CONSTANT))
    for step in range(2):
        chance = chance_of_one(lived, step)
        assert abs(lived.action[step].mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / MANY)


def chance_of_one(lived, step=0):
    """The mean probability of action 1."""
    likely = np.exp(lived.log_prob[step])
    return np.where(lived.action[step] == 1, likely, 1 - likely).mean()


def test_after_its_end_a_task_is_not_alive():
    lived = rolled(AGENT, drawn(probes.CONSTANT))
    assert np.array_equal(lived.alive[:, 0], [True, True, False, False])
    assert np.array_equal(lived.counts[:, 0], [True, False, False, False])
    assert np.array_equal(lived.reward, lived.counts)


def test_an_endless_task_begins_again_and_is_never_over():
    lived = rolled(AGENT, drawn(probes.CONSTANT), endless=True)
    assert lived.alive.all() and np.array_equal(lived.counts[:, 0], [True, False, True, False])
    assert np.array_equal(lived.reward, lived.counts)


# The secret.


def test_the_secret_reaches_the_critic_and_nothing_that_acts():
    envs = drawn(probes.ACTION_BY_SEEN)
    other = eqx.tree_at(lambda e: e.hidden, envs, envs.hidden + 1)
    one, two = rolled(AGENT, envs), rolled(AGENT, other)
    for name in ("percept", "action", "log_prob", "entropy", "guess", "reward"):
        assert eqx.tree_equal(getattr(one, name), getattr(two, name)), name
    assert np.all(np.asarray(one.value != two.value)) and not np.array_equal(one.secret, two.secret)


@pytest.mark.slow
def test_guesses_are_drawn_to_the_secret():
    """The gradient of the squared error, by hand."""
    method = eqx.tree_at(lambda m: m.objective.guess_cost, POLICY_ALONE, 1.0)
    envs = drawn(probes.CONSTANT)
    lived = rolled(AGENT, envs)
    expected = 2 * float((lived.guess - lived.secret)[lived.alive].mean())
    assert float(gradient(method, AGENT, envs).guesser.bias[0]) == pytest.approx(expected, rel=1e-4)


# Gradients.

POLICY = ls.rl.Objective(discount=0.0, entropy=0.0, value_cost=0.0)
POLICY_ALONE = ls.rl.A2C(STEPS, POLICY)


def test_the_gradient_is_the_score_times_the_advantage_of_the_drawn_actions():
    """Of the two biases of the policy, by hand: for each draw, the action minus its probability."""
    envs = drawn(probes.ACTION)
    lived = rolled(AGENT, envs)
    action, gained = np.asarray(lived.action[0]), np.asarray(lived.reward - lived.value)[0]
    likely = np.exp(lived.log_prob[0])
    score = (action == [[0], [1]]) - np.where(action == [[0], [1]], likely, 1 - likely)
    expected = -(score * (gained - gained.mean()) / gained.std()).mean(axis=1)
    bias = gradient(POLICY_ALONE, AGENT, envs).actor.bias
    assert np.allclose(bias, expected, rtol=1e-4, atol=1e-6)


def test_the_mean_gradient_is_that_of_the_expected_reward():
    """By enumeration: if p is the probability of the better action, the expected reward is 2 p - 1,
    and its derivative by the action's bias is 2 p (1 - p); it is divided by the spread of rewards,
    2 sqrt(p (1 - p))."""
    agent = eqx.tree_at(lambda a: a.actor.bias, AGENT, jnp.array([0.0, 1.0]))
    agent = eqx.tree_at(lambda a: a.critic.layers[-1].weight, agent, replace_fn=jnp.zeros_like)
    envs = drawn(probes.ACTION)
    chance = chance_of_one(rolled(agent, envs))
    expected = np.sqrt(chance * (1 - chance)) * np.array([1, -1])
    each = [gradient(POLICY_ALONE, agent, envs, key=key).actor.bias for key in jr.split(KEY, 20)]
    assert np.allclose(np.mean(each, axis=0), expected, atol=4 * 0.5 / np.sqrt(20 * MANY))


@pytest.mark.slow
def test_one_update_of_ppo_is_one_of_a2c():
    objective = ls.rl.Objective(guess_cost=0.3)
    ppo = ls.rl.PPO(STEPS, objective, optimiser=optax.sgd(1.0), epochs=1, parts=1)
    envs = drawn(probes.REMEMBERED)
    expected = gradient(ls.rl.A2C(STEPS, objective), AGENT, envs, key=jr.split(KEY)[0])
    assert_close(gradient(ppo, AGENT, envs), expected, rtol=1e-4, atol=1e-6)


def test_no_gradient_of_the_policy_goes_through_the_critic():
    method = eqx.tree_at(lambda m: m.objective.value_cost, A2C, 0.0)
    grads = gradient(method, AGENT, drawn(probes.REMEMBERED))
    assert not any(leaf.any() for leaf in jax.tree.leaves(grads.critic))


def test_no_gradient_of_the_critic_goes_through_its_targets():
    """Squared error with fixed targets, in units of their variance; by hand for the last bias: 2
    (value - return). The third step is idle."""
    objective = ls.rl.Objective(discount=0.9, decay=1.0, entropy=0.0, value_cost=1.0)
    envs = drawn(probes.REMEMBERED)
    lived = rolled(AGENT, envs)
    reward, value = np.asarray(lived.reward), np.asarray(lived.value)
    returns = np.stack([0.9 * reward[1], reward[1], 0 * reward[1]])
    expected = 2 * (value[:3] - returns).mean() / returns.var()
    grads = gradient(ls.rl.A2C(STEPS, objective), AGENT, envs)
    assert float(grads.critic.layers[-1].bias[0]) == pytest.approx(expected, rel=1e-4)


def loss_gradient(method, agent, lived):
    """The gradient of PPO's loss for a rollout, by an agent of any kind."""
    return _loss_gradient(traced(method), agent, lived)


@eqx.filter_jit
def _loss_gradient(method, agent, lived):
    gained, returns = method.objective.targets(lived)
    return eqx.filter_grad(
        lambda agent: method._loss(agent, lived, gained, returns, jnp.asarray(0))
    )(agent)


def same_gradients(one, other):
    grads = [loss_gradient(PPO, AGENT, lived) for lived in (one, other)]
    assert_close(*grads, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_an_action_that_does_not_count_changes_no_gradient():
    lived = rolled(AGENT, drawn(probes.ACTION))
    action = jnp.where(lived.counts, lived.action, 1 - lived.action)
    assert not np.array_equal(lived.action, action)
    same_gradients(lived, eqx.tree_at(lambda r: r.action, lived, action))


def test_nothing_after_the_end_of_a_task_changes_a_gradient():
    lived = rolled(AGENT, drawn(probes.ACTION))

    def disturbed(leaf):
        dead = jnp.expand_dims(~lived.alive, range(2, leaf.ndim))
        return jnp.where(dead, leaf + 3, leaf) if eqx.is_inexact_array(leaf) else leaf

    def parts(r):
        return r.percept, r.log_prob, r.value, r.guess, r.secret, r.reward

    other = eqx.tree_at(parts, lived, jax.tree.map(disturbed, parts(lived)))
    assert not np.array_equal(lived.value, other.value)
    same_gradients(lived, other)


def test_a_policy_that_has_moved_far_enough_is_moved_no_further_but_can_go_back():
    """Action 1 pays. Once its probability has grown by more than a fifth, the gradient is zero."""
    lived = rolled(AGENT, drawn(probes.ACTION))
    method = ls.rl.PPO(STEPS, POLICY, clip=0.2)

    def pull(shift):
        bias = AGENT.actor.bias + jnp.array([-shift, shift])
        moved = eqx.tree_at(lambda a: a.actor.bias, AGENT, bias)
        return loss_gradient(method, moved, lived).actor.bias[1]

    assert pull(0.0) < -0.3 and pull(0.15) < -0.3 and pull(-0.5) < -0.3
    assert pull(0.25) == pull(0.5) == 0


def test_the_weight_of_entropy_falls():
    objective = ls.rl.Objective(entropy=0.4, entropy_end=0.1, anneal=10)
    weights = [objective.entropy_weight(jnp.asarray(step)) for step in (0, 5, 10, 1000)]
    assert np.allclose(weights, [0.4, 0.25, 0.1, 0.1])


# Impossible settings.


WRONG = [
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
def test_wrong_settings_of_an_objective_are_refused_in_one_line(wrong):
    with pytest.raises(ls.InputError, match=f"Objective: `{next(iter(wrong))}=") as error:
        ls.rl.Objective(**wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", (ls.rl.A2C, ls.rl.PPO))
def test_a_horizon_of_no_steps_is_refused(method):
    with pytest.raises(ls.InputError, match=f"{method.__name__}: `horizon=0`"):
        method(horizon=0)


@pytest.mark.parametrize("wrong", ({"epochs": 0}, {"parts": 0}, {"clip": 0.0}), ids=str)
def test_wrong_settings_of_ppo_are_refused_in_one_line(wrong):
    with pytest.raises(ls.InputError, match=f"PPO: `{next(iter(wrong))}="):
        ls.rl.PPO(horizon=5, **wrong)
